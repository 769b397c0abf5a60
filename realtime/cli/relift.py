"""`realtime process`: lift a recording's keypoints anew by another engine or for another camera."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.cli.export import progress_bar
from realtime.cli.run import SETTINGS
from realtime.config.loader import Flags, load
from realtime.config.schema import RunConfig
from realtime.lift.lifter import Lifter
from realtime.recording.file_format import check_target
from realtime.recording.reader import Recorded
from realtime.recording.relift import check_joints, new_hello, people_and_hello, relift

FLAGS = ("--engine", "--device", "--fov", "--intrinsics", "--height", "--tilt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a recording")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: FILE.ENGINE.sp beside it")
    for flag in FLAGS:
        _, read, stands_for, text = SETTINGS[flag]
        parser.add_argument(flag, type=read, metavar=stands_for, help=text)


def main(args: argparse.Namespace) -> int:
    from engines import open_engine
    from engines.contract import BATCHES
    from realtime.lift.lifter import chosen

    people, hello = people_and_hello(args.file)
    config = settings(args, hello.reliability_source)
    batch = next((b for b in BATCHES if b >= people), BATCHES[-1])
    engine = open_engine(chosen(config.lift.engine, hello.detector), config.lift.device, batch, config.lift.allow_cpu)
    lifter = Lifter(engine, config.lift, config.camera, config.occlusion.source())
    out = check_target(args.out or args.file.with_suffix(f".{engine.name}.sp"))
    check_joints(lifter, hello)
    with progress_bar() as bar:
        task = bar.add_task(f"lifting with {engine.name}", total=args.file.stat().st_size)
        recorded = Recorded(args.file, lambda offset: bar.update(task, completed=offset))
        poses = relift(recorded, out, new_hello(hello, lifter, config), lifter)
    print(f"{out}: {poses} poses by {engine.name} ({engine.provider})")
    return 0


def settings(args: argparse.Namespace, reliability_source: str) -> RunConfig:
    flags: Flags = {}
    for flag in FLAGS:
        value = getattr(args, flag.removeprefix("--"))
        if value is not None:
            flags[SETTINGS[flag][0]] = (flag, value)
    if reliability_source == "learned":  # what the recording's reliabilities mean; the network itself is not needed
        flags["occlusion.engine"] = ("the recording", "learned")
    return load(None, flags)
