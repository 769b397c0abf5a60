"""Vary bodies: other proportions, sizes and sides, standing where the recorded one stood.

Batched, (B, T, 17, 3), on the generator's device.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Generator, Tensor

from engines.skeleton import H36M_17
from trainers.skeleton.bones import ANKLES, L_ARM, L_LEG, PARENTS, R_ARM, R_LEG, J, bones, joints

# bones that share one random length factor: bones are named by their far joint
PROPORTIONS = (
    tuple(map(J, ("right_hip", "left_hip"))),
    (R_LEG[0], L_LEG[0]),
    (R_LEG[1], L_LEG[1]),
    tuple(map(J, ("spine", "thorax"))),
    tuple(map(J, ("nose", "head"))),
    tuple(map(J, ("left_shoulder", "right_shoulder"))),
    (L_ARM[0], R_ARM[0]),
    (L_ARM[1], R_ARM[1]),
)


def chosen(batch: int, share: float, generator: Generator) -> Tensor:
    """Return (B,) bool."""
    return torch.rand(batch, device=generator.device, generator=generator) < share


def pick(flags: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(flags[:, None, None, None], new, old)


def stature(bone: Tensor) -> Tensor:
    """Map (B, T, 17, 3) bones -> (B,): height of the stretched body: leg, trunk, head, and 9 cm of foot."""
    length = bone.norm(dim=-1).mean(1)
    return cast(Tensor, length[:, [*R_LEG]].sum(1) + length[:, [7, 8, 9, 10]].sum(1) * 0.95 + 0.09)


def vary_body(
    xyz: Tensor, proportions: float, shoulders: float, height_m: tuple[float, float], generator: Generator
) -> Tensor:
    """Random bone lengths, alike on both sides, and a random stature; the path grows with the legs."""
    batch = len(xyz)
    bone = bones(xyz)
    shaped = proportioned(bone, proportions, shoulders, generator)
    low, high = height_m
    target = low + (high - low) * torch.rand(batch, device=xyz.device, generator=generator)
    shaped = shaped * (target / stature(shaped))[:, None, None, None]
    leg_old, leg_new = (b[..., [*R_LEG, *L_LEG], :].norm(dim=-1).mean(1).sum(1) for b in (bone, shaped))
    ratio = (leg_new / leg_old)[:, None, None, None]
    shaped[..., :1, :] = bone[..., :1, :] * ratio
    return stand(joints(shaped), xyz[..., list(ANKLES), :] * ratio)


def proportioned(bone: Tensor, proportions: float, shoulders: float, generator: Generator) -> Tensor:
    """Return bones (B, T, 17, 3) of other lengths, alike on both sides; the root stays."""
    factor = torch.ones(len(bone), len(PARENTS), device=bone.device)
    for group in PROPORTIONS:
        spread = shoulders if J("left_shoulder") in group else proportions
        factor[:, list(group)] = log_normal(len(bone), spread, generator)[:, None]
    return bone * factor[:, None, :, None]


def log_normal(batch: int, spread: float, generator: Generator) -> Tensor:
    return (spread * torch.randn(batch, device=generator.device, generator=generator).clamp(-2, 2)).exp()


def stand(xyz: Tensor, ankles: Tensor, softness_m: float = 0.02) -> Tensor:
    """Return the whole body moved so that its lower ankle is where `ankles` (B, T, 2, 3) says; both count when
    level."""
    weight = torch.softmax(-ankles[..., 1] / softness_m, -1)[..., None]
    shift = (weight * (ankles - xyz[..., list(ANKLES), :])).sum(-2, keepdim=True)
    return xyz + shift


def mirror(xyz: Tensor, flags: Tensor) -> Tensor:
    """Left and right exchanged for flagged clips (B,)."""
    order = torch.from_numpy(H36M_17.mirror()).to(xyz.device)
    flipped = xyz[..., order, :] * xyz.new_tensor([-1.0, 1.0, 1.0])
    return pick(flags, flipped, xyz)
