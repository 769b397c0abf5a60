"""`realtime run`: build the settings from flags and a file, run the pipeline, end with an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.config.loader import ConfigError, Flags, load
from realtime.config.picture_size import size
from realtime.config.schema import VIEWER_TOKEN, RunConfig

if TYPE_CHECKING:
    from realtime.supervise.supervisor import Snapshot
    from realtime.supervise.terminal import Newest


def milliseconds(text: str) -> float | str:
    """Parse milliseconds, or `auto`, which lets the machine decide."""
    return text if text == "auto" else float(text)


# flag -> (setting, how its text is read, what it stands for, help)
SETTINGS: dict[str, tuple[str, Callable[[str], Any], str, str]] = {
    "--fps": ("source.fps", float, "HZ", "pictures a second to ask for"),
    "--rotate": ("source.rotate", int, "DEG", "turn the picture clockwise: 0, 90, 180 or 270"),
    "--seed": ("demo.seed", int, "N", "random seed of the demo's film"),
    "--calibration": (
        "room.calibration",
        str,
        "FILE",
        "calibration of several cameras, whose poses are then fused: JSON, TOML, Qualisys",
    ),
    "--unit": ("room.unit", str, "UNIT", "unit of the calibration's lengths: auto, m, cm or mm"),
    "--fov": ("camera.fov_deg", float, "DEG", "horizontal field of view of the camera"),
    "--intrinsics": ("camera.intrinsics", str, "FILE", "YAML: fx, fy, cx, cy, width, height (px), distortion"),
    "--height": ("camera.height_m", float, "M", "height of the person; makes positions metric"),
    "--tilt": ("camera.tilt_deg", float, "DEG", "how far the camera looks down; else gravity is estimated"),
    "--model": ("detector.model", str, "MODEL", "detector: lite, full, heavy, auto (as measured) or a .task bundle"),
    "--people": ("detector.people", int, "N", "how many people to look for"),
    "--engine": ("lift.engine", str, "NAME_OR_DIR", "lifting network: a name in the store or a folder"),
    "--device": ("lift.device", str, "DEVICE", "auto, cpu, cuda, tensorrt or tensorrt-rtx"),
    "--max-age": ("publish.max_age_ms", milliseconds, "MS", "an older pose is not current (auto: 150, or as measured)"),
    "--bind": ("publish.bind", str, "ADDRESS", "where poses are published (default tcp://127.0.0.1:5555)"),
    "--keys": ("publish.keys", str, "DIR", "folder of keys: only listed clients read the poses (realtime keys new)"),
    "--to": ("remote.to", str, "ADDRESS", "send pictures there: tcp://HOST:PORT, where --source remote://... waits"),
    "--record": ("record.file", str, "FILE", "write the stream to a file"),
    "--save-video": ("view.save_video", str, "OUT.mp4", "write a film of the run with the skeletons on it"),
    "--http": ("view.http", str, "HOST:PORT", "where --view serves its page (default 127.0.0.1:8008)"),
    "--record-dir": ("view.record_dir", str, "DIR", "pages of --view may record, into this folder only"),
    "--seconds": ("terminal.seconds", float, "S", "stop after so many seconds"),
}
SWITCHES: dict[str, tuple[str, str]] = {
    "--every-frame": ("source.every_frame", "process every frame, as fast as possible (files and the demo)"),
    "--insecure": ("publish.insecure", "allow a bind beyond this machine: anyone who reaches it can read the poses"),
    "--view": ("view.open", "serve the viewer beside the pipeline"),
    "--with-video": ("view.with_video", "the viewer shows the camera's picture too"),
    "--mirror": ("view.mirror", "mirror what is displayed; messages stay as they are"),
    "--json": ("terminal.json", "one JSON line a second"),
    "--quiet": ("terminal.quiet", "print nothing"),
}
DEMO_FOV_DEG = 60.0  # what the demo draws with; a lifter may know it
FIRST_FRAME_S = 120.0  # a camera and its networks may take so long to start
LAST_FRAMES_S = 20.0  # to write what a film's encoder still holds
ANY_AGE_MS = 1e12  # poses of a file do not age


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--camera", metavar="INDEX_OR_DEVICE", action="append", help="0, 1, /dev/video2 (default: 0); several: repeat"
    )
    source.add_argument(
        "--source",
        metavar="FILE_OR_URL",
        action="append",
        help="clip.mp4, rtsp://..., http://.../stream.mjpg, remote://HOST:PORT; several: repeat",
    )
    source.add_argument("--demo", action="store_true", help="a rendered person instead of a camera")
    parser.add_argument(
        "--config", metavar="FILE", help="YAML settings, or live, file, demo, jetson; flags win over them"
    )
    parser.add_argument("--only", choices=("capture",), help="only capture here and send the pictures --to ADDRESS")
    parser.add_argument("--size", metavar="WxH", type=size, help="picture size to ask for, in px: 1280x720")
    parser.add_argument(
        "--cameras", metavar="A,B", help="names of the sources in the --calibration file, in their order"
    )
    for flag, (_, read, stands_for, text) in SETTINGS.items():
        parser.add_argument(flag, type=read, metavar=stands_for, help=text)
    for flag, (_, text) in SWITCHES.items():
        parser.add_argument(flag, action="store_true", help=text)


def given(args: argparse.Namespace) -> Flags:
    """Collect what the command line sets: setting -> (flag, value)."""
    flags: Flags = {}
    for flag, name in (("--camera", "camera"), ("--source", "source")):
        if (specs := getattr(args, name)) is not None:
            flags["source.spec"] = (flag, specs[0])
            if len(specs) > 1:
                flags["room.sources"] = (flag, specs)
    if args.cameras:
        flags["room.cameras"] = ("--cameras", args.cameras.split(","))
    if args.demo:
        flags["source.spec"] = ("--demo", "demo")
    if args.size:
        flags["source.width"], flags["source.height"] = ("--size", args.size[0]), ("--size", args.size[1])
    for flag, row in (SETTINGS | SWITCHES).items():
        value: Any = getattr(args, flag.removeprefix("--").replace("-", "_"))
        if value is not None and value is not False:
            flags[row[0]] = (flag, value)
    return flags


def settings(args: argparse.Namespace) -> RunConfig:
    config = load(args.config, given(args))
    if args.only and not config.remote.to:
        raise ConfigError("--only capture: where do the pictures go? --to tcp://HOST:PORT")
    if config.room.sources:
        return of_room(config)
    if config.room.calibration:
        raise ConfigError("--calibration is of several cameras; name them all: realtime run --camera 0 --camera 1")
    if config.source.spec == "demo" and config.camera.fov_deg is None and config.camera.intrinsics is None:
        return replace(config, camera=replace(config.camera, fov_deg=DEMO_FOV_DEG))
    return config


def of_room(config: RunConfig) -> RunConfig:
    """Check the settings of several cameras; the source that clients follow first names the run."""
    from realtime.fusion.cameras import calibrated, check_room
    from realtime.fusion.fuser import FUSED

    if config.remote.to:
        raise ConfigError("--only capture sends one camera; start one a camera, each --to an address of its own")
    check_room(config)
    name = FUSED if calibrated(config) else "cam0"
    return replace(config, source=replace(config.source, spec=config.room.sources[0], name=name))


def run_pipeline(config: RunConfig, report: Callable[[Snapshot], None]) -> int:
    """Run one camera or film, or several cameras; return the exit code."""
    from realtime.config.source_spec import is_file_run
    from realtime.supervise import supervisor

    if not config.room.sources or is_file_run(config.source):
        return supervisor.run(config, report=report)
    from realtime.fusion.cameras import live_settings
    from realtime.supervise.several import run_several

    return run_several(config, live_settings, report)


def main(args: argparse.Namespace) -> int:
    from realtime.config import source_spec
    from realtime.supervise.terminal import summary, terminal

    config = settings(args)
    warn_if_open(config)
    if config.remote.to:
        return send(config)
    refuse_a_crowd(config)
    for spec in config.room.sources or (config.source.spec,):
        source_spec.check(replace(config.source, spec=spec))
    refuse_missing_files(config)
    fetch_models(config)
    seen: list[Snapshot] = []
    with newest_pose(config) as newest, viewer(config), film(config), terminal(config, newest) as show:

        def report(snapshot: Snapshot) -> None:
            seen[:] = [snapshot]
            show(snapshot)

        code = run_pipeline(config, report)
    if seen and seen[0].answered and not config.terminal.quiet and not config.terminal.json:
        print(summary(seen[0]))
    return code


def send(config: RunConfig) -> int:
    """Only the camera is here."""
    from realtime.config import source_spec
    from realtime.supervise import supervisor
    from realtime.supervise.terminal import terminal
    from realtime.transport.address import parse
    from realtime.transport.keys import client_keys

    assert config.remote.to is not None
    source_spec.check(config.source)
    refuse_what_needs_poses(config)
    if config.publish.keys:
        client_keys(config.publish.keys)
    own = f"tcp://127.0.0.1:{parse(config.remote.to).port}"  # names this run's directory and memory; nothing is bound
    config = replace(config, publish=replace(config.publish, bind=own))
    with terminal(config, lambda: None) as show:
        return supervisor.run(config, report=show)


def refuse_what_needs_poses(config: RunConfig) -> None:
    from realtime.config.source_spec import is_file_run, kind_of

    asked = {"--record": config.record.file, "--view": config.view.open, "--save-video": config.view.save_video}
    if flags := [flag for flag, value in asked.items() if value]:
        raise ConfigError(f"{', '.join(flags)}: there are no poses where only the camera is; ask for it where they are")
    if is_file_run(config.source) or kind_of(config.source.spec) == "remote":
        raise ConfigError(f"source {config.source.spec}: --to sends a camera, a stream or the demo as they come")


@contextmanager
def newest_pose(config: RunConfig) -> Iterator[Newest]:
    """Provide what the terminal shows comes from the stream itself, as any client has it."""
    from realtime.client.pose_client import PoseClient
    from realtime.config.source_spec import is_file_run
    from realtime.wire.messages import Pose3D

    if config.terminal.quiet:
        yield lambda: None
        return
    limit_ms = ANY_AGE_MS if is_file_run(config.source) else None
    public = config.publish
    with PoseClient(connectable(public.bind), max_age_ms=asked_age(config), keys=public.keys) as client:

        def newest() -> Pose3D | None:
            pose = client.latest(limit_ms)
            return None if pose.status == "STALE" else pose

        yield newest


def asked_age(config: RunConfig) -> float | None:
    """Return the requested age limit, ms; None: the publisher's own, which follows the machine."""
    return None if isinstance(config.publish.max_age_ms, str) else config.publish.max_age_ms


