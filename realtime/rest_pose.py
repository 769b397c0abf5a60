"""Say how parts of a body hang that were never seen: the trunk upright below the thorax, arms down."""

from __future__ import annotations

CHEST_M, BACK_M, HIP_M = 0.25, 0.23, 0.13  # thorax to spine, spine to pelvis, pelvis to a hip
BELOW_THORAX = {  # m, y up, left at +x
    "spine": (0.0, -CHEST_M, 0.0), "pelvis": (0.0, -CHEST_M - BACK_M, 0.0),
    "left_hip": (HIP_M, -CHEST_M - BACK_M, 0.0), "right_hip": (-HIP_M, -CHEST_M - BACK_M, 0.0),
}  # fmt: skip
ARM_OUT = {"Left": (1.0, 0.0, 0.0), "Right": (-1.0, 0.0, 0.0)}  # in the T-pose of rigs and avatars
ARM_DOWN = {"Left": (0.2, -1.0, 0.0), "Right": (-0.2, -1.0, 0.0)}
