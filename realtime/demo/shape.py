"""Build the skin of a body: stacks of elliptic rings around its bones, joined to quads.

Every part is a stack of rings with `AROUND` corners, so topology is one constant table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import SIDES, Body, J, cross, unit
from realtime.demo.looks import SceneAppearance

F64 = NDArray[np.float64]
AROUND = 14
LIMBS = tuple(
    (f"{side}_{name}", f"{side}_{a}", f"{side}_{b}")
    for name, a, b in (
        ("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"),
        ("thigh", "hip", "knee"), ("shin", "knee", "ankle"),
    )
    for side in SIDES
)  # fmt: skip
# radii in metres at the fractions of LIMB_T
LIMB_T = np.array([0, 0, 0, 0.12, 0.24, 0.36, 0.48, 0.6, 0.72, 0.86, 1, 1, 1])
_CAP = np.array([-0.85, -0.6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.7, 0.98])
_CAP_SIZE = np.array([0.2, 0.71, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.71, 0.2])
_RADII = {
    "upper_arm": (0.050, 0.050, 0.046, 0.040), "forearm": (0.041, 0.043, 0.036, 0.028),
    "thigh": (0.088, 0.083, 0.070, 0.056), "shin": (0.054, 0.057, 0.045, 0.036),
}  # fmt: skip
LIMB_RADII = np.stack([np.interp(LIMB_T, np.linspace(0, 1, 4), _RADII[name.split("_", 1)[1]]) for name, _, _ in LIMBS])
# the trunk: fraction of the way pelvis -> shoulder line, half width over the joints' half distance (hips below,
# shoulders above), plain half width, half depth, shift forward
TRUNK = np.array([
    (-0.20, 0.0, 0.03, 0.03, 0.0), (-0.16, 0.35, 0.07, 0.085, -0.012), (-0.08, 0.8, 0.075, 0.116, -0.028),
    (0.0, 0.9, 0.080, 0.124, -0.030), (0.10, 0.8, 0.080, 0.116, -0.016), (0.20, 0.6, 0.085, 0.108, 0.0),
    (0.30, 0.45, 0.092, 0.103, 0.006), (0.40, 0.4, 0.095, 0.105, 0.004), (0.50, 0.4, 0.085, 0.110, 0.0),
    (0.60, 0.5, 0.075, 0.115, 0.0), (0.70, 0.6, 0.065, 0.118, 0.004), (0.80, 0.72, 0.045, 0.116, 0.005),
    (0.88, 0.86, 0.025, 0.104, 0.002), (0.97, 0.92, 0.020, 0.086, -0.004), (1.05, 0.82, 0.015, 0.068, -0.008),
    (1.10, 0.52, 0.020, 0.060, -0.008), (1.17, 0.15, 0.035, 0.052, -0.004),
])  # fmt: skip
# the head, from the tip of the nose: height, half width, reach forward and back from its axis
HEAD = np.array([
    (0.131, 0.010, 0.012, 0.012), (0.127, 0.034, 0.042, 0.048), (0.112, 0.055, 0.068, 0.075),
    (0.088, 0.069, 0.084, 0.092), (0.060, 0.075, 0.090, 0.098), (0.036, 0.076, 0.088, 0.099),
    (0.012, 0.075, 0.088, 0.094), (-0.012, 0.072, 0.088, 0.082), (-0.034, 0.066, 0.088, 0.066),
    (-0.055, 0.055, 0.086, 0.045), (-0.070, 0.040, 0.078, 0.020), (-0.080, 0.018, 0.062, -0.010),
    (-0.082, 0.004, 0.045, -0.020),
])  # fmt: skip
HEAD_AXIS = -0.105  # metres behind the tip of the nose
HAIR_DOWN = np.array([0.145, 0.138, 0.122, 0.095, 0.062, 0.034, 0.006, -0.03, -0.07, -0.12, -0.17])
SKIRT_T = np.array([-0.18, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
HAND_T = np.array([-0.01, 0.0, 0.035, 0.075, 0.10, 0.13, 0.155, 0.175, 0.182])
_HAND_WIDE = np.array([0.020, 0.027, 0.036, 0.043, 0.042, 0.040, 0.036, 0.026, 0.008])
_HAND_THICK = np.array([0.018, 0.021, 0.019, 0.015, 0.012, 0.010, 0.009, 0.008, 0.004])
THUMB_T = np.array([0.0, 0.02, 0.05, 0.075, 0.09, 0.095])
FOOT_T = np.array([-0.072, -0.062, -0.03, 0.02, 0.07, 0.12, 0.16, 0.185, 0.192])
_FOOT_WIDE = np.array([0.012, 0.028, 0.036, 0.040, 0.044, 0.047, 0.042, 0.028, 0.010])
_FOOT_HIGH = np.array([0.015, 0.040, 0.052, 0.052, 0.040, 0.030, 0.024, 0.018, 0.008])

_ENDS = (("hand", len(HAND_T)), ("thumb", len(THUMB_T)), ("foot", len(FOOT_T)))
PARTS: tuple[tuple[str, int], ...] = (
    *((name, len(LIMB_T)) for name, _, _ in LIMBS), ("trunk", len(TRUNK)), ("neck", 4), ("head", len(HEAD)),
    ("hair", len(HAIR_DOWN)), ("skirt", len(SKIRT_T)), *((f"{side}_{part}", n) for part, n in _ENDS for side in SIDES),
)  # fmt: skip


@dataclass(frozen=True)
class Rings:
    centre: F64  # (R, 3)
    wide: F64  # (R, 3) half axis at angle 0
    deep: F64  # (R, 3) half axis at angle 90 degrees: front


@lru_cache(maxsize=1)
def topology() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Corner indices (Q, 4), ring of each quad (Q,), part of each quad (Q,)."""
    quads, rings, parts, start = [], [], [], 0
    for part, (_, count) in enumerate(PARTS):
        ring = np.repeat(np.arange(start, start + count - 1), AROUND)
        a = np.tile(np.arange(AROUND), count - 1)
        b = (a + 1) % AROUND
        quads.append(
            np.stack([ring * AROUND + a, ring * AROUND + b, (ring + 1) * AROUND + b, (ring + 1) * AROUND + a], 1)
        )
        rings.append(ring)
        parts.append(np.full(len(ring), part))
        start += count
    return np.concatenate(quads), np.concatenate(rings), np.concatenate(parts)


