"""Convert one person's joints to rotations of a humanoid's bones (names of VRM and Unity).

Axes: upright, right-handed, y up; in the rest pose the person stands in a T-pose and faces +z, left hand at +x.
Head, hands and feet turn by ears, knuckles, heels and toes where the stream has them (body37); the twist of upper arms
and legs, fingers and face are not known and stay as they are at rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from realtime.bridges.avatar.extremities import foot, hand, hand_roll, head_by_ears
from realtime.rest_pose import ARM_DOWN, ARM_OUT
from realtime.rotations import Real, about, best_rotation, frame, swing, unit

Joints = Mapping[str, Real]  # (3,) m; what is not known is missing
Rotations = dict[str, Real]  # (3, 3), in the room

PARENTS = {
    "Hips": "", "Spine": "Hips", "Chest": "Spine", "Neck": "Chest", "Head": "Neck",
    "LeftUpperArm": "Chest", "LeftLowerArm": "LeftUpperArm", "LeftHand": "LeftLowerArm",
    "RightUpperArm": "Chest", "RightLowerArm": "RightUpperArm", "RightHand": "RightLowerArm",
    "LeftUpperLeg": "Hips", "LeftLowerLeg": "LeftUpperLeg", "LeftFoot": "LeftLowerLeg",
    "RightUpperLeg": "Hips", "RightLowerLeg": "RightUpperLeg", "RightFoot": "RightLowerLeg",
}  # fmt: skip


@dataclass(frozen=True)
class Limb:
    start: str
    end: str
    rest: tuple[float, float, float]


LIMBS = {
    "LeftUpperArm": Limb("left_shoulder", "left_elbow", (1, 0, 0)),
    "LeftLowerArm": Limb("left_elbow", "left_wrist", (1, 0, 0)),
    "RightUpperArm": Limb("right_shoulder", "right_elbow", (-1, 0, 0)),
    "RightLowerArm": Limb("right_elbow", "right_wrist", (-1, 0, 0)),
    "LeftUpperLeg": Limb("left_hip", "left_knee", (0, -1, 0)),
    "LeftLowerLeg": Limb("left_knee", "left_ankle", (0, -1, 0)),
    "RightUpperLeg": Limb("right_hip", "right_knee", (0, -1, 0)),
    "RightLowerLeg": Limb("right_knee", "right_ankle", (0, -1, 0)),
}
SIDES = {"Left": "left", "Right": "right"}
HANGING = {  # arms that were never seen: an avatar does not hold them out as in its rest pose
    f"{side}UpperArm": swing(np.array(ARM_OUT[side]), np.array(ARM_DOWN[side])) for side in SIDES
}


def rotations(joints: Joints, face: Joints, last: Rotations | None = None) -> Rotations:
    """Return every bone's rotation in the room; a bone that cannot be seen keeps its last rotation against its
    parent."""
    found: Rotations = {}
    for bone, parent in PARENTS.items():
        seen = bone_rotation(bone, joints, face, found)
        found[bone] = seen if seen is not None else last_rotation(bone, parent, found, last)
    for side, name in SIDES.items():
        roll_hand(found, joints, side, name)
    found["Spine"] = halfway(found["Hips"], found["Chest"])
    found["Neck"] = halfway(found["Chest"], found["Head"])
    return found


def bone_rotation(bone: str, joints: Joints, face: Joints, rotations: Rotations) -> Real | None:
    if bone == "Hips":
        return trunk(joints, "hip", "pelvis", "spine")
    if bone == "Chest":
        return trunk(joints, "shoulder", "spine", "thorax")
    if bone == "Head":
        return head(joints, face, rotations["Chest"])
    if bone in LIMBS:
        return limb(LIMBS[bone], joints, rotations[PARENTS[bone]])
    for side, name in SIDES.items():
        if bone == f"{side}Hand":
            return hand(joints, name, rotations[PARENTS[bone]])
        if bone == f"{side}Foot":
            return foot(joints, name, rotations[PARENTS[bone]])
    return None


def roll_hand(rotations: Rotations, joints: Joints, side: str, name: str) -> None:
    """Roll the hand as its knuckles lie, and the forearm half as far."""
    roll = hand_roll(joints, name, rotations[f"{side}Hand"])
    if roll is not None:
        rotations[f"{side}Hand"] = rotations[f"{side}Hand"] @ about(np.array(roll), 0)
        rotations[f"{side}LowerArm"] = rotations[f"{side}LowerArm"] @ about(np.array(roll / 2), 0)


def trunk(joints: Joints, pair: str, low: str, high: str) -> Real | None:
    """Return x from right to left, y from low to high."""
    names = (f"left_{pair}", f"right_{pair}", low, high)
    if any(name not in joints for name in names):
        return None
    left, right, bottom, top = (joints[name] for name in names)
    return frame(left - right, top - bottom)


def limb(bone: Limb, joints: Joints, parent: Real) -> Real | None:
    if bone.start not in joints or bone.end not in joints:
        return None
    carried = parent @ np.array(bone.rest, float)
    return swing(carried, joints[bone.end] - joints[bone.start]) @ parent


def head(joints: Joints, face: Joints, chest: Real) -> Real | None:
    """From ears and nose of the stream, else of the detector; else from neck and crown, without turning."""
    by_ears = head_by_ears(joints)
    by_ears = head_by_ears(face) if by_ears is None else by_ears
    if by_ears is not None:
        return by_ears
    if "thorax" in joints and "head" in joints:
        return swing(chest @ np.array([0.0, 1.0, 0.0]), joints["head"] - joints["thorax"]) @ chest
    return None


def last_rotation(bone: str, parent: str, rotations: Rotations, last: Rotations | None) -> Real:
    above = rotations[parent] if parent else np.eye(3)
    if last is None:
        return above @ HANGING.get(bone, np.eye(3))
    return above @ (last[parent].T if parent else np.eye(3)) @ last[bone]


def halfway(a: Real, b: Real) -> Real:
    """Return the rotation in the middle between two that differ by less than a half turn."""
    return best_rotation(np.eye(3), ((a + b) / 2).T)


def pivots(joints: Joints) -> dict[str, Real]:
    """Return where each bone turns; only those whose joints are known."""
    where = {bone: joints[one.start] for bone, one in LIMBS.items() if one.start in joints}
    named = {"Hips": "pelvis", "Chest": "spine", "Neck": "thorax", "LeftHand": "left_wrist",
             "RightHand": "right_wrist", "LeftFoot": "left_ankle", "RightFoot": "right_ankle"}  # fmt: skip
    where |= {bone: joints[joint] for bone, joint in named.items() if joint in joints}
    if "pelvis" in joints and "spine" in joints:
        where["Spine"] = (joints["pelvis"] + joints["spine"]) / 2
    if "thorax" in joints and "head" in joints:
        where["Head"] = joints["thorax"] + 0.4 * (joints["head"] - joints["thorax"])
    return where


def heading(hips: Real) -> Real:
    """Return the turn about y that takes +z to where the hips face."""
    ahead = unit(hips[:, 2] * np.array([1.0, 0.0, 1.0]))
    if not np.linalg.norm(ahead) > 0.5:
        return np.eye(3)
    return swing(np.array([0.0, 0.0, 1.0]), ahead) if ahead[2] > -0.999 else np.diag([-1.0, 1.0, -1.0])
