"""A GPU made of host memory, and TensorRT objects that run a network there: what they offer, the real module offers.

Nothing here accepts anything: a method that the real `tensorrt_rtx` class lacks, or takes with other arguments, is an
AttributeError or TypeError in the test (`check_against` compares the two).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime


class HostMemory:
    def __init__(self, size: int) -> None:
        self.bytes = np.full(size, 0xFF, np.uint8)  # NaN as float32: what is not written shows

    def __int__(self) -> int:
        return int(self.bytes.ctypes.data)


class HostGpu:
    """Device memory is host memory; work happens at once, and is captured as itself."""

    name, capability, driver, stream = "host memory", 86, "0", 7

    def __init__(self) -> None:
        self.captured = self.replays = 0

    def pinned(self, size: int) -> np.ndarray:
        return np.zeros(size, np.uint8)

    def memory(self, size: int) -> HostMemory:
        return HostMemory(size)

    def upload(self, address: int, host: np.ndarray) -> None:
        ctypes.memmove(address, host.ctypes.data, host.nbytes)

    def download(self, host: np.ndarray, address: int) -> None:
        ctypes.memmove(host.ctypes.data, address, host.nbytes)

    def zero(self, address: int, size: int) -> None:
        ctypes.memset(address, 0, size)

    def sync(self) -> None:
        pass

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1

        def replay() -> None:
            self.replays += 1
            work()

        return replay


class Context:
    """An execution context: addresses and shapes set by name, then one call."""

    def __init__(self, session: Any, contract: Any, capturable: bool = True) -> None:
        self._session, self._contract, self._capturable = session, contract, capturable
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._profile = -1

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._profile = profile_index
        return profile_index < len(self._contract.batches)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return self._contract.inputs(self._contract.batches[self._profile]).get(name) == shape

    def set_tensor_address(self, name: str, memory: int) -> bool:
        batch = self._contract.batches[self._profile]
        self._addresses[name] = memory
        return name in self._contract.inputs(batch) | self._contract.outputs(batch)

    def is_stream_capturable(self, stream: int) -> bool:
        return self._capturable

    def execute_async_v3(self, stream_handle: int) -> bool:
        outputs = self._contract.outputs(self._contract.batches[self._profile])
        feeds = {name: self._tensor(name, shape).copy() for name, shape in self._shapes.items()}
        for (name, shape), value in zip(outputs.items(), self._session.run(list(outputs), feeds)):
            self._tensor(name, shape)[...] = value
        return True

    def _tensor(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        count = int(np.prod(shape))
        floats = (ctypes.c_float * count).from_address(self._addresses[name])
        return np.frombuffer(floats, np.float32).reshape(shape)  # type: ignore[call-overload]


class CudaEngine:
    """A deserialised engine; its open dimension is -1, as TensorRT says it."""

    def __init__(self, real: Any, model: bytes, contract: Any, capturable: bool = True) -> None:
        self._real, self._model, self._contract, self._capturable = real, model, contract, capturable
        self._io = {**contract.inputs(1), **contract.outputs(1)}
        self.num_io_tensors = len(self._io)

    def get_tensor_name(self, index: int) -> str:
        return list(self._io)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, *self._io[name][1:])

    def get_tensor_mode(self, name: str) -> Any:
        return getattr(self._real.TensorIOMode, "INPUT" if name in self._contract.inputs(1) else "OUTPUT")

    def create_runtime_config(self) -> Any:
        return SimpleNamespace(dynamic_shapes_kernel_specialization_strategy=None)

    def create_execution_context(self, runtime_config: Any = None) -> Context:
        session = onnxruntime.InferenceSession(self._model, providers=["CPUExecutionProvider"])
        return Context(session, self._contract, self._capturable)


def check_against(fake: type, real: Any) -> None:
    """Every public method of the fake exists on the real class and takes as many arguments."""
    for name, method in vars(fake).items():
        if name.startswith("_") or not callable(method):
            continue
        accepted = [s.count(",") for s in re.findall(rf"{name}\(self[^)]*\)", getattr(real, name).__doc__ or "")]
        assert method.__code__.co_argcount - 1 in accepted, f"{real.__name__}.{name} takes {accepted} arguments"
