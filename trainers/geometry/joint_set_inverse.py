"""Spread 17 joints to a detector's joint set: the inverse of the contract's mapping.

`engines.skeleton.mapping` of the result gives the limbs, hips, shoulders, nose and head back exactly; pelvis, spine and
thorax become what that detector's joints make of them, as in production.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from engines.skeleton import H36M_17, JOINT_SETS, Array, mapping

NEAREST = {  # what a joint of a larger set lies closest to, by the words in its name
    "pinky": "wrist", "index": "wrist", "thumb": "wrist", "heel": "ankle", "foot": "ankle", "toe": "ankle",
}  # fmt: skip
SKULL = ("eye", "ear", "mouth")


def spread(points: Array, joints: str) -> Array:
    """Return (..., 17, d) -> (..., J, d) of the named joint set."""
    if joints == H36M_17.name:
        return points
    out = np.matmul(_copies(joints), points).astype(np.float32)
    weights = mapping(joints, H36M_17.name)
    head = H36M_17.index("head")
    skull = [i for i, name in enumerate(JOINT_SETS[joints].joints) if weights[head, i] and name not in H36M_17.joints]
    miss = points[..., head, :] - np.matmul(weights[head], out)  # moved along the mapping's own weights
    if not skull:
        return cast(Array, out)
    push = weights[head, skull] / np.square(weights[head, skull]).sum()
    out[..., skull, :] += push[:, None] * miss[..., None, :]
    return cast(Array, out)


def spread_reliability(reliability: Array, joints: str) -> Array:
    """Return (..., 17) -> (..., J): what lies on a joint shares its fate; the skull is as sure as nose and head."""
    if joints == H36M_17.name:
        return reliability
    out = np.matmul(_copies(joints), reliability[..., None])[..., 0].astype(np.float32)
    face = np.minimum(reliability[..., H36M_17.index("nose")], reliability[..., H36M_17.index("head")])
    for i, name in enumerate(JOINT_SETS[joints].joints):
        if any(word in name for word in SKULL):
            out[..., i] = face
    return cast(Array, out)


def _copies(joints: str) -> Array:
    """Return (J, 17): one 1 in every row."""
    names = JOINT_SETS[joints].joints
    table = np.zeros((len(names), len(H36M_17)), np.float32)
    for i, name in enumerate(names):
        table[i, H36M_17.index(_source(name))] = 1
    return table


def _source(name: str) -> str:
    if name in H36M_17.joints:
        return name
    if name == "neck":
        return "thorax"
    side = name.split("_")[0]
    part = next((near for word, near in NEAREST.items() if word in name), "")
    return f"{side}_{part}" if part else "nose"
