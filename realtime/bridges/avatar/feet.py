"""Find the floor under a person's feet, m: by heels and toes where they are known, else by the ankles."""

from __future__ import annotations

from collections.abc import Mapping

from realtime.rotations import Real

SOLES = ("left_heel", "right_heel", "left_foot_index", "right_foot_index")
ANKLES = ("left_ankle", "right_ankle")
ABOVE_FLOOR_M = {SOLES: 0.02, ANKLES: 0.08}  # a joint lies within the foot


def lowest_of_feet(joints: Mapping[str, Real]) -> float | None:
    """Height of what the lower foot stands on; None where no foot is known."""
    found = [
        float(joints[name][1]) - above for names, above in ABOVE_FLOOR_M.items() for name in names if name in joints
    ]
    return min(found, default=None)
