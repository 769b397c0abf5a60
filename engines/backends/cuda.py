"""Allocate GPU memory, copy and synchronise on one stream, by PyCUDA."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.backends.cuda_graph import Graph
from engines.errors import EngineError
from engines.skeleton import Array

ALIGNMENT = 256  # bytes between tensors of one block
Bytes = NDArray[np.uint8]


class Gpu(Protocol):
    """What an engine needs of a device; everything runs on one stream and is finished only after `sync`."""

    name: str
    capability: int  # 86 for SM 8.6
    driver: str
    stream: int

    def pinned(self, size: int) -> Bytes: ...
    def memory(self, size: int) -> Any: ...  # int(memory) is its address; freed with the object
    def upload(self, address: int, host: Bytes) -> None: ...
    def download(self, host: Bytes, address: int) -> None: ...
    def zero(self, address: int, size: int) -> None: ...
    def sync(self) -> None: ...
    def capture(self, work: Callable[[], None]) -> Callable[[], None]: ...


class PyCuda:
    """Device 0, its primary context (shared with TensorRT) and one stream of its own."""

    def __init__(self) -> None:
        self._cuda = _pycuda()
        device = self._cuda.Device(0)
        context = device.retain_primary_context()
        context.push()
        atexit.register(context.pop)
        major, minor = device.compute_capability()
        self.name, self.capability = device.name(), major * 10 + minor
        self.driver = str(self._cuda.get_driver_version())
        self._stream = self._cuda.Stream()
        self.stream = int(self._stream.handle)

    def pinned(self, size: int) -> Bytes:
        return np.asarray(self._cuda.pagelocked_zeros(size, np.uint8))

    def memory(self, size: int) -> Any:
        return self._cuda.mem_alloc(size)

    def upload(self, address: int, host: Bytes) -> None:
        self._cuda.memcpy_htod_async(address, host, self._stream)

    def download(self, host: Bytes, address: int) -> None:
        self._cuda.memcpy_dtoh_async(host, address, self._stream)

    def zero(self, address: int, size: int) -> None:
        self._cuda.memset_d8_async(address, 0, size, self._stream)

    def sync(self) -> None:
        self._stream.synchronize()

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Capture the work as a faster CUDA graph; return the work itself where the library cannot be captured."""
        self.sync()
        try:
            graph = Graph(self.stream, work)
        except RuntimeError:  # cannot be captured; if the work itself is broken, doing it says so
            return work
        atexit.register(graph.close)  # runs before the context is popped: last registered, first called
        return graph.launch


class DeviceBlock:
    """Tensors side by side in one piece of device memory, optionally with their pinned image on the host."""

    def __init__(self, gpu: Gpu, shapes: Mapping[str, tuple[int, ...]], host: bool) -> None:
        sizes = {name: int(np.prod(shape)) * 4 for name, shape in shapes.items()}
        padded = [-(-size // ALIGNMENT) * ALIGNMENT for size in sizes.values()]
        offsets = dict(zip(sizes, np.cumsum([0, *padded]).tolist()))
        self.size = max(sum(padded), ALIGNMENT)
        self._gpu, self._memory = gpu, gpu.memory(self.size)
        self.start = int(self._memory)
        self.address = {name: self.start + offset for name, offset in offsets.items()}
        self._image = gpu.pinned(self.size) if host else np.zeros(0, np.uint8)
        self.views: dict[str, Array] = {}
        for name in shapes if host else ():
            part = self._image[offsets[name] : offsets[name] + sizes[name]]
            self.views[name] = part.view(np.float32).reshape(shapes[name])

    def upload(self) -> None:
        self._gpu.upload(self.start, self._image)

    def download(self) -> None:
        self._gpu.download(self._image, self.start)

    def zero(self) -> None:
        self._gpu.zero(self.start, self.size)


def open_gpu() -> Gpu:
    """Open this machine's GPU; EngineError where there is none."""
    return PyCuda()


def _pycuda() -> Any:
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        raise EngineError(
            f"PyCUDA cannot be loaded ({error}); it needs NVIDIA's driver and `pip install steadypose[tensorrt]`, "
            f"which compiles it with CUDA's headers"
        ) from None
    try:
        cuda.init()
        if cuda.Device.count() < 1:
            raise EngineError("no NVIDIA GPU here; ask for --device cpu")
    except cuda.Error as error:
        raise EngineError(f"no NVIDIA GPU here ({error}); install NVIDIA's driver or ask for --device cpu") from None
    return cuda
