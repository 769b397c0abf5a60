"""Retarget motion to another body: new bone lengths, a proper head, feet still on the floor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import H36M_17
from realtime.demo.anatomy import J, frame, head_frame, unit

F64 = NDArray[np.float64]
MIRROR = H36M_17.mirror()
# metres of an adult of 1.75 m: (joint, its parent) -> length
_LENGTHS = {
    "knee": 0.430, "ankle": 0.415, "elbow": 0.285, "wrist": 0.252, "spine": 0.250, "thorax": 0.250,
}  # fmt: skip
_HALF_HIPS, _HALF_SHOULDERS = 0.095, 0.178
_CROWN = (0.0, 0.125, -0.090)  # from the tip of the nose: left, up, forward
_NOSE_RISE = 0.185  # thorax to nose


def reshape(xyz: NDArray[Any], rng: np.random.Generator) -> F64:
    """Map (T, 17, 3) world, Y up -> the same motion by somebody else."""
    old = np.asarray(xyz, np.float64)
    size = float(np.clip(rng.normal(1.0, 0.07), 0.82, 1.15))
    vary = {name: size * length * float(np.clip(rng.normal(1, 0.05), 0.88, 1.12)) for name, length in _LENGTHS.items()}
    wide = size * np.clip(rng.normal(1, 0.07, 2), 0.85, 1.15)
    new = np.empty_like(old)
    legs = (vary["knee"] + vary["ankle"]) / max(_leg_length(old), 0.1)
    new[:, 0] = old[:, 0] * legs
    _grow(new, old, vary, wide)
    _put_head(new, old, size)
    new[..., 1] += np.percentile(old[:, [3, 6], 1].min(1), 5) - np.percentile(new[:, [3, 6], 1].min(1), 5)
    return new


def _leg_length(xyz: F64) -> float:
    left = np.linalg.norm(xyz[:, 5] - xyz[:, 4], axis=1) + np.linalg.norm(xyz[:, 6] - xyz[:, 5], axis=1)
    return float(np.median(left))


def _grow(new: F64, old: F64, lengths: dict[str, float], wide: F64) -> None:
    def put(joint: int, parent: int, length: float) -> None:
        new[:, joint] = new[:, parent] + unit(old[:, joint] - old[:, parent]) * length

    put(J["spine"], 0, lengths["spine"])
    put(J["thorax"], J["spine"], lengths["thorax"])
    across = old[:, J["left_shoulder"]] - old[:, J["right_shoulder"]]
    middle = (old[:, J["left_shoulder"]] + old[:, J["right_shoulder"]]) / 2 - old[:, J["thorax"]]
    for side, sign in (("left", 1), ("right", -1)):
        put(J[f"{side}_hip"], 0, _HALF_HIPS * wide[0])
        new[:, J[f"{side}_shoulder"]] = new[:, J["thorax"]] + middle + sign * unit(across) * _HALF_SHOULDERS * wide[1]
        for chain in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")):
            for parent, child in pairwise(chain):
                put(J[f"{side}_{child}"], J[f"{side}_{parent}"], lengths[child])


def _put_head(new: F64, old: F64, size: float) -> None:
    nose, crown = J["nose"], J["head"]
    for t in range(len(new)):
        chest = frame(
            old[t, J["left_shoulder"]] - old[t, J["right_shoulder"]], old[t, J["thorax"]] - old[t, J["spine"]]
        )
        head = head_frame(old[t], chest)
        new[t, nose] = new[t, J["thorax"]] + unit(old[t, nose] - old[t, J["thorax"]]) * _NOSE_RISE * size
        new[t, crown] = new[t, nose] + size * np.array(_CROWN) @ head


def mirrored(xyz: NDArray[Any]) -> F64:
    """Left becomes right, in space and by name."""
    return np.asarray(xyz[:, MIRROR] * np.array([-1.0, 1.0, 1.0]))


def resampled(xyz: NDArray[Any], fps: float, times: NDArray[Any]) -> F64:
    """Map (T, 17, 3) at `fps` -> the poses at `times` (seconds from its first frame)."""
    u = np.clip(np.asarray(times) * fps, 0, len(xyz) - 1)
    i = np.minimum(u.astype(int), len(xyz) - 2)
    f = (u - i)[:, None, None]
    return np.asarray(xyz[i] * (1 - f) + xyz[i + 1] * f, np.float64)
