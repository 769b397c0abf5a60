"""Remember a person's bone lengths, and give a pose bones of these lengths.  Shapes: B people, 37 joints, 36 bones."""

from __future__ import annotations

import torch
from torch import Tensor

from engines.skeleton import BODY_37
from trainers.models.blocks.hold_hidden import pick

BONE_ENDS = list(range(1, len(BODY_37)))
BONE_PARENTS = list(BODY_37.parents[1:])
OTHER_SIDE = [int(joint) - 1 for joint in BODY_37.mirror()[1:]]  # bone -> the same of the other half of the body
LENGTH_S = 20.0  # memory of a person's bone lengths
FIRST_LENGTH_S = 0.5  # so much of it is the pose of the moment
LEAST_M = 1e-3
LEAST_WEIGHT = 1e-6  # of a bone that is not believed on either side


def remember_lengths(
    pose: Tensor, trust: Tensor, dt: Tensor, start: Tensor, length: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the mean lengths (B, 36) of a person's bones so far, weighed by what was believed, and how long known.

    Both halves of a body are alike: a bone and its other side share one length, and the better seen one counts more.
    """
    now = bone_lengths(bones(pose, BONE_PARENTS))
    believed = torch.minimum(pick(trust, BONE_ENDS, 1), pick(trust, BONE_PARENTS, 1)).square() + LEAST_WEIGHT
    both = believed + pick(believed, OTHER_SIDE, 1)
    counted = believed * now
    seen = (counted + pick(counted, OTHER_SIDE, 1)) / both
    weight = 0.5 * both * dt.clamp(0, 1)[:, None]
    first = start[:, None]
    known = torch.where(first, torch.full_like(known, FIRST_LENGTH_S), known)
    length = torch.where(first, seen, length)
    length = length + weight / (known + weight) * (seen - length)
    return length, (known + weight).clamp_max(LENGTH_S)


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
