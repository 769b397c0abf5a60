"""Define the engine protocol of every backend: named float32 arrays in, named float32 arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engines.contract import Contract
from engines.errors import EngineError
from engines.skeleton import Array


class Engine(Protocol):
    contract: Contract
    name: str  # name in the store, or the folder's
    sha256: str  # of the model file that runs
    provider: str  # what really runs it: cpu | cuda | tensorrt | tensorrt-rtx
    batch: int
    reason: str  # why this backend was chosen, for the log
    degraded: str  # what was asked for and is missing (only with allow_cpu); empty otherwise

    def run(self, inputs: Mapping[str, Array], commit: bool = True) -> dict[str, Array]:
        """Run one call. Step engines keep state inside; it moves on only when `commit` is true.

        `inputs` holds x, reliability, dt, reset (and world) or features; outputs live until the next call.
        """
        ...

    def zero_state(self) -> None:
        """Forget everything, as before the first call."""
        ...


Shapes = dict[str, tuple[int, ...]]


def check_tensors(name: str, contract: Contract, batch: int, inputs: Shapes, outputs: Shapes) -> None:
    """Refuse a graph whose tensors are not the contract's, naming both."""
    for side, found, wanted in (
        ("inputs", inputs, contract.inputs(batch)),
        ("outputs", outputs, contract.outputs(batch)),
    ):
        for tensor in {**wanted, **found}:
            if found.get(tensor) != wanted.get(tensor):
                raise EngineError(
                    f"{name}: {side} {tensor} is {found.get(tensor, 'missing')} in the graph, "
                    f"{wanted.get(tensor, 'unknown')} in the contract; export the model again"
                )


def check_batch(name: str, contract: Contract, batch: int) -> None:
    if batch not in contract.batches:
        known = ", ".join(map(str, contract.batches))
        raise EngineError(f"{name}: no batch {batch}, it was made for {known}; ask for one of these")


def fill(host: dict[str, Array], inputs: Mapping[str, Array]) -> None:
    """Copy a call's inputs into the engine's own buffers; a missing or misshapen one raises ValueError."""
    for name, buffer in host.items():
        value = inputs.get(name)
        if value is None or value.shape != buffer.shape:
            found = "missing" if value is None else value.shape
            raise ValueError(f"input {name} is {found}, expected {buffer.shape}")
        buffer[...] = value
