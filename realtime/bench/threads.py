"""Measure engines with one thread and with more of ONNX Runtime's own.

`python -m realtime.bench.threads [ENGINE ...]` prints a table and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from engines import golden
from engines.backends.ort import open_onnx
from engines.engine import Engine
from engines.store import load, locate
from realtime.lift.lifter import PREFERRED

COLD_BYTES = 16 << 20  # written between two calls: more than a second-level cache holds
RUNS = 200
ENGINES = (*PREFERRED, "reliability")


def measure(names: Sequence[str], threads: Sequence[int], batches: Sequence[int]) -> list[dict[str, Any]]:
    """Return medians of engines that take turns, after caches were emptied as another program's work would."""
    opened = {key: open_with(*key) for key in ((n, b, t) for n in names for b in batches for t in threads)}
    wall: dict[Any, list[float]] = {key: [] for key in opened}
    spent: dict[Any, list[float]] = {key: [] for key in opened}
    junk = np.zeros(COLD_BYTES, np.uint8)
    for _ in range(RUNS):
        for key, (engine, inputs) in opened.items():
            junk += 1
            began, cpu = time.perf_counter(), time.process_time()
            engine.run(inputs)
            spent[key].append(time.process_time() - cpu)
            wall[key].append(time.perf_counter() - began)
    return [
        {"engine": name, "people": batch, "threads": count, "p50_ms": ms(wall[name, batch, count]),
         "cpu_ms": ms(spent[name, batch, count])}
        for name, batch, count in opened
    ]  # fmt: skip


def open_with(name: str, batch: int, threads: int) -> tuple[Engine, dict[str, Any]]:
    folder = locate(name)
    manifest, contract, _, model = load(folder)
    engine = open_onnx(model, folder, contract, name, manifest.sha256, batch=batch, threads=threads)
    sequence = golden.inputs(contract, frames=1, rows=batch)
    return engine, {key.removeprefix("in_"): value[0] for key, value in sequence.items() if key.startswith("in_")}


def ms(seconds: list[float]) -> float:
    return round(1e3 * float(np.median(seconds)), 3)


def lines(rows: list[dict[str, Any]]) -> list[str]:
    head = ["| engine | people | threads | p50 ms | processor time, ms |", "|---|---|---|---|---|"]
    return head + [f"| {' | '.join(str(value) for value in row.values())} |" for row in rows]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("realtime.bench.threads", description=__doc__)
    parser.add_argument("engines", nargs="*", default=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="default 1 2")
    parser.add_argument("--people", type=int, nargs="+", default=[1, 4, 16], metavar="N", help="default 1 4 16")
    args = parser.parse_args(argv)
    rows = measure(args.engines, args.threads, args.people)
    print("\n".join(lines(rows)))
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
