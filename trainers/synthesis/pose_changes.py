"""Change poses to ones that recorded motion seldom shows: seated, a limb elsewhere, the trunk bent, lying.

World axes (Y up), metres, H36M's 17 joints, T frames; a body that faces +Z.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import J, cross, unit

F64 = NDArray[np.float64]
ANKLE_M = 0.09  # above the floor
UPPER = [J[name] for name in ("thorax", "nose", "head", *(
    f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist")))]  # fmt: skip


def seated(poses: F64, rng: np.random.Generator) -> F64:
    """Return thighs about level and forward, shins about vertical; the upper half as it was, the feet on the floor."""
    new = poses.copy()
    for side, sign in (("left", 1), ("right", -1)):
        hip, knee, ankle = (J[f"{side}_{part}"] for part in ("hip", "knee", "ankle"))
        thigh = np.array([sign * rng.uniform(0.0, 0.5), rng.uniform(-0.35, 0.2), 1.0])
        shin = np.array([rng.normal(0, 0.12), -1.0, rng.uniform(-0.5, 0.3)])
        new[:, knee] = poses[:, hip] + unit(thigh) * _length(poses, hip, knee)
        new[:, ankle] = new[:, knee] + unit(shin) * _length(poses, knee, ankle)
    return grounded(new)


def reached(poses: F64, side: str, rng: np.random.Generator) -> F64:
    """Return the wrist somewhere in front of, beside or above the chest, the elbow hanging."""
    sign = 1 if side == "left" else -1
    way = np.array([sign * rng.uniform(-0.45, 0.5), rng.uniform(-0.5, 0.45), rng.uniform(0.08, 0.6)])
    pole = np.array([sign * rng.uniform(0.0, 1.2), rng.uniform(-1.2, 0.1), rng.uniform(-0.8, 0.1)])
    return _limb(poses, (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"), way, pole)


def stepped(poses: F64, side: str, rng: np.random.Generator) -> F64:
    """Return the ankle somewhere under, before, behind or beside the hip, the knee forward; one foot on the floor."""
    sign = 1 if side == "left" else -1
    way = np.array([sign * rng.uniform(-0.25, 0.6), rng.uniform(-0.95, -0.05), rng.uniform(-0.6, 0.7)])
    pole = np.array([sign * rng.uniform(-0.2, 0.8), rng.uniform(-0.1, 0.6), 1.0])
    return grounded(_limb(poses, (f"{side}_hip", f"{side}_knee", f"{side}_ankle"), way, pole))


def bent(poses: F64, rng: np.random.Generator) -> F64:
    """Return the trunk, with head and arms, bent forward or aside and twisted, half of it at the hips, half above."""
    angle = np.array([np.clip(rng.normal(0.3, 0.45), -0.4, 1.3), rng.normal(0, 0.4), rng.normal(0, 0.25)]) / 2
    turn = rotation(angle)
    pelvis, spine = poses[:, :1], J["spine"]
    new = poses.copy()
    new[:, [spine, *UPPER]] = pelvis + (poses[:, [spine, *UPPER]] - pelvis) @ turn.T
    new[:, UPPER] = new[:, spine, None] + (new[:, UPPER] - new[:, spine, None]) @ turn.T
    return np.asarray(new)


def laid(poses: F64, rng: np.random.Generator) -> F64:
    """Return the whole body on the floor: on its back, front or a side, or nearly so."""
    about = rng.uniform(-np.pi, np.pi)
    tip = rng.normal(np.pi / 2, 0.25)
    new = turned(turned(poses - poses[:, :1], about) @ rotation(np.array([-tip, 0.0, 0.0])).T, -about)
    new[..., 1] -= new[..., 1].min() - 0.12
    return np.asarray(new)


def grounded(poses: F64) -> F64:
    """Return the body moved up or down until its lowest ankle stands on the floor."""
    new = poses.copy()
    new[..., 1] -= new[:, [J["left_ankle"], J["right_ankle"]], 1].min() - ANKLE_M
    return np.asarray(new)


def turned(poses: NDArray[Any], angle: float) -> F64:
    """Return everything turned about the vertical through the origin."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(poses @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]))


def rotation(vector: F64) -> F64:
    """Return the matrix (3, 3) of a rotation vector, to be multiplied from the left."""
    return np.asarray(cv2.Rodrigues(vector)[0])


def _limb(poses: F64, chain: tuple[str, str, str], way: F64, pole: F64) -> F64:
    """Return the end of a limb `way` from its root, bent towards `pole`; half of its own movement kept."""
    root, middle, end = (J[name] for name in chain)
    upper, lower = _length(poses, root, middle), _length(poses, middle, end)
    target = unit(way) * np.clip(np.linalg.norm(way), abs(upper - lower) + 0.06, (upper + lower) * 0.985)
    drift = poses[:, end] - poses[:, root]
    goal = target + 0.5 * (drift - drift[-1:])
    bend = two_bones(goal, upper, lower, pole)
    new = poses.copy()
    new[:, middle] = poses[:, root] + bend
    new[:, end] = new[:, middle] + unit(goal - bend) * lower
    return np.asarray(new)


def two_bones(goal: F64, upper: float, fore: float, pole: F64) -> F64:
    """(T, 3) ends -> (T, 3) the joint between two bones, bent towards `pole`."""
    reach = np.clip(np.linalg.norm(goal, axis=-1, keepdims=True), abs(upper - fore) + 1e-3, upper + fore - 1e-3)
    along = unit(goal)
    ahead = (upper**2 - fore**2 + reach**2) / (2 * reach)
    aside = np.sqrt(np.maximum(upper**2 - ahead**2, 0))
    out = unit(cross(cross(along, np.broadcast_to(pole, along.shape)), along) + 1e-9)
    return np.asarray(along * ahead + out * aside)


def _length(poses: F64, a: int, b: int) -> float:
    return float(np.linalg.norm(poses[:, a] - poses[:, b], axis=-1).mean())
