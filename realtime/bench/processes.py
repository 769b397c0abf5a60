"""Measure processor time a frame of each process of a live run, the detector's own threads apart (Linux).

`python -m realtime.bench.processes` prints a table and, last, one JSON line.  The kernel's own count of each thread
(`schedstat`) is read twice: what other programs do to it shows least where it is set against the detector's threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from realtime.bench.collect import Collector
from realtime.bench.film import render
from realtime.pipeline import LIVE, processes
from realtime.transport.address import free_port

DETECTOR = "drishti"  # name of MediaPipe's threads
SETTLE_S = 2.0  # after the first pose
SUPERVISOR = "supervisor"


def spent_ns(root: psutil.Process) -> Counter[str]:
    """Return processor time so far by process, in the order they were started, and of the detector's threads."""
    names = list(processes(LIVE))
    children = [one for one in root.children() if "resource_tracker" not in " ".join(one.cmdline())]
    found: Counter[str] = Counter()
    for name, process in [(SUPERVISOR, root), *zip(names, sorted(children, key=lambda one: one.pid))]:
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            own = (thread / "comm").read_text().strip() == DETECTOR
            found["detector" if own else name] += int((thread / "schedstat").read_text().split()[0])
    return found


def measure(film: Path, seconds: float, engine: str) -> dict[str, float]:
    """Return ms a frame of each process at 30 Hz, and poses answered a second."""
    bind = f"tcp://127.0.0.1:{free_port()}"
    given = {"source.spec": str(film), "source.fps": 30.0, "camera.fov_deg": 60.0, "lift.engine": engine,
             "publish.bind": bind, "terminal.seconds": seconds + SETTLE_S + 1, "detector.model": "full",
             "pipeline.processes": "joined"}  # fmt: skip
    command = [sys.executable, "-m", "realtime.bench.live", json.dumps(given)]
    collector = Collector(bind)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"GLOG_minloglevel": "2"}) as run:
        root = psutil.Process(run.pid)
        while not collector.poses.seqs and run.poll() is None:
            time.sleep(0.05)
            collector.look()
        time.sleep(SETTLE_S)
        collector.look()
        answered, before, began = len(collector.poses.seqs), spent_ns(root), time.monotonic()
        time.sleep(seconds)
        after, took_s = spent_ns(root), time.monotonic() - began
        collector.look()
    frames = len(collector.poses.seqs) - answered
    collector.close()
    return {name: round((after[name] - before[name]) / 1e6 / frames, 3) for name in after} | {"hz": frames / took_s}


def lines(found: dict[str, float]) -> list[str]:
    named = {name: ms for name, ms in found.items() if name != "hz"}
    rows = [f"| {name} | {ms:.2f} | {ms / named['detector']:.3f} |" for name, ms in named.items()]
    return [f"| {found['hz']:.1f} Hz | ms a frame | over the detector's |", "|---|---|---|", *rows]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("realtime.bench.processes", description=__doc__)
    parser.add_argument("--engine", default="auto", metavar="NAME_OR_DIR")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="measured (default 8)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="steadypose-processes-") as folder:
        film = Path(folder) / "film.npy"
        render(film, 150, (640, 480), 30.0, seed=0)
        found = measure(film, args.seconds, args.engine)
    print("\n".join(lines(found)))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
