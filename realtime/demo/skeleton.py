"""Convert joint angles to 17 joints of people whose bones never change their length.

World axes: Y up, heading 0 faces +Z, the person's left is +X.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import J

F64 = NDArray[np.float64]
Channel = Callable[[str], F64]
# radians; arms and legs: flex forward, abduct sideways, rotate about the bone, fold at elbow or knee
_SIDED = ("hip_flex", "hip_abduct", "knee", "arm_flex", "arm_abduct", "arm_turn", "elbow")
CHANNELS = (
    "lean", "side", "turn", "nod", "look", *(f"{side}_{name}" for side in ("left", "right") for name in _SIDED),
)  # fmt: skip
C = {name: i for i, name in enumerate(CHANNELS)}
ANKLE_HEIGHT = 0.085


@dataclass(frozen=True)
class Bones:
    """Lengths in metres."""

    hips: float = 0.20
    thigh: float = 0.43
    shin: float = 0.42
    back: float = 0.51  # pelvis to shoulder line
    neck: float = 0.055  # shoulder line to thorax joint
    shoulders: float = 0.36
    upper_arm: float = 0.29
    forearm: float = 0.25
    head: float = 0.185  # thorax to the height of the nose

    @property
    def legs(self) -> float:
        return self.thigh + self.shin


def draw_bones(seed: int) -> Bones:
    rng = np.random.default_rng([seed, 3])
    size = np.clip(rng.normal(1.0, 0.06), 0.85, 1.13)
    base = Bones()
    return Bones(
        **{name: float(size * value * np.clip(rng.normal(1, 0.04), 0.9, 1.1)) for name, value in vars(base).items()}
    )


def _about(axis: int, angle: F64) -> F64:
    """Map (T,) -> (T, 3, 3) rotation about a coordinate axis."""
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    i, j, k = axis, (axis + 1) % 3, (axis + 2) % 3
    r = np.zeros((*angle.shape, 3, 3))
    r[..., i, i], r[..., j, j], r[..., k, k] = one, c, c
    r[..., j, k], r[..., k, j] = -s, s + zero
    return r


def pose(angles: F64, place: F64, heading: F64, bones: Bones) -> F64:
    """Map angles (T, C), place (T, 2) on the floor, heading (T,) -> world joints (T, 17, 3); the lower foot stands."""

    def a(name: str) -> F64:
        return np.asarray(angles[:, C[name]])

    x = np.zeros((len(angles), 17, 3))
    hips = _about(1, heading)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _leg(x, side, sign, hips, a, bones)
    half = _about(0, a("lean") / 2) @ _about(2, a("side") / 2) @ _about(1, a("turn") / 2)
    low, chest = hips @ half, hips @ half @ half
    x[:, J["spine"]] = low @ np.array([0, bones.back * 0.48, 0])
    shoulders = x[:, J["spine"]] + chest @ np.array([0, bones.back * 0.52, 0])
    x[:, J["thorax"]] = shoulders + chest @ np.array([0, bones.neck, -0.01])
    head = chest @ _about(1, a("look")) @ _about(0, a("nod"))
    x[:, J["nose"]] = x[:, J["thorax"]] + head @ np.array([0, bones.head * 0.78, 0.115])
    x[:, J["head"]] = x[:, J["thorax"]] + head @ np.array([0, bones.head * 0.78 + 0.125, 0.025])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _arm(x, side, sign, chest, shoulders, a, bones)
    lowest = np.minimum(x[:, J["left_ankle"], 1], x[:, J["right_ankle"], 1])
    x[..., 1] += (ANKLE_HEIGHT - lowest)[:, None]
    x[..., 0] += place[:, :1]
    x[..., 2] += place[:, 1:]
    return x


def _leg(x: F64, side: str, sign: float, hips: F64, a: Channel, bones: Bones) -> None:
    thigh = hips @ _about(2, sign * a(f"{side}_hip_abduct")) @ _about(0, -a(f"{side}_hip_flex"))
    hip = hips @ np.array([sign * bones.hips / 2, 0, 0])
    knee = hip + thigh @ np.array([0, -bones.thigh, 0])
    shin = thigh @ _about(0, a(f"{side}_knee"))
    x[:, J[f"{side}_hip"]], x[:, J[f"{side}_knee"]] = hip, knee
    x[:, J[f"{side}_ankle"]] = knee + shin @ np.array([0, -bones.shin, 0])


def _arm(x: F64, side: str, sign: float, chest: F64, shoulders: F64, a: Channel, bones: Bones) -> None:
    upper = chest @ _about(2, sign * a(f"{side}_arm_abduct")) @ _about(0, -a(f"{side}_arm_flex"))
    upper = upper @ _about(1, sign * a(f"{side}_arm_turn"))
    shoulder = shoulders + chest @ np.array([sign * bones.shoulders / 2, 0, 0])
    elbow = shoulder + upper @ np.array([0, -bones.upper_arm, 0])
    fore = upper @ _about(0, -a(f"{side}_elbow"))
    x[:, J[f"{side}_shoulder"]], x[:, J[f"{side}_elbow"]] = shoulder, elbow
    x[:, J[f"{side}_wrist"]] = elbow + fore @ np.array([0, -bones.forearm, 0])
