"""An engine without a network: it answers zeros, and fails as it is told - slow to load, slow at first, stuck, raising.

Knows: the contract's shapes.  Does not know: stages, files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engines.contract import Array, Contract

LIFT = Contract("lift", "step", "blazepose33", "h36m17", receptive_field=1)


@dataclass
class FakeEngine:
    contract: Contract = LIFT
    batch: int = 1
    step_s: float = 0.0
    first_s: float = 0.0  # of the first call
    blocks_at: int = -1  # call that never returns
    raises_at: int = -1  # call that fails as a runtime without memory does
    name: str = "fake"
    sha256: str = "0" * 64
    provider: str = "cpu"
    reason: str = "fake"
    degraded: str = ""
    calls: int = field(default=0)

    def run(self, inputs: Mapping[str, Array], commit: bool = True) -> dict[str, Array]:
        self.calls += 1
        time.sleep(self.first_s if self.calls == 1 else self.step_s)
        while self.calls == self.blocks_at:
            time.sleep(1)
        if self.calls == self.raises_at:
            raise RuntimeError(f"out of memory at call {self.calls}")
        return {n: np.zeros(s, np.float32) for n, s in self.contract.outputs(self.batch).items() if "_state" not in n}

    def zero_state(self) -> None:
        return
