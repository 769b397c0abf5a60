"""Find where the first person stands and which way they face: the middle of an avatar's room."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from realtime.bridges.avatar.calibration import Rest
from realtime.bridges.avatar.feet import lowest_of_feet
from realtime.bridges.avatar.humanoid import heading
from realtime.bridges.person import BridgedPerson
from realtime.rotations import Real, best_rotation

FRAMES = 15  # half a second: the first answers of a track are its worst
PELVIS_M = 0.95  # above the floor, where no foot was seen


@dataclass
class Standing:
    """The first frames of a person."""

    _facing: list[Real] = field(default_factory=list)
    _pelvis: list[Real] = field(default_factory=list)
    _floor: list[float] = field(default_factory=list)

    @property
    def known(self) -> bool:
        return len(self._facing) >= FRAMES

    def add(self, seen: BridgedPerson, hips: Real) -> None:
        self._facing.append(heading(hips))
        self._pelvis.append(seen.joints["pelvis"])
        low = lowest_of_feet(seen.joints)
        self._floor.append(float(seen.joints["pelvis"][1]) - PELVIS_M if low is None else low)

    def centre(self, rest: Rest, recentring: bool = True) -> Rest:
        """The rest pose, seen from there: medians of place and floor, the mean of where the person faced.

        Without recentring only the floor is theirs: the middle stays below the camera, ahead is towards it.
        """
        if not recentring:
            return rest.centred(np.array([0.0, float(np.median(self._floor)), 0.0]), np.eye(3))
        x, _, z = np.median(self._pelvis, axis=0)
        facing = best_rotation(np.eye(3), np.mean(self._facing, axis=0).T)
        return rest.centred(np.array([x, float(np.median(self._floor)), z]), facing)