@contextmanager
def viewer(config: RunConfig) -> Iterator[None]:
    """Beside the run, in a process of its own, when asked for; the terminal shows its address, with the same token."""
    if not config.view.open:
        yield
        return
    from realtime.cli.main import main as command_line
    from realtime.cli.view import checked_folder
    from realtime.supervise.companion import beside
    from realtime.transport.address import Busy, check_free
    from realtime.web.access import new_token, parse_http

    listen = parse_http(config.view.http)
    checked_folder(Path(config.view.record_dir) if config.view.record_dir else None)
    try:
        check_free(f"tcp://{config.view.http}")
    except Busy as error:
        raise Busy(f"viewer: port {listen.port} is in use; choose another: --http 127.0.0.1:PORT") from error
    command = ["view", "--connect", connectable(config.publish.bind), "--http", config.view.http]
    command += ["--mirror"] * config.view.mirror + ["--with-video"] * config.view.with_video
    command += ["--record-dir", config.view.record_dir] if config.view.record_dir else []
    command += keys_of(config)
    os.environ[VIEWER_TOKEN] = new_token()  # not on a command line, which every user of the machine can read
    try:
        with beside(command_line, command + ["--no-open"] * config.terminal.quiet):
            yield
    finally:
        del os.environ[VIEWER_TOKEN]


