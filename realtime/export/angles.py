"""Compute joint angles of a clip in degrees: knees, hips, elbows, shoulders, ankles and trunk.

Standing straight with hanging arms is 0 in every angle.  Signs: flexion, dorsiflexion, abduction and elevation are
positive; the trunk leans forward, to the person's right, and turns to the person's left.  NaN where a joint is missing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from realtime.export.clip import ExportClip
from realtime.export.rigging.humanoid import Joints
from realtime.export.rigging.rig import Real
from realtime.rotations import frame, unit

Angle = NDArray[np.float64]  # (T,) degrees
UP = np.array([0.0, 1.0, 0.0])

# name -> (OpenSim's coordinate, its sign there)
OPENSIM = {
    "hip_flexion": ("hip_flexion_{}", 1.0), "hip_abduction": ("hip_adduction_{}", -1.0),
    "knee_flexion": ("knee_angle_{}", 1.0), "ankle_dorsiflexion": ("ankle_angle_{}", 1.0),
    "shoulder_elevation": ("arm_elevation_{}", 1.0), "elbow_flexion": ("elbow_flex_{}", 1.0),
}  # fmt: skip
TRUNK_OPENSIM = {
    "trunk_lean_forward": ("trunk_lean_forward", 1.0), "trunk_lean_right": ("trunk_lean_right", 1.0),
    "trunk_rotation_left": ("trunk_rotation_left", 1.0),
}  # fmt: skip


def angles(clip: ExportClip, keep: str = "inferred") -> dict[str, Angle]:
    """Compute every joint angle by name, degrees: `left_knee_flexion`, ..., `trunk_lean_forward`."""
    joints = Joints(clip.joints, clip.known_xyz(keep))
    found = {f"{side}_{name}": of(joints, side) for name, of in LIMBS.items() for side in ("right", "left")}
    return found | trunk(joints)


def between(a: Real, b: Real) -> Angle:
    """Return the angle between vectors (T, 3), degrees, 0 to 180."""
    return np.asarray(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1))))


def hip_frame(joints: Joints) -> Real:
    """(T, 3, 3): columns are the person's left, the trunk's axis made square to it, ahead."""
    return np.asarray(frame(joints("left_hip") - joints("right_hip"), joints("thorax") - joints("pelvis")))


def thigh(joints: Joints, side: str) -> Real:
    """Return the thigh's direction in the pelvis frame (T, 3): to the left, up, ahead."""
    to = unit(joints(f"{side}_knee") - joints(f"{side}_hip"))
    return np.asarray(np.einsum("tji,tj->ti", hip_frame(joints), to))


def hip_flexion(joints: Joints, side: str) -> Angle:
    to = thigh(joints, side)
    return np.asarray(np.degrees(np.arctan2(to[:, 2], -to[:, 1])))


def hip_abduction(joints: Joints, side: str) -> Angle:
    out = thigh(joints, side)[:, 0] * (1.0 if side == "left" else -1.0)
    return np.asarray(np.degrees(np.arcsin(np.clip(out, -1, 1))))


def knee_flexion(joints: Joints, side: str) -> Angle:
    knee = joints(f"{side}_knee")
    return between(knee - joints(f"{side}_hip"), joints(f"{side}_ankle") - knee)


def ankle_dorsiflexion(joints: Joints, side: str) -> Angle:
    shin = joints(f"{side}_knee") - joints(f"{side}_ankle")
    return np.asarray(90 - between(shin, joints(f"{side}_foot_index") - joints(f"{side}_heel")))


def shoulder_elevation(joints: Joints, side: str) -> Angle:
    """Of the upper arm from the trunk's axis, in whatever plane: 90 is horizontal."""
    arm = joints(f"{side}_elbow") - joints(f"{side}_shoulder")
    return between(arm, joints("pelvis") - joints("thorax"))


def elbow_flexion(joints: Joints, side: str) -> Angle:
    elbow = joints(f"{side}_elbow")
    return between(elbow - joints(f"{side}_shoulder"), joints(f"{side}_wrist") - elbow)


LIMBS: dict[str, Callable[[Joints, str], Angle]] = {
    "hip_flexion": hip_flexion, "hip_abduction": hip_abduction, "knee_flexion": knee_flexion,
    "ankle_dorsiflexion": ankle_dorsiflexion, "shoulder_elevation": shoulder_elevation, "elbow_flexion": elbow_flexion,
}  # fmt: skip


def trunk(joints: Joints) -> dict[str, Angle]:
    """Lean against gravity, seen from the hips' own heading, and the shoulders' turn against the hips."""
    left = joints("left_hip") - joints("right_hip")
    heading = frame(left * [1.0, 0.0, 1.0], np.broadcast_to(UP, left.shape))
    axis = np.einsum("tji,tj->ti", heading, unit(joints("thorax") - joints("pelvis")))
    shoulders = np.einsum("tji,tj->ti", hip_frame(joints), joints("left_shoulder") - joints("right_shoulder"))
    return {
        "trunk_lean_forward": np.degrees(np.arctan2(axis[:, 2], axis[:, 1])),
        "trunk_lean_right": np.degrees(np.arctan2(-axis[:, 0], axis[:, 1])),
        "trunk_rotation_left": np.degrees(np.arctan2(-shoulders[:, 2], shoulders[:, 0])),
    }


def opensim_name(angle: str) -> tuple[str, float]:
    """OpenSim's name of an angle and its sign there."""
    if angle in TRUNK_OPENSIM:
        return TRUNK_OPENSIM[angle]
    side, name = angle.split("_", 1)
    coordinate, sign = OPENSIM[name]
    return coordinate.format(side[0]), sign
