"""Rotate head, hands and feet of a humanoid from the joints that hang on nose, wrists and ankles (of body37).

A hand points where the knuckles are and is rolled as they lie; half of that roll is the forearm's, as in a real arm.  A
foot points along its sole and is rolled as its shin.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realtime.rotations import Real, frame, swing, unit

Joints = Mapping[str, Real]  # (3,) m; what is not known is missing
SIGN = {"left": 1.0, "right": -1.0}
KNUCKLES_M = 0.02  # index and pinky nearer to each other say nothing about the hand's roll
SOLE_M = 0.05  # the same of heel and toes
MOST_ROLL = np.radians(110.0)  # of a hand against its swung forearm, either way; more is an error and fades to none


def head_by_ears(joints: Joints) -> Real | None:
    if any(name not in joints for name in ("left_ear", "right_ear", "nose")):
        return None
    across = joints["left_ear"] - joints["right_ear"]
    forward = joints["nose"] - (joints["left_ear"] + joints["right_ear"]) / 2
    return frame(across, np.cross(forward, across))


def foot(joints: Joints, side: str, shin: Real) -> Real | None:
    heel, toes = joints.get(f"{side}_heel"), joints.get(f"{side}_foot_index")
    if heel is None or toes is None or np.linalg.norm(toes - heel) < SOLE_M:
        return None
    z = unit(toes - heel)
    x = unit(shin[:, 0] - (shin[:, 0] @ z) * z)
    return np.stack([x, np.cross(z, x), z], -1)


def hand(joints: Joints, side: str, forearm: Real) -> Real | None:
    """Return the forearm, swung to where the knuckles are; without its roll."""
    wrist, index, pinky = (joints.get(f"{side}_{part}") for part in ("wrist", "index", "pinky"))
    if wrist is None or index is None or pinky is None:
        return None
    along = (index + pinky) / 2 - wrist
    return swing(SIGN[side] * forearm[:, 0], along) @ forearm


def hand_roll(joints: Joints, side: str, swung: Real) -> float | None:
    """Return angle about the hand's own x that turns its z to the line from pinky to index, rad."""
    index, pinky = joints.get(f"{side}_index"), joints.get(f"{side}_pinky")
    if index is None or pinky is None:
        return None
    across = swung.T @ (index - pinky)
    if np.hypot(across[1], across[2]) < KNUCKLES_M:
        return None
    return folded(float(np.arctan2(-across[1], across[2])))


def folded(angle: float) -> float:
    """Return the angle up to MOST_ROLL, from there linearly back to 0 at a half turn: no jump where the sign
    changes."""
    beyond = abs(angle) - MOST_ROLL
    if beyond <= 0:
        return angle
    return float(np.sign(angle) * MOST_ROLL * (1 - beyond / (np.pi - MOST_ROLL)))
