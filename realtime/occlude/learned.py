"""Estimate reliability with an engine of task `reliability`: feature rows -> one value per joint."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engines.engine import Engine
from engines.errors import EngineError
from engines.skeleton import JointSet
from realtime.engine_io.batch_slots import BatchSlots
from realtime.engine_io.time_grid import TimeGrid
from realtime.occlude.features import FEATURES
from realtime.wire.arrays import F32
from realtime.wire.keypoints import within_bounds

MAX_GAP_NS = 1_000_000_000

Rows = Mapping[int, F32]  # id -> (J, F)


class LearnedReliability:
    def __init__(self, engine: Engine, joints: JointSet) -> None:
        check(engine, joints)
        self.engine, self.threshold = engine, engine.contract.threshold
        self._slots, self._grid = BatchSlots(engine.batch), TimeGrid(MAX_GAP_NS)
        self._before: tuple[int, Rows] = (0, {})
        shapes = engine.contract.inputs(engine.batch)
        self._tensors = {k: np.zeros(s, np.float32) for k, s in shapes.items() if not k.startswith("state_")}

    def reset(self) -> None:
        self._grid.restart()
        self._slots.forget()
        self.engine.zero_state()

    def judge(self, t_ns: int, rows: Rows) -> dict[int, F32]:
        """Predict reliability (J,) in [0, 1] by person id; who finds no slot is missing."""
        if not self._grid.goes_on(t_ns):
            self.reset()
        self._slots.settle(rows)
        judged: dict[int, F32] = {}
        for step in self._grid.steps(t_ns):
            judged = self._call(self._at(step.t_ns, t_ns, rows), step.dt_s, step.commit)
        self._before = (t_ns, rows)
        return judged

    def _at(self, t_ns: int, now_ns: int, rows: Rows) -> Rows:
        """Cues at a skipped tick, between the frame before and this one."""
        then_ns, before = self._before
        if t_ns >= now_ns or not then_ns < t_ns:
            return rows
        part = np.float32((t_ns - then_ns) / (now_ns - then_ns))
        return {i: between(before[i], row, part) if i in before else row for i, row in rows.items()}

    def _call(self, rows: Rows, dt_s: float, commit: bool) -> dict[int, F32]:
        tensors, slots = self._tensors, self._slots
        tensors["features"][:], tensors["reset"][:], tensors["dt"][:] = 0.0, 1.0, dt_s
        for i, row in slots.rows.items():
            tensors["features"][row] = rows[i]
            tensors["reset"][row] = float(i in slots.fresh)
        answer = self.engine.run(tensors, commit=commit)["reliability"]
        if commit:
            slots.fresh.clear()
        return {i: sane_reliability(answer[row]) for i, row in slots.rows.items()}


def between(before: F32, now: F32, part: float | np.float32) -> F32:
    """Return the cues of a tick that lies a part of the way from one frame to the next."""
    return before + part * (now - before)


def sane_reliability(answer: F32) -> F32:
    """Clip an engine's reliability to [0, 1], as a copy; NaN becomes 0."""
    if within_bounds(answer, 0, 1):
        return np.array(answer, np.float32)
    return np.clip(np.nan_to_num(answer), 0, 1).astype(np.float32)


def check(engine: Engine, joints: JointSet) -> None:
    """Refuse an engine made for other cues, joints or another task, naming both."""
    contract = engine.contract
    for field, found, expected in (
        ("task", contract.task, "reliability"),
        ("kind", contract.kind, "step"),
        ("joints_in", contract.joints_in, joints.name),
        ("features", contract.features, FEATURES),
    ):
        if found != expected:
            raise EngineError(
                f"occlusion.engine {engine.name}: {field} is {found!r}, expected {expected!r}; "
                "choose another, or leave the key empty for Eq. 2"
            )
