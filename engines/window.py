"""A window network as a stream: one frame in, one answer out, its history kept here and shifted at every commit.

Knows: the contract's tensors.  Does not know: ticks, people, runtimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from engines.contract import Array
from engines.engine import Engine, fill


class Streamed:
    """Answers like a step engine.  A reset fills a slot's history with copies of its first frame."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.contract = replace(engine.contract, kind="step", window=1)
        self.name, self.sha256, self.provider, self.batch = engine.name, engine.sha256, engine.provider, engine.batch
        self.reason, self.degraded = engine.reason, engine.degraded
        self.threads = getattr(engine, "threads", 0)
        shapes = engine.contract.inputs(engine.batch)  # (B, W, ...)
        self._kept = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self._window = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self._now = {name: np.zeros(shape, np.float32) for name, shape in self.contract.inputs(engine.batch).items()}

    def run(self, inputs: Mapping[str, Array], commit: bool = True) -> dict[str, Array]:
        fill(self._now, inputs)
        fresh = self._now["reset"] > 0.5
        for name, window in self._window.items():
            window[:, :-1] = self._kept[name][:, 1:]
            window[:, -1] = self._now[name]
            window[fresh] = self._now[name][fresh, None]
        answer = self._engine.run(self._window)
        if commit:
            self._kept, self._window = self._window, self._kept
        return answer

    def zero_state(self) -> None:
        for kept in self._kept.values():
            kept[...] = 0


def stream(engine: Engine) -> Engine:
    """Any engine as one that takes a frame at a time."""
    return Streamed(engine) if engine.contract.kind == "window" else engine
