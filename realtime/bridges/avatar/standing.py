"""Find where the first person stands: the middle of an avatar's room, and how tall they are beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from realtime.bridges.avatar.calibration import Rest
from realtime.bridges.avatar.feet import lowest_of_feet
from realtime.bridges.person import BridgedPerson
from realtime.rotations import Real

FRAMES = 15  # half a second: the first answers of a track are its worst
PELVIS_M = 0.95  # above the floor, where no foot was seen
SCALES = 0.5, 2.0  # of a child, of an estimate that is half as large


@dataclass
class Standing:
    """The first frames of a person."""

    _pelvis: list[Real] = field(default_factory=list)
    _floor: list[float] = field(default_factory=list)
    _legs: list[float] = field(default_factory=list)

    @property
    def known(self) -> bool:
        return len(self._pelvis) >= FRAMES

    def add(self, person: BridgedPerson) -> None:
        self._pelvis.append(person.joints["pelvis"])
        low = lowest_of_feet(person.joints)
        self._floor.append(float(person.joints["pelvis"][1]) - PELVIS_M if low is None else low)
        self._legs += [leg for side in ("left", "right") if (leg := leg_length(person, side))]

    def centre(self, rest: Rest, recentring: bool = True) -> Rest:
        """Return the rest pose, seen from there: medians of place and floor; ahead stays towards the camera.

        Without recentring only the floor is theirs: the middle stays below the camera.
        """
        x, _, z = np.median(self._pelvis, axis=0) if recentring else (0.0, 0.0, 0.0)
        here = np.array([x, float(np.median(self._floor)), z])
        return replace(rest.centred(here, rest.facing), scale=self._scale(rest))

    def _scale(self, rest: Rest) -> float:
        """Return legs of the rest pose against the person's: with it the avatar's feet reach the floor."""
        if not self._legs:
            return 1.0
        own = float(np.linalg.norm(rest.offsets["LeftLowerLeg"]) + np.linalg.norm(rest.offsets["LeftFoot"]))
        return float(np.clip(own / np.median(self._legs), *SCALES))


def leg_length(person: BridgedPerson, side: str) -> float | None:
    """Hip to knee to ankle, m."""
    points = [person.joints.get(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
    hip, knee, ankle = points
    if hip is None or knee is None or ankle is None:
        return None
    return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
