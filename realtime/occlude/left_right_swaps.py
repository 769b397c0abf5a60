"""Repair left/right swaps of the detector where time makes them certain.

Arms and legs are judged apart.  A group is exchanged back only when that continues its motion and the answer as
given would be a leap.  A detector that insists is believed: as often as not its first answer was the wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import JointSet
from realtime.occlude.features import FeatureMemory, JointObservation
from realtime.wire.keypoints import box_size, distance

LEAP = 0.05  # box heights a joint of the group leaps on average, if the answer is taken as given
BETTER = 0.3  # exchanging must leave less than this part of the leap
INSISTS_S = 0.08  # measured: holding on for longer prolongs more errors than it mends
PREDICT_S = 0.1  # velocity says little beyond

ARMS = ("shoulder", "elbow", "wrist", "pinky", "thumb")
LEGS = ("hip", "knee", "ankle", "heel", "foot", "toe")

Index = NDArray[np.int64]


@dataclass
class SwapRepair:
    """One person's.  Give it every frame; it exchanges whole arms or legs, with all that belongs to them."""

    joints: JointSet
    _exchanged_s: dict[int, float] = field(default_factory=dict)  # group -> for how long it has been exchanged back

    def repair(self, past: FeatureMemory | None, observation: JointObservation, dt: float) -> JointObservation:
        if past is None:
            self._exchanged_s.clear()
            return observation
        step = MotionStep(past, observation, dt)
        swapped = [group for number, group in enumerate(groups(self.joints)) if self._is_exchanged(number, group, step)]
        return exchanged(observation, order_of(self.joints, swapped)) if swapped else observation

    def _is_exchanged(self, number: int, group: Index, step: MotionStep) -> bool:
        return self._exchange(number, step.is_swapped(group, mirror(self.joints)), step.dt)

    def _exchange(self, group: int, swapped: bool, dt: float) -> bool:
        lasted = self._exchanged_s.get(group, 0.0) + dt if swapped else 0.0
        self._exchanged_s[group] = lasted if lasted <= INSISTS_S else 0.0
        return swapped and lasted <= INSISTS_S


@cache
def groups(joints: JointSet) -> list[Index]:
    """Return the joint indices of both arms and of both legs."""
    found = []
    for parts in (ARMS, LEGS):
        sided = [i for i in (*joints.left, *joints.right) if _part(joints.joints[i]) in parts]
        found.append(np.array(sorted(sided), np.int64))
    return found


def _part(name: str) -> str:
    words = name.split("_")
    part = words[1]
    return "thumb" if part == "index" else part if part not in ("big", "small") else words[2]


class MotionStep:
    """One person's step from the last frame to this one, against the step that its motion makes expect."""

    def __init__(self, past: FeatureMemory, observation: JointObservation, dt: float) -> None:
        self.dt, self._xy = dt, observation.xy
        self._expected = past.xy + past.velocity * min(dt, PREDICT_S)
        self._leap = distance(observation.xy, self._expected)
        self._least = LEAP * box_size(past.xy)

    def is_swapped(self, group: Index, mirror: Index) -> bool:
        """Tell whether exchanging left and right continues the group's motion and leaving it would be a leap."""
        as_given = self._leap[group].mean()
        if not as_given > self._least:
            return False
        exchanged_back = distance(self._xy[mirror[group]], self._expected[group]).mean()
        return bool(exchanged_back < BETTER * as_given)


@cache
def mirror(joints: JointSet) -> Index:
    return joints.mirror()


def order_of(joints: JointSet, swapped: list[Index]) -> Index:
    order = np.arange(len(joints))
    for group in swapped:
        order[group] = mirror(joints)[group]
    return order


def exchanged(observation: JointObservation, order: Index) -> JointObservation:
    world = None if observation.world is None else observation.world[order]
    look = None if observation.look is None else observation.look[order]
    score, presence = observation.score[order], observation.presence[order]
    return replace(observation, xy=observation.xy[order], score=score, presence=presence, world=world, look=look)
