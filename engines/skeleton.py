"""Define joint sets by name, order and parents, and the weights that map one set to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class JointSet:
    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]  # -1 marks the root
    left: tuple[int, ...]  # left[i] mirrors right[i]
    right: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.joints)

    def __hash__(self) -> int:
        return hash(self.name)  # what is kept by joint set is looked up several times a frame

    def index(self, joint: str) -> int:
        return self.joints.index(joint)

    def outwards(self) -> list[int]:
        """Order the joints so that each comes after its parent."""
        order: list[int] = []
        while len(order) < len(self):
            order += [j for j, p in enumerate(self.parents) if j not in order and (p < 0 or p in order)]
        return order

    def mirror(self) -> NDArray[np.int64]:
        """Permutation that exchanges left and right."""
        order = np.arange(len(self))
        order[list(self.left)], order[list(self.right)] = list(self.right), list(self.left)
        return order


H36M_17 = JointSet(
    "h36m17",
    (
        "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "thorax",
        "nose", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    ),
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    (4, 5, 6, 11, 12, 13),
    (1, 2, 3, 14, 15, 16),
)  # fmt: skip
BLAZEPOSE_33 = JointSet(
    "blazepose33",
    (
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
        "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
        "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
        "left_heel", "right_heel", "left_foot_index", "right_foot_index",
    ),
    (-1, 0, 1, 2, 0, 4, 5, 3, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16, 11, 12, 23, 24, 25, 26, 27, 28,
     29, 30),
    (1, 2, 3, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31),
    (4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32),
)  # fmt: skip
COCO_17 = JointSet(
    "coco17",
    (
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    (-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    (1, 3, 5, 7, 9, 11, 13, 15),
    (2, 4, 6, 8, 10, 12, 14, 16),
)  # fmt: skip
HALPE_26 = JointSet(
    "halpe26",
    COCO_17.joints + (
        "head", "neck", "pelvis", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel",
        "right_heel",
    ),
    (18, 0, 0, 1, 2, 18, 18, 5, 6, 7, 8, 19, 19, 11, 12, 13, 14, 0, 19, -1, 15, 16, 15, 16, 15, 16),
    COCO_17.left + (20, 22, 24),
    COCO_17.right + (21, 23, 25),
)  # fmt: skip
# H36M's 17 in their places, then what BlazePose has beyond them: face, hands and feet hang on nose, wrists and ankles
BODY_37 = JointSet(
    "body37",
    H36M_17.joints + (
        "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "left_ear",
        "right_ear", "mouth_left", "mouth_right", "left_pinky", "right_pinky", "left_index", "right_index",
        "left_thumb", "right_thumb", "left_heel", "right_heel", "left_foot_index", "right_foot_index",
    ),
    H36M_17.parents + (9,) * 10 + (13, 16, 13, 16, 13, 16, 6, 3, 6, 3),
    H36M_17.left + (17, 18, 19, 23, 25, 27, 29, 31, 33, 35),
    H36M_17.right + (20, 21, 22, 24, 26, 28, 30, 32, 34, 36),
)  # fmt: skip

JOINT_SETS = {s.name: s for s in (H36M_17, BLAZEPOSE_33, COCO_17, HALPE_26, BODY_37)}
# How each H36M joint is made from joints of another set: {target: {source: weight}}, weights sum to 1.
_LIMBS = {j: {j: 1.0} for j in H36M_17.joints if j.split("_")[0] in ("left", "right")}
_TRUNK = {
    "pelvis": {"left_hip": 0.5, "right_hip": 0.5},
    "spine": {"left_hip": 0.25, "right_hip": 0.25, "left_shoulder": 0.25, "right_shoulder": 0.25},
    "thorax": {"left_shoulder": 0.5, "right_shoulder": 0.5},
    "nose": {"nose": 1.0},
}
_EARS = {"left_ear": 0.5, "right_ear": 0.5}
# the head joint lies above the ears by 1.3 times the distance between mouth and eyes
_FROM_BLAZEPOSE = {
    **_LIMBS, **_TRUNK,
    "head": {"left_ear": 0.5, "right_ear": 0.5, "left_eye": 0.65, "right_eye": 0.65, "mouth_left": -0.65,
             "mouth_right": -0.65},
}  # fmt: skip
_RECIPES: dict[tuple[str, str], dict[str, dict[str, float]]] = {
    ("blazepose33", "h36m17"): _FROM_BLAZEPOSE,
    ("blazepose33", "body37"): _FROM_BLAZEPOSE | {j: {j: 1.0} for j in BODY_37.joints[17:]},
    ("body37", "h36m17"): {j: {j: 1.0} for j in H36M_17.joints},
    # without a mouth: above the ears, as far as the nose lies below the eyes, four times
    ("coco17", "h36m17"): {
        **_LIMBS, **_TRUNK, "head": {**_EARS, "left_eye": 2.0, "right_eye": 2.0, "nose": -4.0},
    },
    ("halpe26", "h36m17"): {
        **_LIMBS, **_TRUNK, "pelvis": {"pelvis": 1.0}, "thorax": {"neck": 1.0},
        "spine": {"pelvis": 0.5, "neck": 0.5}, "head": {"head": 1.0},
    },
    ("blazepose33", "coco17"): {j: {j: 1.0} for j in COCO_17.joints},
}  # fmt: skip


def mapping(source: str, target: str) -> Array:
    """Return weights W (J_target, J_source), so that target points = W @ source points."""
    src, dst = JOINT_SETS[source], JOINT_SETS[target]
    if source == target:
        return np.eye(len(src), dtype=np.float32)
    if (source, target) not in _RECIPES:
        known = ", ".join(f"{a}->{b}" for a, b in _RECIPES)
        raise ValueError(f"no mapping from {source} to {target}; known: {known}")
    weights = np.zeros((len(dst), len(src)), np.float32)
    for joint, parts in _RECIPES[source, target].items():
        for part, weight in parts.items():
            weights[dst.index(joint), src.index(part)] = weight
    return weights
