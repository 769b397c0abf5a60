"""Place believed joints on their rays, at depths at which the bones keep a person's lengths; no weights.

A keypoint that is seen says where a joint lies in the picture better than any network that learned from rendered
people, and a bone of known length says how far in front of its parent, or behind it, a joint must be.  A keypoint that
lies far from where the pose expects it is doubted: it may be another person's, or a guess.  Shapes: B people, 17
joints; axes of a camera that looks along the person's ray; metres.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.skeleton import H36M_17
from trainers.models.causal.bone_lengths import bones, chains
from trainers.models.causal.corrector import MADE_UP, distance_of

PARENTS = list(H36M_17.parents[1:])  # of all joints but the pelvis
STRAY_M = 0.06  # so far off its ray a joint follows its keypoint by half
LEAST_WEIGHT = 0.02  # of a keypoint that is not believed, in where the person stands
MADE_UP_WEIGHT = 0.02  # of the believed one for a joint that is no single point
MOST_M = 0.1  # a bone turns a joint's depth by no more
SHORTEST_M = 0.01


def place_on_rays(pose: Tensor, rays: Tensor, trust: Tensor, length: Tensor, threshold: float) -> Tensor:
    """Return the pose (B, 17, 3) from the pelvis with its believed joints moved; rays (B, 17, 2), length (B, 16)."""
    weight = (trust.square() + LEAST_WEIGHT).unsqueeze(-1) * _column(pose, pelvis=1.0, made_up=MADE_UP_WEIGHT)
    weight = weight / weight.sum(1, keepdim=True)
    distance = distance_of(pose, rays, weight)[:, None, None]
    aside = rays * (distance + pose[..., 2:]) - pose[..., :2]
    pelvis = (weight * aside).sum(1, keepdim=True)  # where it lies, across the line of sight
    aside = aside - pelvis
    near = 1 / (1 + aside.square().sum(-1, keepdim=True) / STRAY_M**2)
    believed = torch.where(trust >= threshold, trust.square(), torch.zeros_like(trust)).unsqueeze(-1)
    follows = believed * near * _column(pose, pelvis=0.0, made_up=0.0)  # all is measured from the pelvis
    depth = pose[..., 2:] + _deeper(pose[..., :2] + follows * aside, pose[..., 2:], rays, follows, length)
    aside = rays * (distance + depth) - pelvis - pose[..., :2]
    return torch.cat([pose[..., :2] + follows * aside, depth], -1)


def _deeper(across: Tensor, depth: Tensor, rays: Tensor, follows: Tensor, length: Tensor) -> Tensor:
    """Return (B, 17, 1) m to add to the depths: one step of a filter for which a depth and a length are as uncertain.

    What turns a bone moves all that hangs on it.
    """
    pose = torch.cat([across, depth], -1)
    bone = bones(pose, PARENTS)
    now = (bone.square().sum(-1, keepdim=True) + SHORTEST_M**2).sqrt()
    free = follows[:, 1:]
    moving = torch.cat([free * rays[:, 1:], torch.ones_like(free)], -1)  # of a joint whose depth grows
    slope = (moving * bone).sum(-1, keepdim=True) / now  # of the bone's length
    step = free * slope / (slope.square() + 1) * (length.unsqueeze(-1) - now)
    return torch.matmul(chains(PARENTS, pose), step.clamp(-MOST_M, MOST_M))


def _column(like: Tensor, pelvis: float, made_up: float) -> Tensor:
    """Return (17, 1): 1 for joints that a detector sees as a point."""
    rows = [[made_up if name in MADE_UP else 1.0] for name in H36M_17.joints]
    rows[0] = [pelvis]
    return torch.tensor(rows, dtype=like.dtype, device=like.device)
