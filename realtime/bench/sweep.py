"""Measure the pipeline over people, sizes, rates, models and how many run side by side: one change at a time.

`python -m realtime.bench.sweep` runs `realtime bench` for each, prints a table and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from realtime.transport.address import free_ports

START = {"--people": "1", "--size": "640x480", "--fps": "30", "--model": "full", "--sources": "1"}
STEPS = {
    "--people": ("1", "2", "4"),
    "--size": ("640x480", "1280x720", "1920x1080"),
    "--fps": ("15", "30", "60"),
    "--model": ("lite", "full", "heavy"),
    "--sources": ("1", "2", "4"),  # runs side by side, each with a film of its own
}
COLUMNS = {  # header -> key of what a bench prints
    "detector ms": "detector_ms", "added p50": "added_p50_ms", "p99, ms": "added_p99_ms", "ratio": "throughput_ratio",
    "live Hz": "live_hz", "core": "cpu_share", "beyond": "cpu_beyond_detector", "memory": "memory_mb",
    "CPU s a minute": "cpu_s_a_minute",
}  # fmt: skip
ADDED_UP = ("live_hz", "cpu_share", "cpu_beyond_detector", "memory_mb", "cpu_s_a_minute")
SHARES = ("throughput_ratio", "cpu_share", "cpu_beyond_detector")
GROWING = ("--people", "--fps", "--sources")  # what has a number that grows evenly enough to fit an exponent to


def settings(flags: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what is changed, and all flags; the common start once, first."""
    yield "start", START
    for flag in flags:
        for value in STEPS[flag]:
            if value != START[flag]:
                yield f"{flag.removeprefix('--')} {value}", START | {flag: value}


def bench(flags: dict[str, str], rounds: int, seconds: float) -> dict[str, Any]:
    """Return one `realtime bench` for each source, all at once; what is of all of them is added up."""
    own = [word for pair in flags.items() if pair[0] != "--sources" for word in pair]
    command = [sys.executable, "-m", "realtime", "bench", "--rounds", str(rounds), "--seconds", str(seconds), *own]
    ports = free_ports([str(number) for number in range(int(flags["--sources"]))]).values()
    running = [
        subprocess.Popen([*command, "--bind", f"tcp://127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
        for port in ports
    ]
    return together([figures(process) for process in running])


def figures(process: subprocess.Popen[str]) -> dict[str, Any]:
    said = process.communicate()[0]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found | {
        "detector_ms": round(found["latency"]["detector"]["p50_ms"], 1),
        "cpu_s_a_minute": round(60 * found["cpu_share"], 1),
    }


def together(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians of the runs; sums of what they take and give together."""
    middle = {key: round(statistics.median(run[key] for run in runs), 3) for key in COLUMNS.values()}
    sums = {key: round(sum(run[key] for run in runs), 3) for key in ADDED_UP}
    return {"machine": runs[0]["machine"], **middle, **sums}


def exponent(rows: dict[str, dict[str, Any]], flag: str) -> float:
    """Return how processor time beyond the detector grows with this setting: slope of its logarithm."""
    own = {"start": float(START[flag])} | {
        name: float(value) for value in STEPS[flag] if (name := f"{flag.removeprefix('--')} {value}") in rows
    }
    known = [(at, rows[name]["cpu_beyond_detector"]) for name, at in own.items()]
    kept = [(at, share) for at, share in known if share > 0]
    if len(kept) < 2:
        return float("nan")
    return round(float(np.polyfit(np.log([at for at, _ in kept]), np.log([share for _, share in kept]), 1)[0]), 2)


def lines(rows: dict[str, dict[str, Any]]) -> list[str]:
    width = max(map(len, rows)) + 2
    text = [" " * width + "".join(f"{header:>{len(header) + 3}}" for header in COLUMNS)]
    for name, row in rows.items():
        cells = (f"{shown(row[key], key):>{len(header) + 3}}" for header, key in COLUMNS.items())
        text.append(f"{name:<{width}}" + "".join(cells))
    return text


def shown(value: float, key: str) -> str:
    """Shares of one with two digits, the rest with one; a dash for what no pose told."""
    return "–" if math.isnan(value) else f"{value:.{2 if key in SHARES else 1}f}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime.bench.sweep", description=__doc__)
    parser.add_argument("--over", default=",".join(f.removeprefix("--") for f in STEPS), help="default %(default)s")
    parser.add_argument("--rounds", type=int, default=1, help="of each setting (default 1)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    args = parser.parse_args(argv)
    flags = [f"--{name}" for name in args.over.split(",")]
    if unknown := [flag for flag in flags if flag not in STEPS]:
        parser.error(f"{unknown[0]}: expected some of {', '.join(STEPS)}")
    rows = {}
    for name, setting in settings(flags):
        print(name, file=sys.stderr, flush=True)
        rows[name] = bench(setting, args.rounds, args.seconds)
    grows = {flag.removeprefix("--"): exponent(rows, flag) for flag in flags if flag in GROWING}
    told = [
        f"processor time beyond the detector grows with {what} to the power {power:g}" for what, power in grows.items()
    ]
    print("\n".join(lines(rows) + told))
    kept = {name: {key: row[key] for key in COLUMNS.values()} for name, row in rows.items()}
    print(json.dumps({"machine": next(iter(rows.values()))["machine"], "rows": kept, "exponents": grows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
