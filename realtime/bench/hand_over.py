"""Measure how long a picture takes to another process, and what that costs, beside what others use, in turns.

`python -m realtime.bench.hand_over [--sizes 640x480,1920x1080]` prints a table and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from realtime import clock
from realtime.bench.hand_over_ways import WAYS, PictureReceiver
from realtime.clock import NS_PER_MS
from realtime.config.picture_size import size as read_size
from realtime.transport.runtime_dir import base_directory, private_directory

HZ, WARM_UP, WAIT_MS, CONNECT_S = 30.0, 15, 2000, 10.0
SIZES = "640x480,1920x1080"
MARK = 8  # bytes: the moment it was sent, in the first pixels


def send(way: str, folder: str, size: tuple[int, int], frames: int, hz: float, talk: Connection) -> None:
    """In a process of its own: pictures at a rate; its processor time at the end."""
    sender = WAYS[way].sender(Path(folder))
    picture = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    talk.send("bound")
    while not talk.poll():  # until the receiver hears: subscriptions take a moment
        sender.send(picture)
        time.sleep(0.02)
    talk.recv()
    spent, due = time.process_time(), clock.now_ns()
    for _ in range(frames):
        due += round(clock.NS_PER_S / hz)
        time.sleep(max(0, due - clock.now_ns()) / clock.NS_PER_S)
        picture.reshape(-1)[:MARK] = np.frombuffer(clock.now_ns().to_bytes(MARK, "little"), np.uint8)
        sender.send(picture)
    talk.send(time.process_time() - spent)
    talk.recv()
    sender.close()


def measure(way: str, size: tuple[int, int], seconds: float, hz: float) -> dict[str, float]:
    """Latencies in ms, pictures a second and processor time a picture of both ends together."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    with tempfile.TemporaryDirectory(dir=private_directory(base_directory()), prefix="h") as folder:
        frames = round(seconds * hz)
        sender = spawn.Process(target=send, args=(way, folder, size, frames, hz, theirs), daemon=True)
        sender.start()
        ours.recv()
        receiver = WAYS[way].receiver(Path(folder))
        while receiver.receive(100) is None:
            pass
        ours.send("go")
        spent = time.process_time()
        latencies, hz = receive(receiver, ours)
        own = time.process_time() - spent
        others = ours.recv()
        ours.send("end")
        receiver.close()
        sender.join(CONNECT_S)
    kept = latencies[min(WARM_UP, len(latencies) // 2) :]
    return {
        "p50_ms": float(np.percentile(kept, 50)), "p99_ms": float(np.percentile(kept, 99)),
        "hz": hz, "cpu_ms": 1000 * (own + others) / frames,
    }  # fmt: skip


def receive(receiver: PictureReceiver, ended: Connection) -> tuple[list[float], float]:
    """Until the sender has ended and nothing more comes: age of each picture in ms when it can be used, rate."""
    latencies, times = [], []
    while (image := receiver.receive(WAIT_MS)) is not None:
        times.append(clock.now_ns())
        latencies.append((times[-1] - sent_ns(image)) / NS_PER_MS)
        if ended.poll():
            break
    return latencies, (len(times) - 1) * clock.NS_PER_S / max(1, times[-1] - times[0])


def sent_ns(image: Any) -> int:
    return int.from_bytes(image.reshape(-1)[:MARK].tobytes(), "little")


def rows(sizes: list[tuple[int, int]], seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Return every way at every size, the ways in turns; medians over the rounds."""
    ways = [name for name, way in WAYS.items() if not way.needs or importlib.util.find_spec(way.needs)]
    made = []
    for size in sizes:
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way in ways:
                found[way].append(measure(way, size, seconds, HZ))
        for way, many in found.items():
            middle = {key: round(statistics.median(one[key] for one in many), 3) for key in many[0]}
            made.append({"way": way, "size": f"{size[0]}x{size[1]}", **middle})
    return made


def sizes(text: str) -> list[tuple[int, int]]:
    return [read_size(part) for part in text.split(",")]


def lines(measured: list[dict[str, Any]]) -> list[str]:
    text = [f"{'':<16}{'size':<12}{'p50 ms':>9}{'p99 ms':>9}{'Hz':>8}{'CPU ms a frame':>16}"]
    for row in measured:
        cells = f"{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['hz']:>8.1f}{row['cpu_ms']:>16.2f}"
        text.append(f"{row['way']:<16}{row['size']:<12}{cells}")
    return text


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime.bench.hand_over", description=__doc__)
    parser.add_argument("--sizes", type=sizes, default=SIZES, metavar="WxH,...", help=f"default {SIZES}")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns (default 3)")
    args = parser.parse_args(argv)
    found = rows(args.sizes, args.seconds, args.rounds)
    for name, way in WAYS.items():
        if way.needs and not importlib.util.find_spec(way.needs):
            print(f"{name} left out: pip install {way.needs}", file=sys.stderr)
    print("\n".join(lines(found)))
    print(json.dumps({"hz": HZ, "rows": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
