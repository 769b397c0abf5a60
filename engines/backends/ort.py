"""Run a network with ONNX Runtime, on the CPU or on CUDA: a step allocates nothing and copies no state."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engines.contract import Contract
from engines.engine import Shapes, check_batch, check_tensors, fill
from engines.errors import EngineError
from engines.skeleton import Array

Device = Literal["cpu", "cuda"]
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
BATCH_DIMENSION = "batch"  # symbolic leading dimension of every shipped graph, fixed at load
QUICK_MS = 2.0  # a step below this stays on one thread: the other cores belong to the other stages
WORTH = 0.7  # more threads must cut the median to this share
MAX_THREADS = 4


class OrtEngine:
    """One static batch of a network.  Two sets of state buffers are read and written in turn."""

    reason = degraded = ""

    def __init__(self, session: Any, contract: Contract, name: str, digest: str, device: str, batch: int) -> None:
        self.contract, self.name, self.sha256 = contract, name, digest
        self.provider, self.batch = device, batch
        self.threads = int(session.get_session_options().intra_op_num_threads)
        self._session = session
        inputs, outputs = contract.inputs(batch), contract.outputs(batch)
        self._host = {n: np.zeros(s, np.float32) for n, s in inputs.items() if not n.startswith("state_")}
        self._answer = {n: np.zeros(s, np.float32) for n, s in outputs.items() if not n.startswith("next_state_")}
        self._device_inputs = {n: _value(a, device) for n, a in self._host.items()}
        self._states = [{n: _blank(s, device) for n, s in inputs.items() if n.startswith("state_")} for _ in range(2)]
        self._bindings = [self._bind(read, write) for read, write in (self._states, self._states[::-1])]
        self._now = 0  # which set holds the committed state
        self.zero_state()

    def run(self, inputs: Mapping[str, Array], commit: bool = True) -> dict[str, Array]:
        fill(self._host, inputs)
        if self.provider != "cpu":
            for name, value in self._device_inputs.items():
                value.update_inplace(self._host[name])
        self._session.run_with_iobinding(self._bindings[self._now])
        if commit:
            self._now = 1 - self._now
        return self._answer

    def zero_state(self) -> None:
        for value in self._states[self._now].values():
            value.update_inplace(np.zeros(value.shape(), np.float32))

    def _bind(self, read: dict[str, Any], write: dict[str, Any]) -> Any:
        binding = self._session.io_binding()
        for name, value in {**self._device_inputs, **read}.items():
            binding.bind_ortvalue_input(name, value)
        for name, array in self._answer.items():
            binding.bind_ortvalue_output(name, _value(array, "cpu"))
        for name, value in write.items():
            binding.bind_ortvalue_output(f"next_{name}", value)
        return binding


def open_onnx(
    model: bytes, folder: Path, contract: Contract, name: str, digest: str, device: Device = "cpu", batch: int = 1,
    threads: int = 0,
) -> OrtEngine:  # fmt: skip
    """Open a network as an engine; `threads` 0 chooses by measurement. Raises EngineError in one sentence."""
    check_batch(name, contract, batch)

    def opened(count: int) -> OrtEngine:
        session = open_session(model, folder, name, device, batch, count)
        inputs, outputs = (_shapes(of(), batch) for of in (session.get_inputs, session.get_outputs))
        check_tensors(name, contract, batch, inputs, outputs)
        return OrtEngine(session, contract, name, digest, device, batch)

    if threads or device != "cpu":
        return opened(threads or 1)
    return _fastest(opened)


def open_session(model: bytes, folder: Path, name: str, device: Device, batch: int, threads: int) -> Any:
    import onnxruntime

    check_provider(name, device, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    options.add_free_dimension_override_by_name(BATCH_DIMENSION, batch)
    try:
        session = onnxruntime.InferenceSession(model, options, providers=[PROVIDERS[device]])
    except _refusals() as error:
        text = " ".join(str(error).split())[:200]
        raise EngineError(
            f"{name}: ONNX Runtime {onnxruntime.__version__} refuses it ({text}); export it again"
        ) from None
    check_provider(name, device, session.get_providers())
    return session


def _refusals() -> tuple[type[Exception], ...]:
    """Everything ONNX Runtime raises about a model: its own exceptions share no base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    own = tuple(e for e in vars(raised).values() if isinstance(e, type) and issubclass(e, Exception))
    return (*own, RuntimeError, ValueError)


def check_provider(name: str, device: Device, given: list[str]) -> None:
    """ONNX Runtime asked for CUDA gives CPU and a warning: compare what was given with what was asked."""
    if PROVIDERS[device] not in given:
        raise EngineError(
            f"{name}: asked for {device}, ONNX Runtime here has {', '.join(given)}; "
            f"install steadypose[cuda] and NVIDIA's driver, or ask for --device cpu"
        )


def _fastest(opened: Any) -> OrtEngine:
    """Choose the threads: one where a step is quick, otherwise as many as measurably help."""
    best: OrtEngine = opened(1)
    best_ms = _median_ms(best)
    threads = 2
    while best_ms > QUICK_MS and threads <= min(MAX_THREADS, _cores()):
        engine = opened(threads)
        ms = _median_ms(engine)
        if ms > WORTH * best_ms:
            break
        best, best_ms, threads = engine, ms, threads * 2
    return best


def _median_ms(engine: OrtEngine, runs: int = 5) -> float:
    inputs = {name: np.zeros_like(value) for name, value in engine._host.items()}  # noqa: SLF001
    engine.run(inputs, commit=False)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        engine.run(inputs, commit=False)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shapes(tensors: Any, batch: int) -> Shapes:
    """ONNX Runtime before 1.24 still names the leading dimension of outputs that is fixed by now."""
    for tensor in tensors:
        if tensor.type != "tensor(float)":
            raise EngineError(f"tensor {tensor.name} is {tensor.type}, the contract has tensor(float); export it again")
    return {tensor.name: tuple(batch if d == BATCH_DIMENSION else d for d in tensor.shape) for tensor in tensors}


def _value(array: Array, device: str) -> Any:
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0)  # on the CPU it shares the array's memory


def _blank(shape: tuple[int, ...], device: str) -> Any:
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
