"""Everything there is to do on a GPU, in one command: `python -m tests.gpu.bench_gpu [--seconds 1]`.

Checks PyCUDA against torch, then times a step of two networks for 1 to 1024 people: torch eager and as a CUDA graph,
fp32 and fp16; ONNX Runtime beside it; TensorRT where a flavour loads, else "not run" and why.  The last line is JSON.
Build PyCUDA first: `python -m tests.gpu.build_pycuda WHEELHOUSE TARGET`, then PYTHONPATH=TARGET.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engines import bench, store
from engines.backends import cuda, ort, tensorrt
from engines.build import BuildRequest, build
from engines.errors import EngineError
from tests.support.networks import graphs, models

PEOPLE = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
NETS = {"default size, 2 M": graphs.Tcn(channels=352), "243 frames x 1024, 17 M": graphs.Tcn(channels=1024)}
ORT_PEOPLE = (1, 4, 16, 64)
WARM_UP, MOST_RUNS = 10, 2000


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks and measures a GPU.")
    parser.add_argument("--seconds", type=float, default=0.5, help="per row")
    seconds = parser.parse_args().seconds
    checked = check_all()
    rows = []
    for measure in (torch_rows, ort_rows):
        rows += shown(measure(seconds))
    rows += shown(tensorrt_rows())
    print(json.dumps({"bench": "gpu", "machine": machine(), "checks": checked, "rows": rows}))
    return 0 if all(result == "ok" or result.startswith("not run") for result in checked.values()) else 1


def check_all() -> dict[str, str]:
    """Name of every check -> ok, what failed, or why it was not run."""
    try:
        from tests.gpu.checks import CHECKS

        gpu = cuda.open_gpu()
    except (EngineError, ImportError) as error:
        print(f"checks not run: {error}")
        return {"all": f"not run: {error}"}
    results = {}
    for check in CHECKS:
        results[check.__name__] = tried(check, gpu)
        print(f"{check.__name__}: {results[check.__name__]}", flush=True)
    return results


def tried(check: Callable[[Any], None], gpu: Any) -> str:
    """Whatever goes wrong in one check is told, and the next one runs."""
    try:
        check(gpu)
    except Exception as error:  # noqa: BLE001 - the report of a machine lent for minutes names every failure
        traceback.print_exc()
        return f"failed: {type(error).__name__}: {error}"[:300]
    return "ok"


def torch_rows(seconds: float) -> list[dict[str, Any]]:
    try:
        import torch

        from tests.gpu.torch_step import TorchStep
    except ImportError as error:
        return [{"backend": "torch", "not_run": f"torch: {error}"}]
    if not torch.cuda.is_available():
        return [{"backend": "torch", "not_run": "torch sees no GPU here"}]
    rows = []
    for name, net in NETS.items():
        for people in PEOPLE:
            for dtype in (torch.float32, torch.float16):
                for graphed in (False, True):
                    step = TorchStep(net, people, graphed, dtype)
                    what = f"torch {'graph' if graphed else 'eager'} {str(dtype).removeprefix('torch.')}"
                    given = inputs(people)
                    rows.append(row(name, what, people, lambda step=step, given=given: step(given), seconds))  # type: ignore[misc]
    return rows


def ort_rows(seconds: float) -> list[dict[str, Any]]:
    """ONNX Runtime on the CPU of the same machine, and on the GPU where it can."""
    rows = []
    for name, net in NETS.items():
        contract = replace(graphs.step_contract(net), batches=ORT_PEOPLE)
        for device in ("cpu", "cuda"):
            for people in ORT_PEOPLE:
                try:
                    engine = ort.open_onnx(graphs.step_tcn(net), Path(), contract, name, "", device, people)
                except EngineError as error:
                    rows.append({"network": name, "backend": f"onnxruntime {device}", "not_run": str(error)})
                    break
                given = inputs(people) | {"reset": np.zeros(people, np.float32)}
                work = lambda engine=engine, given=given: engine.run(given)  # noqa: E731
                rows.append(row(name, f"onnxruntime {device} ({engine.threads} threads)", people, work, seconds))
    return rows


def tensorrt_rows() -> list[dict[str, Any]]:
    """Built, verified and timed through our own commands where a flavour loads and knows this GPU."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_CACHE_HOME"] = home
        source = models.put_step(Path(home) / "step", NETS["default size, 2 M"])
        for target in store.COMPILED:
            try:
                capability = cuda.open_gpu().capability
                library = tensorrt.flavour(target)
                if target == "tensorrt-rtx" and capability not in library.sms():
                    raise EngineError(f"TensorRT for RTX {library.version} knows no SM{capability}")
                folder, _ = build(source, BuildRequest(target))
                rows += bench.rows([folder], [target], (), 0.5)
            except EngineError as error:
                rows.append({"backend": target, "not_run": str(error)})
    return rows


def row(network: str, backend: str, people: int, work: Callable[[], Any], seconds: float) -> dict[str, Any]:
    for _ in range(WARM_UP):
        work()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 10 or (time.perf_counter() < end and len(times) < MOST_RUNS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    p50, p95, p99 = (round(float(np.percentile(times, q)), 4) for q in (50, 95, 99))
    return {"network": network, "backend": backend, "people": people, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99,
            "people_per_s": round(1e3 * people / p50), "runs": len(times)}  # fmt: skip


def inputs(people: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(0, 0.3, (people, graphs.J, 2)).astype(np.float32),
        "reliability": np.ones((people, graphs.J), np.float32),
        "dt": np.full(people, 1 / 30, np.float32),
    }


def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in rows:
        print("  ".join(f"{value}" for value in one.values()), flush=True)
    return rows


def machine() -> dict[str, Any]:
    found = bench.machine() | {"python": sys.version.split()[0]}
    try:
        gpu = cuda.open_gpu()
    except EngineError as error:
        return found | {"gpu": str(error)}
    return found | {"gpu": gpu.name, "sm": gpu.capability, "driver": gpu.driver}


if __name__ == "__main__":
    sys.exit(main())
