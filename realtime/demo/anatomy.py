"""Derive head, hands, feet and the 33 BlazePose points from 17 joints.

Works in any right-handed axes; `up` says where the sky is (it only levels feet that stand on the floor).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import BLAZEPOSE_33, H36M_17

F64 = NDArray[np.float64]
J = {name: i for i, name in enumerate(H36M_17.joints)}
B = {name: i for i, name in enumerate(BLAZEPOSE_33.joints)}
SIDES = ("left", "right")
_SHARED = [name for name in H36M_17.joints if name in B]
_FROM = [J[name] for name in _SHARED]
_TO = [B[name] for name in _SHARED]
_YZX, _ZXY = np.array([1, 2, 0]), np.array([2, 0, 1])
NOSE_FORWARD = 0.095  # metres from the axis of the skull to the tip of the nose

# face points from the tip of the nose: left, up, forward, in metres of an adult head
_FACE = {
    "eye_inner": (0.017, 0.036, -0.022), "eye": (0.032, 0.036, -0.026), "eye_outer": (0.047, 0.035, -0.034),
    "ear": (0.066, 0.026, -0.100), "mouth": (0.025, -0.033, -0.017),
}  # fmt: skip
_FACE_NAMES = [
    (f"{'mouth_' + side if part == 'mouth' else side + '_' + part}", part, 1 - 2 * i)
    for i, side in enumerate(SIDES)
    for part in _FACE
]
_FACE_TO = [B[name] for name, _, _ in _FACE_NAMES]
_FACE_AT = np.array([[x * sign, y, z] for _, part, sign in _FACE_NAMES for x, y, z in [_FACE[part]]])
# knuckles from the wrist: towards the thumb, along the hand, out of the palm
_HAND = {"pinky": (-0.030, 0.085, 0.0), "index": (0.026, 0.095, 0.0), "thumb": (0.038, 0.050, 0.012)}
# from the ankle: outwards, up the shin, forward
_FOOT = {"heel": (0.0, -0.055, -0.050), "foot_index": (0.0, -0.065, 0.150)}


@dataclass(frozen=True)
class Body:
    """One person: joints, the 33 points, and frames whose rows are (left or thumb, up or along, front)."""

    joints: F64  # (17, 3)
    points: F64  # (33, 3)
    head: F64  # (3, 3)
    chest: F64
    hips: F64
    hands: F64  # (2, 3, 3) left, right
    feet: F64  # (2, 3, 3)
    scale: float  # 1 for an adult of 1.75 m


def unit(v: NDArray[Any]) -> F64:
    return np.asarray(v / np.maximum(np.sqrt((v * v).sum(-1, keepdims=True)), 1e-9))


def cross(a: NDArray[Any], b: NDArray[Any]) -> F64:
    """As np.cross of (..., 3), at a fifth of its cost for single vectors."""
    return np.asarray(a[..., _YZX] * b[..., _ZXY] - a[..., _ZXY] * b[..., _YZX])


def body(joints: NDArray[Any], up: NDArray[Any], floor: float = -np.inf, twist: float = 0.0) -> Body:
    """`floor`: height of the floor along `up`; `twist`: pronation of the hands in radians."""
    x = np.asarray(joints, np.float64)
    hips = frame(x[J["left_hip"]] - x[J["right_hip"]], x[J["spine"]] - x[J["pelvis"]])
    shoulders = x[J["left_shoulder"]] - x[J["right_shoulder"]]
    chest = frame(shoulders, x[J["thorax"]] - x[J["spine"]])
    head = head_frame(x, chest)
    hands = np.stack([_hand_frame(x, side, chest, twist) for side in SIDES])
    feet = np.stack([_foot_frame(x, side, hips, np.asarray(up, np.float64), floor) for side in SIDES])
    scale = _scale(x)
    return Body(x, _points(x, head, hands, feet, scale), head, chest, hips, hands, feet, scale)


def _scale(x: F64) -> float:
    pairs = (("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("pelvis", "spine"), ("spine", "thorax"))
    return float(sum(np.linalg.norm(x[J[a]] - x[J[b]]) for a, b in pairs) / 1.33)


def frame(left: F64, up: F64) -> F64:
    """Orthonormal rows left, up, front; `left` is kept, `up` bends."""
    side = unit(left)
    front = unit(cross(side, up))
    return np.stack([side, cross(front, side), front])


def head_frame(x: F64, chest: F64) -> F64:
    thorax, nose, crown = x[J["thorax"]], x[J["nose"]], x[J["head"]]
    left = unit(cross(unit(crown - thorax), unit(nose - thorax)) + 0.1 * chest[0])
    rise = crown - nose
    rise = rise - left * (rise @ left)
    length = max(float(np.linalg.norm(rise)), 1e-6)
    lean = float(np.clip(NOSE_FORWARD / length, 0.3, 0.85))  # sine of the angle between rise and the skull's axis
    along = rise / length
    ahead = cross(left, along)
    up = along * np.sqrt(1 - lean**2) + ahead * lean
    return np.stack([left, up, cross(left, up)])


def _hand_frame(x: F64, side: str, chest: F64, twist: float) -> F64:
    shoulder, elbow, wrist = (x[J[f"{side}_{part}"]] for part in ("shoulder", "elbow", "wrist"))
    along = unit(wrist - elbow)
    bend = unit(along) - unit(elbow - shoulder)  # where the elbow folds to
    thumb = bend + 0.25 * chest[2]
    thumb = unit(thumb - along * (thumb @ along))
    palm = cross(thumb, along) * (-1 if side == "left" else 1)
    thumb = thumb * np.cos(twist) + palm * np.sin(twist)
    return np.stack([thumb, along, cross(thumb, along) * (-1 if side == "left" else 1)])


def _foot_frame(x: F64, side: str, hips: F64, up: F64, floor: float) -> F64:
    hip, knee, ankle = (x[J[f"{side}_{part}"]] for part in ("hip", "knee", "ankle"))
    shin = unit(knee - ankle)
    bend = shin - unit(hip - knee)  # a folded knee points forward
    front = bend + 0.6 * hips[2]
    front = unit(front - shin * (front @ shin))
    standing = _standing(float(ankle @ up) - floor, float(shin @ up))
    level = unit(front - up * (front @ up) + 1e-9)
    front = unit(front * (1 - standing) + level * standing - shin * 0.15 * (1 - standing))
    outward = unit(cross(shin, front)) if abs(shin @ front) < 0.999 else hips[0]
    return np.stack([outward, cross(front, outward), front])


def _standing(height: float, upright: float) -> float:
    """1 for a foot on the floor below an upright shin, 0 for one in the air or of someone lying."""
    near = np.clip((0.30 - height) / 0.18, 0, 1) if np.isfinite(height) else 1.0
    return float(near * np.clip((upright - 0.2) / 0.4, 0, 1))


def _points(x: F64, head: F64, hands: F64, feet: F64, scale: float) -> F64:
    points = np.zeros((33, 3))
    points[_TO] = x[_FROM]
    points[_FACE_TO] = x[J["nose"]] + scale * _FACE_AT @ head
    for i, side in enumerate(SIDES):
        for part, at in _HAND.items():
            points[B[f"{side}_{part}"]] = x[J[f"{side}_wrist"]] + scale * np.array(at) @ hands[i]
        for part, at in _FOOT.items():
            points[B[f"{side}_{part}"]] = x[J[f"{side}_ankle"]] + scale * np.array(at) @ feet[i]
    return points
