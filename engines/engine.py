"""One small protocol for every backend: named float32 arrays in, named float32 arrays out.

Knows: the contract and which backend can run it.  Does not know: people, ids, frames, sockets.
"""

from __future__ import annotations

from typing import Protocol

from engines.contract import Array, Contract


class Engine(Protocol):
    contract: Contract
    name: str  # name in the store, or the folder's
    sha256: str  # of the model file that runs
    provider: str  # what really runs it: cpu | cuda | tensorrt | tensorrt-rtx
    batch: int

    def run(self, inputs: dict[str, Array], commit: bool = True) -> dict[str, Array]:
        """One call.  Step engines keep state inside; it moves on only when `commit` is true.

        `inputs` holds x, reliability, dt, reset (and world) or features; outputs live until the next call.
        """
        ...

    def zero_state(self) -> None:
        """Forget everything, as before the first call."""
        ...
