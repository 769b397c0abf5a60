"""`realtime bench --all`: print every figure of docs/experiments/latency.md, Markdown with a section for each part."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from realtime.bench import stages, threads, traced
from realtime.bench.film import render
from realtime.bench.live import VARIANTS
from realtime.bench.report import LiveRound, percentiles
from realtime.cli import bench

SMALL = "causal-small"
Lines = Iterator[str]


class UnknownPart(Exception):
    exit_code = 2


def run(*words: str) -> Lines:
    """Yield a bench of its own: its lines without the JSON."""
    command = [sys.executable, "-m", "realtime.cli.main", "bench", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=bench.quiet())
    yield f"`realtime bench {' '.join(words)}`"
    yield from ("", "```", *(done.stdout.splitlines()[:-1] or [done.stderr[-500:]]), "```")


def shares() -> Lines:
    """Live turns with stamps between the stages, of both layouts: where a frame's time goes."""
    for layout in ("joined", "apart"):
        rounds = [one.poses for one in turns([f"--processes={layout}"], ["traced"], rounds=2)["traced"]]
        yield from (f"`--processes {layout}`", "", *traced.lines(rounds), "")


def placed() -> Lines:
    """Live turns whose threads are held on certain cores, in turns with others."""
    variants = [name for name in VARIANTS if name != "traced"]
    yield from ("| threads | added p50 ms | added p99 ms | detector p50 ms |", "|---|---|---|---|")
    for name, rounds in turns([], variants, rounds=2).items():
        added = [percentiles(one.poses.added_ms()) for one in rounds]
        detector = [percentiles(one.poses.stage_ms("detector"))["p50_ms"] for one in rounds]
        cells = (" / ".join(f"{row[key]:.1f}" for row in added) for key in ("p50_ms", "p99_ms"))
        yield f"| {name} | {' | '.join(cells)} | {' / '.join(f'{ms:.1f}' for ms in detector)} |"


def alone(module: str) -> Lines:
    """Yield what a bench prints in a program of its own: one that forks, before there is any thread."""
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, check=False)
    yield from done.stdout.splitlines()[:-1] or [done.stderr[-500:]]


def turns(words: list[str], variants: list[str], rounds: int) -> dict[str, list[LiveRound]]:
    """Live measurements of variants, A B C A B C."""
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    args = parser.parse_args(["--seconds", "6", *words])
    found: dict[str, list[LiveRound]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory(prefix="steadypose-latency-") as folder:
        film = Path(folder) / "film.npy"
        render(film, args.frames, args.size, args.fps, seed=0)
        for _ in range(rounds):
            for name in variants:
                found[name].append(bench.live(args, film, name))
    return found


def cores() -> Lines:
    """Of what follows the detector, at once and behind it; of both lifters."""
    for engine in ("auto", SMALL):
        yield from (*stages.lines(stages.measure(engine, 1, 1000, 150)), "")


PARTS: dict[str, Callable[[], Lines]] = {
    "bench": lambda: run("--seconds", "8", "--rounds", "3"),
    "small": lambda: run("--seconds", "6", "--rounds", "2", "--engine", SMALL),
    "apart": lambda: run("--seconds", "6", "--rounds", "2", "--processes", "apart"),
    "two": lambda: run("--seconds", "6", "--rounds", "1", "--people", "2"),
    "four": lambda: run("--seconds", "6", "--rounds", "1", "--people", "4", "--size", "1280x720"),
    "where": shares,
    "processor": cores,
    "engines": lambda: iter(threads.lines(threads.measure(threads.ENGINES, (1, 2), (1, 4, 16)))),
    "cores": placed,
    "hops": lambda: alone("realtime.bench.hops"),
    "processes": lambda: alone("realtime.bench.processes"),
}


def page(only: list[str]) -> int:
    """Print the parts asked for, all where none is."""
    if unknown := [name for name in only if name not in PARTS]:
        raise UnknownPart(f"--all {unknown[0]!r}: no such part; known: {', '.join(PARTS)}")
    print(f"{bench.machine()}\n")
    for name in only or PARTS:
        began = time.monotonic()
        print("\n".join((f"## {name}", "", *PARTS[name]())), flush=True)
        print(f"\n({time.monotonic() - began:.0f} s)\n", flush=True)
    return 0
