"""Find the floor under a person's feet, m: by heels and toes where they are known, else by the ankles."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from realtime.rotations import Real

SOLES = ("left_heel", "right_heel", "left_foot_index", "right_foot_index")
ANKLES = ("left_ankle", "right_ankle")
ABOVE_FLOOR_M = {SOLES: 0.02, ANKLES: 0.08}  # a joint lies within the foot


def lowest_of_feet(joints: Mapping[str, Real]) -> float | None:
    """Return height of what the lower foot stands on; None where no foot is known."""
    found = [
        float(joints[name][1]) - above for names, above in ABOVE_FLOOR_M.items() for name in names if name in joints
    ]
    return min(found, default=None)


WINDOW_S = 1.0  # a jump shows, a wrong distance from the camera or a step does not
LOW_PERCENT = 20.0
SETTLES_S = 0.3


class Ground:
    """The height that a person stands on, m: a low percentile of their feet within the last second, smoothed."""

    def __init__(self) -> None:
        self._lows: deque[tuple[float, float]] = deque()
        self._height: float | None = None
        self._t_s = -np.inf

    def height(self, low: float | None, t_s: float) -> float | None:
        """Now, from where the lower foot is; None until a foot was seen."""
        if not 0 <= t_s - self._t_s <= WINDOW_S:
            self._lows.clear()
            self._height = None
        if low is not None:
            self._lows.append((t_s, low))
        while self._lows and t_s - self._lows[0][0] > WINDOW_S:
            self._lows.popleft()
        if self._lows:
            wanted = float(np.percentile([height for _, height in self._lows], LOW_PERCENT))
            part = 1 - float(np.exp(-(t_s - self._t_s) / SETTLES_S))
            self._height = wanted if self._height is None else self._height + part * (wanted - self._height)
        self._t_s = t_s
        if self._height is None or low is None:
            return self._height
        return min(self._height, low)  # nobody stands below the floor


HEEL, TOES = np.array([0.0, -0.08, -0.05]), np.array([0.0, -0.08, 0.15])  # m from an ankle, of a foot at rest


def lowest_sole(local: Mapping[str, Real], offsets: Mapping[str, Real]) -> float:
    """Return how high an avatar's lower sole is above its hips, m (negative), from rotations against parents."""
    heights = []
    for side in ("Left", "Right"):
        turn, at = local["Hips"], np.zeros(3)
        for bone in (f"{side}UpperLeg", f"{side}LowerLeg", f"{side}Foot"):
            at = at + turn @ offsets[bone]
            turn = turn @ local[bone]
        heights += [float((at + turn @ point)[1]) for point in (HEEL, TOES)]
    return min(heights)
