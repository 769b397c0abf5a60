"""Track how long each joint has been unseen: OBSERVED, INFERRED, HELD, ABSENT."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import JointSet
from realtime.wire.arrays import F32, U8
from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED

FEWEST_SEEN = 4  # joints; a person of whom fewer are seen is OCCLUDED


@dataclass
class JointTracker:
    """One person's joints over time.  Times in ms."""

    joints: JointSet
    inferred_ms: float
    held_ms: float
    _born_ns: int = -1
    _seen_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _bones: F32 | None = None  # while a joint is held
    _state: U8 = field(default_factory=lambda: np.zeros(0, np.uint8))

    def see(self, t_ns: int, observed: NDArray[np.bool_]) -> tuple[U8, F32]:
        """State and age (ms) of every joint at this time."""
        if self._born_ns < 0:
            self._born_ns = t_ns
            self._seen_ns = np.full(len(self.joints), -1, np.int64)
            self._state = np.full(len(self.joints), ABSENT, np.uint8)
        if np.logical_and.reduce(observed):
            self._seen_ns[:] = t_ns
            return np.full(len(observed), OBSERVED, np.uint8), np.zeros(len(observed), np.float32)
        self._seen_ns[observed] = t_ns
        never = self._seen_ns < 0
        age = (t_ns - np.where(never, self._born_ns, self._seen_ns)) / 1e6
        state = np.full(len(age), INFERRED, np.uint8)
        state[age > self.inferred_ms] = HELD
        state[never | (age > self.held_ms)] = ABSENT
        state[observed] = OBSERVED
        return state, age.astype(np.float32)

    def freeze_bones(self, xyz: F32, state: U8) -> F32:
        """Hold the bone vectors of HELD joints as they were when they became HELD."""
        before, self._state = self._state, state
        parents, held = parents_of(self.joints), state == HELD
        if not np.logical_or.reduce(held) or not (held := held & (parents >= 0)).any():
            self._bones = None
            return xyz
        now = bones(xyz, parents)
        kept, entering = now if self._bones is None else self._bones, held & (before != HELD)
        self._bones = np.where((held & ~entering)[:, None], kept, now)
        out = xyz.copy()
        for joint in self.joints.outwards():
            if held[joint]:
                out[joint] = out[parents[joint]] + self._bones[joint]
        return np.asarray(out, np.float32)


def bones(xyz: F32, parents: NDArray[np.int64]) -> F32:
    """Return the bone vectors (J, 3), each joint from its parent; the root as it is."""
    found = np.asarray(xyz - xyz[parents], np.float32)
    found[parents < 0] = xyz[parents < 0]
    return found


@cache
def parents_of(joints: JointSet) -> NDArray[np.int64]:
    """Return the parents' indices (J,); -1 marks the root."""
    return np.array(joints.parents)