def film(config: RunConfig) -> AbstractContextManager[None]:
    """Written beside the run, in a process of its own, when asked for."""
    out = config.view.save_video
    if out is None:
        return nullcontext()
    from realtime.cli.main import main as command_line
    from realtime.render.film_writer import check_out
    from realtime.supervise.companion import beside

    if config.source.every_frame:
        raise ConfigError(
            "--save-video keeps the pace of a stream; for every frame of a film: realtime render FILM -o OUT.mp4"
        )
    check_out(Path(out), False)
    patience_s = FIRST_FRAME_S if not config.terminal.seconds else min(FIRST_FRAME_S, config.terminal.seconds + 10)
    command = ["render", connectable(config.publish.bind), "-o", out, "--patience", str(patience_s), *keys_of(config)]
    return beside(command_line, command, end_s=LAST_FRAMES_S, asked=True)


def keys_of(config: RunConfig) -> list[str]:
    """For a client that runs beside this run."""
    return ["--keys", config.publish.keys] if config.publish.keys else []


def connectable(bind: str) -> str:
    """Return the address at which a local client reaches what is bound to every interface."""
    return bind.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:").replace("//*:", "//127.0.0.1:")


def refuse_missing_files(config: RunConfig) -> None:
    """Refuse a missing calibration, engine or key folder before anything starts."""
    from realtime.config import source_spec
    from realtime.config.loader import load_intrinsics
    from realtime.transport.keys import client_keys, publisher_keys

    if config.publish.keys:
        publisher_keys(config.publish.keys)
        if source_spec.kind_of(config.source.spec) == "remote":
            publisher_keys(config.publish.keys, "cameras")
        client_keys(config.publish.keys)  # of the terminal and the viewer beside this run
    if config.camera.intrinsics:
        load_intrinsics(config.camera.intrinsics)
    if config.lift.engine != "auto":
        from engines import store

        store.locate(config.lift.engine)


