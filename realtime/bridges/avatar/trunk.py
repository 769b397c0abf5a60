"""Say where hips are that the camera does not see, as at a desk: an avatar would stand still while head and arms move.

They hang from the thorax as when they were last seen, turned as the shoulders are; never seen, straight down.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from realtime.bridges.person import BridgedPerson
from realtime.rest_pose import BELOW_THORAX
from realtime.rotations import Real, frame

UP = np.array([0.0, 1.0, 0.0])
LEVEL = np.array([1.0, 0.0, 1.0])
NARROW_M = 0.05  # shoulders nearer to each other, from above, say nothing about where somebody faces


@dataclass
class Trunk:
    _hanging: dict[str, Real] = field(default_factory=lambda: {name: np.array(at) for name, at in BELOW_THORAX.items()})
    _turn: Real = field(default_factory=lambda: np.eye(3))

    def filled(self, person: BridgedPerson) -> BridgedPerson | None:
        """Return the person with a pelvis; None where not even the thorax is known."""
        joints = person.joints
        if "thorax" not in joints:
            return person if "pelvis" in joints else None
        if "left_shoulder" in joints and "right_shoulder" in joints:
            across = (joints["left_shoulder"] - joints["right_shoulder"]) * LEVEL
            self._turn = frame(across, UP) if np.linalg.norm(across) > NARROW_M else self._turn
        for name in BELOW_THORAX:
            if name in joints:
                self._hanging[name] = self._turn.T @ (joints[name] - joints["thorax"])
        if "pelvis" in joints:
            return person
        below = {name: joints["thorax"] + self._turn @ at for name, at in self._hanging.items()}
        return replace(person, joints=below | joints)
