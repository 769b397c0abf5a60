"""Remember a person's bone lengths, and give a pose bones of these lengths.  Shapes: B people, 37 joints, 36 bones."""

from __future__ import annotations

import torch
from torch import Tensor

from engines.contract import TICK_S
from engines.skeleton import BODY_37, H36M_17
from trainers.models.blocks.hold_hidden import pick

BONE_ENDS = list(range(1, len(BODY_37)))
BONE_PARENTS = list(BODY_37.parents[1:])
OTHER_SIDE = [int(joint) - 1 for joint in BODY_37.mirror()[1:]]  # bone -> the same of the other half of the body
CORE_BONES = len(H36M_17) - 1  # of the seventeen joints, which tell how large somebody is
LENGTH_S = 20.0  # memory of a person's bone lengths
TYPICAL_S = 2.0  # of a bone in plain sight: then its own length counts as much as what is typical of such a body
ADULT_S = 0.5  # of all bones in plain sight: then their size counts as much as an adult's
LEAST_M = 1e-3
LEAST_WEIGHT = 1e-6  # of a bone that is not believed on either side
# mm of an adult of 1.75 m, by the joint at a bone's end; both sides alike.  The mean of the rendered bodies
TYPICAL_MM = {
    "hip": 94, "knee": 428, "ankle": 413, "spine": 249, "thorax": 249, "nose": 184, "head": 153, "shoulder": 186,
    "elbow": 284, "wrist": 251, "eye_inner": 46, "eye": 55, "eye_outer": 68, "ear": 123, "mouth": 45, "pinky": 91,
    "index": 99, "thumb": 64, "heel": 75, "foot_index": 164,
}  # fmt: skip


def typical_lengths(like: Tensor) -> Tensor:
    """Return (36,) m of an adult's bones."""
    ends = [name.removeprefix("left_").removeprefix("right_") for name in BODY_37.joints[1:]]
    ends = [end.removesuffix("_left").removesuffix("_right") for end in ends]
    return torch.tensor([TYPICAL_MM[end] / 1000 for end in ends], dtype=like.dtype, device=like.device)


def remember_lengths(
    pose: Tensor, trust: Tensor, dt: Tensor, start: Tensor, length: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the mean lengths (B, 36) of a person's bones so far, weighed by what was believed, and seconds of it.

    Both halves of a body are alike: a bone and its other side share one length, and the better seen one counts more.
    """
    now = bone_lengths(bones(pose, BONE_PARENTS))
    believed = torch.minimum(pick(trust, BONE_ENDS, 1), pick(trust, BONE_PARENTS, 1)).square() + LEAST_WEIGHT
    both = believed + pick(believed, OTHER_SIDE, 1)
    counted = believed * now
    seen = (counted + pick(counted, OTHER_SIDE, 1)) / both
    seconds = torch.where(start, dt.clamp_min(TICK_S), dt).clamp(0, 1)
    weight = 0.5 * both * seconds[:, None]
    first = start[:, None]
    known = torch.where(first, torch.zeros_like(known), known)
    length = torch.where(first, seen, length)
    length = length + weight / (known + weight).clamp_min(LEAST_WEIGHT * TICK_S) * (seen - length)
    return length, (known + weight).clamp_max(LENGTH_S)


def probable_lengths(length: Tensor, known: Tensor) -> Tensor:
    """Return the lengths (B, 36) to give a body: its own as far as they are known, else an adult's at its size.

    The first poses of somebody who comes into the picture, or is half behind something, say little.
    """
    typical = typical_lengths(length)
    seconds = known[:, :CORE_BONES] / CORE_BONES
    size = (seconds * length[:, :CORE_BONES] / typical[:CORE_BONES]).sum(1, keepdim=True) + ADULT_S
    size = size / (seconds.sum(1, keepdim=True) + ADULT_S)
    return (known * length + TYPICAL_S * size * typical) / (known + TYPICAL_S)


def with_lengths(pose: Tensor, length: Tensor) -> Tensor:
    """Return the pose (B, 37, 3) with bones of these lengths, in their directions."""
    bone = bones(pose, BONE_PARENTS)
    scaled = bone * (length / bone_lengths(bone)).unsqueeze(-1)
    return pose[:, :1] + torch.matmul(chains(BONE_PARENTS, pose), scaled)


def bones(pose: Tensor, parents: list[int]) -> Tensor:
    """Return the vectors from the parents to all joints but the first: (B, joints, 3) -> (B, joints - 1, 3)."""
    return pose[:, 1:] - pick(pose, parents, 1)


def bone_lengths(bone: Tensor) -> Tensor:
    return (bone.square().sum(-1) + LEAST_M**2).sqrt()


def chains(parents: list[int], like: Tensor) -> Tensor:
    """Return (bones + 1, bones): 1 for every bone between the first joint and a joint; parents of the bones' ends."""
    rows = [[0.0] * len(parents) for _ in range(len(parents) + 1)]
    for bone, parent in enumerate(parents):
        rows[bone + 1] = [*rows[parent]]
        rows[bone + 1][bone] = 1.0
    return torch.tensor(rows, dtype=like.dtype, device=like.device)