def fetch_models(config: RunConfig) -> None:
    """Before any stage starts, so that a download is no silence; `auto` goes on with what is to be had."""
    from realtime.config.detector_models import AUTO, DEFAULT, NAMES
    from realtime.detect.find_bundle import bundle_of
    from realtime.detect.model_download import ModelError, ensure_model

    bundle_of(config.detector.model)
    if config.detector.model != AUTO:
        return
    try:
        for name in NAMES:
            ensure_model(name)
    except ModelError as error:
        if not config.terminal.quiet:
            print(f"detector.model auto: {DEFAULT} alone is measured; {first_line(error)}", file=sys.stderr)


def first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[:2])


def refuse_a_crowd(config: RunConfig) -> None:
    """Everybody of a frame must fit one slot of the PoseRing, with all their keypoints."""
    from engines.skeleton import BLAZEPOSE_33, H36M_17
    from realtime.transport.pose_ring import people_that_fit

    asked, most = config.detector.people, people_that_fit(len(BLAZEPOSE_33), len(H36M_17))
    if asked > most:
        raise ConfigError(f"--people: {asked} do not fit one message, {most} do: realtime run --people {most}")


def warn_if_open(config: RunConfig) -> None:
    """`--insecure` was asked for; nobody may overlook it, not even with --quiet."""
    from realtime.transport.address import is_loopback

    if config.publish.insecure and not config.publish.keys and not is_loopback(config.publish.bind):
        print(
            f"WARNING: {config.publish.bind} has no keys: everyone who reaches it can read where people are and how "
            "they move. Without --insecure only this machine can.",
            file=sys.stderr,
        )
