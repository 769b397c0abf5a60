"""Name the humanoid rig's bones as the tools' own rigs have them."""

from __future__ import annotations

SIDES = ("Left", "Right")
TRUNK = ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head")
LIMBS = ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")
BONES = TRUNK + tuple(f"{side}{limb}" for side in SIDES for limb in LIMBS)


def renamed(trunk: dict[str, str], limbs: dict[str, str]) -> dict[str, str]:
    """Map bone -> name; what is not mentioned keeps its own."""
    table = {bone: trunk.get(bone, bone) for bone in TRUNK}
    return table | {f"{side}{limb}": f"{side}{limbs.get(limb, limb)}" for side in SIDES for limb in LIMBS}


NAMES: dict[str, dict[str, str]] = {
    "mixamo": {bone: f"mixamorig:{bone}" for bone in BONES},
    "unity": renamed(
        {"Spine1": "Chest", "Spine2": "UpperChest"},
        {
            "Arm": "UpperArm", "ForeArm": "LowerArm", "UpLeg": "UpperLeg", "Leg": "LowerLeg", "ToeBase": "Toes",
        },
    ),
    "cmu": renamed({"Spine": "LowerBack", "Spine1": "Spine", "Spine2": "Spine1"}, {}),
}  # fmt: skip
H36M = "h36m"  # a bone for every joint of the recording, by its own name: exact positions, a bent neck
CHOICES = (*NAMES, H36M)
