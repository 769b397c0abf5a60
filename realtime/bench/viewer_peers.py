"""Show one skeleton at 30 Hz in a browser, by this project's viewer, by viser and by rerun: what their servers cost.

`python -m realtime.bench.viewer_peers [--seconds S]` prints a table and, last, one JSON line.  Needs playwright,
Chromium, and `pip install viser rerun-sdk` for the others.  The processor time of whoever serves the page counts, not
the browser's, which draws in software here; ours relays a stream that another process publishes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import H36M_17
from realtime.bench.load import load_of
from realtime.bench.viewer import CannotMeasure, browser, program
from realtime.demo import CylinderWorld
from realtime.transport.address import free_port

HZ, FRAMES, SIZE, SETTLE_S = 30.0, 90, (320, 240), 4.0
BONES = [(child, parent) for child, parent in enumerate(H36M_17.parents) if parent >= 0]
Show = Callable[[NDArray[np.float32]], None]  # one person's joints (17, 3) m


def through_viser(port: int) -> tuple[str, Show]:
    """As its documentation has it: a named cloud and named segments, replaced each frame."""
    import viser

    server = viser.ViserServer(port=port, verbose=False)

    def show(xyz: NDArray[np.float32]) -> None:
        with server.atomic():
            server.scene.add_point_cloud("/joints", xyz, (200, 80, 80), point_size=0.04)
            server.scene.add_line_segments("/bones", xyz[BONES], (80, 80, 200))

    return f"http://127.0.0.1:{port}", show


def through_rerun(port: int) -> tuple[str, Show]:
    import rerun as rr

    rr.init("skeleton")
    source = rr.serve_grpc(grpc_port=port, server_memory_limit="100MB")
    page = free_port()
    rr.serve_web_viewer(web_port=page, open_browser=False, connect_to=source)

    def show(xyz: NDArray[np.float32]) -> None:
        rr.log("joints", rr.Points3D(xyz, radii=0.02))
        rr.log("bones", rr.LineStrips3D(xyz[BONES]))

    return f"http://127.0.0.1:{page}?url={source}", show


OTHERS = {"viser": ("viser", through_viser), "rerun": ("rerun", through_rerun)}


def play(name: str) -> None:
    """In a process of its own: prints where the page is, then shows frames until told to end."""
    with redirect_stdout(sys.stderr):  # they greet
        address, show = OTHERS[name][1](free_port())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    world = CylinderWorld(0, SIZE, HZ)
    people = [world.frame(i)[1].xyz_cam[0].astype(np.float32) for i in range(FRAMES)]
    print(address, flush=True)
    began, seq = time.monotonic(), 0
    while not stop.wait(max(0.0, began + seq / HZ - time.monotonic())):
        show(people[seq % FRAMES])
        seq += 1


@contextmanager
def ours() -> Iterator[tuple[int, str]]:
    stream = f"tcp://127.0.0.1:{free_port()}"
    flags = ("--connect", stream, "--http", "127.0.0.1:0", "--no-open")
    with (
        program("realtime.bench.viewer_stream", stream),
        program("realtime.cli.main", "view", *flags) as (server, line),
    ):
        yield server.pid, line.split()[-1]


@contextmanager
def theirs(name: str) -> Iterator[tuple[int, str]]:
    with program("realtime.bench.viewer_peers", "--play", name) as (server, line):
        yield server.pid, line


def measure(serving: Any, window: Any, seconds: float) -> dict[str, float]:
    """With one page open: share of a core and memory of the server, bytes that the page took to load."""
    with serving as (pid, address):
        page, took = window.new_page(viewport={"width": 1280, "height": 800}), [0]
        page.on("requestfinished", lambda request: took.append(request.sizes()["responseBodySize"]))
        page.goto(address, wait_until="load")
        page.wait_for_timeout(1000 * SETTLE_S)
        before, began = load_of(pid), time.monotonic()
        page.wait_for_timeout(1000 * seconds)
        after, passed = load_of(pid), time.monotonic() - began
        page.close()
    return {
        "cpu": round((after.cpu_s - before.cpu_s) / passed, 4), "memory_mb": round(after.memory_mb, 1),
        "page_mb": round(sum(took) / 1e6, 2),
    }  # fmt: skip


def lines(figures: dict[str, dict[str, float]]) -> list[str]:
    text = [f"{'one skeleton, 30 Hz':<24}{'CPU of a core':>16}{'memory MB':>12}{'page MB':>10}"]
    for name, row in figures.items():
        text.append(f"{name:<24}{100 * row['cpu']:>14.1f} %{row['memory_mb']:>12.0f}{row['page_mb']:>10.2f}")
    return text


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("realtime.bench.viewer_peers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="of each measurement (default 8)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="turns (default 2)")
    parser.add_argument("--play", choices=OTHERS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.play:
        play(args.play)
        return 0
    there = [name for name, (package, _) in OTHERS.items() if importlib.util.find_spec(package)]
    many: dict[str, list[dict[str, float]]] = {}
    try:
        for _ in range(args.rounds):
            for name in ("steadypose", *there):
                with ExitStack() as stack:
                    window = stack.enter_context(browser())
                    serving = theirs(name) if name in OTHERS else ours()
                    many.setdefault(name, []).append(measure(serving, window, args.seconds))
    except CannotMeasure as error:
        print(f"viewer bench: {error}", file=sys.stderr)
        return error.exit_code
    found = {name: {k: statistics.median(r[k] for r in rows) for k in rows[0]} for name, rows in many.items()}
    if missing := [name for name in OTHERS if name not in there]:
        print(f"left out: {', '.join(missing)}; pip install viser rerun-sdk", file=sys.stderr)
    print("\n".join(lines(found)))
    print(json.dumps({"hz": HZ, "rows": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
