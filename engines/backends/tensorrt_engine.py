"""Run a compiled network on the GPU: pinned inputs, one stream, state double-buffered, replayed as a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engines.backends.cuda import DeviceBlock, Gpu, open_gpu
from engines.backends.tensorrt import Flavour, check_fits, deserialise, flavour
from engines.contract import Contract
from engines.engine import Shapes, check_batch, check_tensors, fill
from engines.errors import EngineError
from engines.manifest import Manifest
from engines.skeleton import Array


def open_compiled(data: bytes, manifest: Manifest, contract: Contract, batch: int) -> TrtEngine:
    """Open an engine of verified bytes; one that does not fit this machine is refused before deserialising."""
    check_batch(manifest.name, contract, batch)
    library, gpu = flavour(manifest.target), open_gpu()
    check_fits(manifest.name, manifest.versions, manifest.sms, library, gpu.capability)
    return TrtEngine(deserialise(library, data, manifest.name), library, gpu, manifest, contract, batch)


class TrtEngine:
    reason = degraded = ""

    def __init__(
        self, engine: Any, library: Flavour, gpu: Gpu, manifest: Manifest, contract: Contract, batch: int
    ) -> None:
        self.contract, self.name, self.sha256 = contract, manifest.name, manifest.sha256
        self.provider, self.batch = manifest.target, batch
        self._engine, self._gpu, self._library = engine, gpu, library  # TensorRT's logger must outlive the engine
        inputs, outputs = contract.inputs(batch), contract.outputs(batch)
        check_tensors(manifest.name, contract, batch, *_tensors(engine, library, batch))
        self._inputs = DeviceBlock(gpu, {n: s for n, s in inputs.items() if not n.startswith("state_")}, host=True)
        self._answer = DeviceBlock(gpu, {n: s for n, s in outputs.items() if not n.startswith("next_")}, host=True)
        state = {n: s for n, s in inputs.items() if n.startswith("state_")}
        self._states = [DeviceBlock(gpu, state, host=False) for _ in range(2)]
        self._calls = [self._call(read, write) for read, write in (self._states, self._states[::-1])]
        self._now = 0  # which block holds the committed state
        self.zero_state()

    def run(self, inputs: Mapping[str, Array], commit: bool = True) -> dict[str, Array]:
        fill(self._inputs.views, inputs)
        self._calls[self._now]()
        self._gpu.sync()
        if commit:
            self._now = 1 - self._now
        return self._answer.views

    def zero_state(self) -> None:
        self._states[self._now].zero()
        self._gpu.sync()

    def _call(self, read: DeviceBlock, write: DeviceBlock) -> Callable[[], None]:
        """Make a step that reads one block and writes the other; fixed addresses, so it can be captured."""
        context = self._context()
        addresses = {**self._inputs.address, **self._answer.address, **read.address}
        addresses |= {f"next_{name}": address for name, address in write.address.items()}
        for name, address in addresses.items():
            _must(context.set_tensor_address(name, address), f"{self.name}: address of {name}")

        def step() -> None:
            self._inputs.upload()
            _must(context.execute_async_v3(self._gpu.stream), f"{self.name}: step on {self._gpu.name}")
            self._answer.download()

        step()  # the first call allocates and may compile; only later ones can be captured
        self._gpu.sync()
        capturable = getattr(context, "is_stream_capturable", None)
        if capturable is not None and not capturable(self._gpu.stream):
            return step
        return self._gpu.capture(step)

    def _context(self) -> Any:
        context = _new_context(self._engine, self._library)
        if context is None:
            raise EngineError(f"{self.name}: no memory for it on {self._gpu.name}; close what else runs there")
        profile = self.contract.batches.index(self.batch)
        _must(context.set_optimization_profile_async(profile, self._gpu.stream), f"{self.name}: profile {profile}")
        for name, shape in self.contract.inputs(self.batch).items():
            _must(context.set_input_shape(name, shape), f"{self.name}: shape of {name}")
        self._gpu.sync()
        return context


def _new_context(engine: Any, library: Flavour) -> Any:
    """RTX finishes kernels for a shape in the background unless told not to; a graph needs them finished."""
    eager = getattr(library.module, "DynamicShapesKernelSpecializationStrategy", None)
    if eager is None:
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = eager.EAGER
    return engine.create_execution_context(config)


def _tensors(engine: Any, library: Flavour, batch: int) -> tuple[Shapes, Shapes]:
    """List the input and output shapes of a compiled engine, its open dimension filled with the batch."""
    found: tuple[Shapes, Shapes] = ({}, {})
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape = tuple(batch if size == -1 else int(size) for size in engine.get_tensor_shape(name))
        found[engine.get_tensor_mode(name) == library.module.TensorIOMode.OUTPUT][name] = shape
    return found


def _must(ok: bool, what: str) -> None:
    if not ok:
        raise RuntimeError(f"TensorRT refused: {what}")
