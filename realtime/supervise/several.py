"""Supervise several cameras of one room: a run of its own for each, and one that passes on and fuses.

Each camera's run is what a single camera's is, on a loopback port of its own: one that hangs, crashes or loses its
camera disturbs no other.  The fuse stage of the outer run holds the public address.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from realtime import pipeline
from realtime.config import source_spec
from realtime.config.schema import RecordConfig, RoomConfig, RunConfig, ViewConfig
from realtime.pipeline import Table
from realtime.supervise.supervisor import CRASHED, End, Report, Snapshot, Supervisor
from realtime.transport.address import free_ports
from realtime.transport.bus import run_directory

ADDRESSES = "cameras.json"  # in the outer run's directory: where the cameras' runs publish
JOIN_S = 5.0

log = logging.getLogger("supervisor")
Settings = Callable[[RunConfig, Path], list[RunConfig]]  # a run's settings, a private folder -> each camera's


def run_several(
    config: RunConfig, settings: Settings, report: Report, layout: Callable[[Table], Table] = lambda table: table
) -> int:
    """Return the whole run; the first camera that is refused ends it with its line."""
    table = pipeline.ROOM | (pipeline.RECORD if config.record.file else {})
    with run_directory(config.publish.bind) as directory, ExitStack() as stack:
        stack.callback((directory / ADDRESSES).unlink, missing_ok=True)
        cameras = placed(settings(config, directory), directory)
        for one in cameras:
            source_spec.check(one.source)
            if one.camera.intrinsics and Path(one.camera.intrinsics).parent == directory:
                stack.callback(Path(one.camera.intrinsics).unlink, missing_ok=True)
        outer = Supervisor(config, table, directory)
        runs = [CameraRun(one, layout, outer) for one in cameras]
        with started(runs):
            end = outer.run(lambda shot: report(together(shot, runs)))
    ends = [run.end for run in runs if run.end is not None and run.end.code] or [end]
    if ends[0].line:
        sys.stderr.write(ends[0].line.rstrip() + "\n")
    return ends[0].code


def placed(cameras: list[RunConfig], directory: Path) -> list[RunConfig]:
    """Return each camera's run at a free address of this machine, written down for the fuse stage."""
    ports = free_ports([one.source.name for one in cameras])
    addresses = [f"tcp://127.0.0.1:{ports[one.source.name]}" for one in cameras]
    (directory / ADDRESSES).write_text(json.dumps(addresses), encoding="utf-8")
    return [inner(one, address) for one, address in zip(cameras, addresses)]


def inner(config: RunConfig, address: str) -> RunConfig:
    """Return settings of one camera's run: nothing of it is shown, recorded, or heard beyond this machine."""
    public = replace(config.publish, bind=address, insecure=False, keys=None)
    quiet = replace(config.terminal, seconds=None, quiet=True)
    return replace(config, publish=public, room=RoomConfig(), record=RecordConfig(), view=ViewConfig(), terminal=quiet)


class CameraRun:
    """One camera's supervisor, in a thread; its end ends the whole run."""

    def __init__(self, config: RunConfig, layout: Callable[[Table], Table], outer: Supervisor) -> None:
        self.name = config.source.name
        self.end: End | None = None
        self.shot: Snapshot | None = None
        self._config, self._layout, self._outer = config, layout, outer
        self._supervisor: Supervisor | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"camera-{self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            with run_directory(self._config.publish.bind) as directory:
                table = self._layout(pipeline.live(self._config.pipeline.processes))
                self._supervisor = Supervisor(self._config, table, directory)
                if self._stopped:
                    return
                self.end = self._supervisor.run(self._see)
        except Exception as error:
            code = getattr(error, "exit_code", None)
            if not isinstance(code, int):
                self.end = End(CRASHED, f"realtime: {self.name}: {type(error).__name__}: {error}")
                raise
            self.end = End(code, f"realtime: {self.name}: {error}")
        finally:
            self._outer.stop()

    def _see(self, shot: Snapshot) -> None:
        self.shot = shot

    def stop(self) -> None:
        self._stopped = True
        if self._supervisor:
            self._supervisor.stop()

    def join(self) -> None:
        self._thread.join(JOIN_S)


@contextmanager
def started(runs: list[CameraRun]) -> Iterator[None]:
    for run in runs:
        run.start()
    try:
        yield
    finally:
        for run in runs:
            run.stop()
        for run in runs:
            run.join()


def together(outer: Snapshot, runs: list[CameraRun]) -> Snapshot:
    """Return the whole run as the terminal shows it: every camera's stages by its name."""
    shots = [(run.name, run.shot) for run in runs if run.shot is not None]
    stages = [replace(one, stage=f"{name} {one.stage}") for name, shot in shots for one in shot.stages]
    pids = {f"{name} {process}": pid for name, shot in shots for process, pid in shot.pids.items()}
    notes = "; ".join(f"{n}: {s.info['source_note']}" for n, s in shots if s.info.get("source_note"))
    return replace(
        outer, stages=(*stages, *outer.stages), pids=pids | outer.pids, info=outer.info | {"source_note": notes},
        dropped=sum(shot.dropped for _, shot in shots), captured=sum(shot.captured for _, shot in shots),
        ready=outer.ready and len(shots) == len(runs) and all(shot.ready for _, shot in shots),
    )  # fmt: skip