_ANGLE = np.arange(AROUND) / AROUND * 2 * np.pi
_COS, _SIN = np.cos(_ANGLE)[None, :, None], np.sin(_ANGLE)[None, :, None]


def corners(rings: Rings) -> F64:
    """Map (R, 3) rings -> (R * AROUND, 3) corners."""
    return np.asarray((rings.centre[:, None] + _COS * rings.wide[:, None] + _SIN * rings.deep[:, None]).reshape(-1, 3))


def skin(person: Body, look: SceneAppearance) -> Rings:
    ends = [end(person, i) for end in (_hand, _thumb, _foot) for i in (0, 1)]
    stacks = [
        _limbs(person, look), _trunk(person, look), _neck(person), _head(person), _hair(person, look),
        _skirt(person, look), *ends,
    ]  # fmt: skip
    return Rings(*(np.concatenate([getattr(r, field) for r in stacks]) for field in ("centre", "wide", "deep")))


def covered(look: SceneAppearance) -> F64:
    """Return (8, T): 1 where clothes cover a limb."""
    arm = np.minimum(look.sleeve * 2, 2.0)
    leg = 0.0 if look.bottom == "skirt" else look.bottom_length * 2
    ends = np.array([arm, arm, arm - 1, arm - 1, leg, leg, leg - 1, leg - 1])
    return (LIMB_T[None] <= ends[:, None] + 1e-6).astype(np.float64)


def _limbs(person: Body, look: SceneAppearance) -> Rings:
    x = person.joints
    a, b = (np.stack([x[J[limb[k]]] for limb in LIMBS]) for k in (1, 2))
    along = b - a
    length = np.linalg.norm(along, axis=1)[:, None, None]
    axis = unit(along)
    thumbs, along_hands = person.hands[:, 0], person.hands[:, 1]
    guide = np.concatenate([thumbs + 0.5 * along_hands, thumbs, np.repeat(person.hips[2:3], 4, 0)])
    deep = unit(guide - axis * (guide * axis).sum(1, keepdims=True))
    radius = LIMB_RADII * person.scale * look.limb_girth + covered(look) * look.loose
    centre = a[:, None] + axis[:, None] * (LIMB_T[None, :, None] * length + (_CAP * radius)[..., None])
    size = (radius * _CAP_SIZE)[..., None]
    return Rings(
        centre.reshape(-1, 3),
        (cross(deep, axis)[:, None] * size).reshape(-1, 3),
        (deep[:, None] * size).reshape(-1, 3),
    )


def _trunk(person: Body, look: SceneAppearance) -> Rings:
    x = person.joints
    pelvis, spine = x[J["pelvis"]], x[J["spine"]]
    across_hips, across_chest = x[J["left_hip"]] - x[J["right_hip"]], x[J["left_shoulder"]] - x[J["right_shoulder"]]
    top = (x[J["left_shoulder"]] + x[J["right_shoulder"]]) / 2
    t = TRUNK[:, :1]
    bend = 2 * spine - (pelvis + top) / 2  # a parabola through the spine
    u = np.clip(t, 0, 1)
    centre = (1 - u) ** 2 * pelvis + 2 * u * (1 - u) * bend + u**2 * top
    centre = (
        centre + np.minimum(t, 0) * 0.5 * person.hips[1] * person.scale + np.maximum(t - 1, 0) * 0.5 * person.chest[1]
    )
    side = unit(unit(across_hips) * (1 - u) + unit(across_chest) * u)
    half = 0.5 * (np.linalg.norm(across_hips) * (1 - u) + np.linalg.norm(across_chest) * u)
    front = unit(cross(side, unit(person.hips[1] * (1 - u) + person.chest[1] * u)))
    stand_off = look.loose * (t < 1.0)
    wide = half * TRUNK[:, 1:2] + TRUNK[:, 2:3] * person.scale * look.girth + stand_off
    centre = centre + front * TRUNK[:, 4:5] * person.scale
    return Rings(centre, side * wide, front * (TRUNK[:, 3:4] * person.scale * look.girth + stand_off))


