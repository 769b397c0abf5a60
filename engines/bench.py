"""Benchmark engines on this machine: every backend that runs, every batch, side by side."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engines import golden, store
from engines.engine import Engine
from engines.errors import EngineError
from engines.manifest import read_manifest

WARM_UP, MOST_RUNS = 5, 2000


def latencies_ms(engine: Engine, seconds: float) -> list[float]:
    """Time single calls after a warm-up; at least ten, as many as fit into `seconds`."""
    sequence = golden.inputs(engine.contract, frames=1, rows=engine.batch)
    inputs = {name.removeprefix("in_"): value[0] for name, value in sequence.items() if name.startswith("in_")}
    for _ in range(WARM_UP):
        engine.run(inputs)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 10 or (time.perf_counter() < end and len(times) < MOST_RUNS):
        start = time.perf_counter()
        engine.run(inputs)
        times.append((time.perf_counter() - start) * 1e3)
    engine.zero_state()
    return times


def row(engine: Engine, kind: str, precision: str, seconds: float) -> dict[str, Any]:
    times = latencies_ms(engine, seconds)
    p50, p95, p99 = (round(float(np.percentile(times, q)), 4) for q in (50, 95, 99))
    people = round(1e3 * engine.batch / p50)
    threads = getattr(engine, "threads", 0)
    return {
        "engine": engine.name, "kind": kind, "precision": precision, "backend": engine.provider,
        "threads": threads, "batch": engine.batch,
        "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "people_per_s": people, "runs": len(times),
    }  # fmt: skip


def rows(
    folders: Sequence[Path], devices: Sequence[str], batches: Sequence[int], seconds: float
) -> Iterator[dict[str, Any]]:
    """Yield one row per engine, device and batch that runs; one with `skipped` and why for each that does not."""
    for folder in folders:
        manifest, contract = read_manifest(folder)
        places = [manifest.target] if manifest.target in store.COMPILED else devices
        for device in places:
            for batch in batches or contract.batches:
                try:
                    engine = store.open_engine(folder, device, batch)
                except EngineError as error:
                    yield {"engine": manifest.name, "backend": device, "batch": batch, "skipped": str(error)}
                    break
                yield row(engine, contract.kind, manifest.precision, seconds)


def machine() -> dict[str, Any]:
    return {"system": f"{platform.system()}-{platform.machine()}", "cores": os.cpu_count()}
