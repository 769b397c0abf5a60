"""Define BVH rigs as data: which joints, or points fixed to joints, are the 17.

A point is the joint itself, or (joint, (x, y, z) metres in that joint's axes), or a mean of joints.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = str | tuple[str, tuple[float, float, float]]


@dataclass(frozen=True)
class BvhRig:
    name: str
    points: dict[str, Point]  # H36M joint -> point; the pelvis is the middle of the hips

    def needed(self) -> set[str]:
        return {p if isinstance(p, str) else p[0] for p in self.points.values()}


def _limbs(hip: str, knee: str, ankle: str, shoulder: str, elbow: str, wrist: str, **side: str) -> dict[str, Point]:
    """Patterns with {} for the side's prefix."""
    parts = {"hip": hip, "knee": knee, "ankle": ankle, "shoulder": shoulder, "elbow": elbow, "wrist": wrist}
    return {f"{s}_{part}": pattern.format(prefix) for s, prefix in side.items() for part, pattern in parts.items()}


DAZ = BvhRig(
    "daz",
    _limbs("{}Thigh", "{}Shin", "{}Foot", "{}Shldr", "{}ForeArm", "{}Hand", left="l", right="r")
    | {"spine": "chest", "thorax": "neck", "nose": ("head", (0, 0.05, 0.11)), "head": ("head", (0, 0.17, 0.02))},
)
MOTIONBUILDER = BvhRig(  # also Mixamo and many exporters, with a prefix before a colon
    "motionbuilder",
    _limbs("{}UpLeg", "{}Leg", "{}Foot", "{}Arm", "{}ForeArm", "{}Hand", left="Left", right="Right")
    | {"spine": "Spine", "thorax": "Neck", "nose": ("Head", (0, 0.05, 0.11)), "head": ("Head", (0, 0.17, 0.02))},
)
THREE_DS_MAX = BvhRig(
    "3dsmax",
    _limbs("{}Hip", "{}Knee", "{}Ankle", "{}Shoulder", "{}Elbow", "{}Wrist", left="Left", right="Right")
    | {"spine": "Chest", "thorax": "Neck", "nose": ("Head", (0, 0.05, 0.11)), "head": ("Head", (0, 0.17, 0.02))},
)
RIGS = (DAZ, MOTIONBUILDER, THREE_DS_MAX)