def _neck(person: Body) -> Rings:
    x, s = person.joints, person.scale
    low = (x[J["left_shoulder"]] + x[J["right_shoulder"]]) / 2
    low = 0.5 * low + 0.5 * x[J["thorax"]]
    high = _skull(person) - person.head[1] * 0.03 * s - person.head[2] * 0.005 * s
    t = np.array([0.0, 0.3, 0.65, 1.0])[:, None]
    size = np.array([0.066, 0.056, 0.054, 0.056])[:, None] * s
    axis = unit(high - low)
    side = unit(person.chest[0] - axis * (person.chest[0] @ axis))
    return Rings(low + (high - low) * t, side * size, cross(side, axis) * size)


def _skull(person: Body) -> F64:
    return np.asarray(person.joints[J["nose"]] + person.head[2] * HEAD_AXIS * person.scale)


def _head(person: Body) -> Rings:
    return _around_skull(person, HEAD[:, 0], HEAD[:, 1], HEAD[:, 2], HEAD[:, 3])


def _around_skull(person: Body, height: F64, wide: F64, forward: F64, back: F64) -> Rings:
    s, (left, up, front) = person.scale, person.head
    centre = _skull(person) + s * (height[:, None] * up + ((forward - back) / 2)[:, None] * front)
    return Rings(centre, s * wide[:, None] * left, s * ((forward + back) / 2)[:, None] * front)


def _hair(person: Body, look: SceneAppearance) -> Rings:
    h = HAIR_DOWN
    wide, forward, back = (np.interp(-h, -HEAD[:, 0] - 0.012, HEAD[:, k]) for k in (1, 2, 3))
    thick = 0.006 if look.hair_style in ("short", "cap") else 0.014
    below = h < 0.0
    wide, back = np.where(below, 0.078, wide), np.where(below, 0.088, back)
    forward = np.where(below, 0.03, forward)
    return _around_skull(person, h, wide + thick, forward + thick * 0.6, back + thick)


def _skirt(person: Body, look: SceneAppearance) -> Rings:
    x, t = person.joints, SKIRT_T[:, None]
    reach = t * (look.bottom_length * 2)
    legs = [_along_leg(x, side, reach) for side in SIDES]
    centre, apart = (legs[0] + legs[1]) / 2, legs[0] - legs[1]
    down = unit(unit(np.gradient(centre, axis=0)))
    side = unit(person.hips[0] - down * (down @ person.hips[0])[:, None])
    front = cross(down, side) * -1
    width = np.abs((apart * side).sum(1, keepdims=True)) / 2 + (0.085 + 0.03 * np.maximum(t, 0)) * person.scale
    depth = np.abs((apart * front).sum(1, keepdims=True)) / 2 + (0.115 + 0.015 * np.maximum(t, 0)) * person.scale
    return Rings(centre, side * (width + look.loose), front * (depth + look.loose))


def _along_leg(x: F64, side: str, reach: F64) -> F64:
    hip, knee, ankle = (x[J[f"{side}_{part}"]] for part in ("hip", "knee", "ankle"))
    return np.asarray(hip + (knee - hip) * np.minimum(reach, 1) + (ankle - knee) * np.clip(reach - 1, 0, 1))


def _hand(person: Body, i: int) -> Rings:
    s, (thumb, along, _) = person.scale, person.hands[i]
    wrist = person.joints[J[f"{SIDES[i]}_wrist"]]
    palm = cross(thumb, along)
    return Rings(wrist + s * HAND_T[:, None] * along, s * _HAND_WIDE[:, None] * thumb, s * _HAND_THICK[:, None] * palm)


def _thumb(person: Body, i: int) -> Rings:
    s, (thumb, along, palm) = person.scale, person.hands[i]
    root = person.joints[J[f"{SIDES[i]}_wrist"]] + s * (0.018 * thumb + 0.022 * along)
    way = unit(0.55 * thumb + 0.8 * along + 0.2 * palm)
    size = s * np.array([0.010, 0.014, 0.012, 0.010, 0.007, 0.002])[:, None]
    side = unit(cross(way, palm))
    return Rings(root + s * THUMB_T[:, None] * way, side * size, cross(side, way) * size)


def _foot(person: Body, i: int) -> Rings:
    s, (outward, up, front) = person.scale, person.feet[i]
    ankle = person.joints[J[f"{SIDES[i]}_ankle"]]
    sole = ankle - up * 0.082 * s
    centre = sole + s * (FOOT_T[:, None] * front + _FOOT_HIGH[:, None] * up)
    return Rings(centre, s * _FOOT_WIDE[:, None] * outward, s * _FOOT_HIGH[:, None] * up)
