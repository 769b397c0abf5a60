"""Bodies that walk: motion for tests that need no files."""

from __future__ import annotations

import math

import torch

from trainers.skeleton.bones import ANKLES, L_ARM, L_LEG, R_ARM, R_LEG, joints, rotate

SIDE = torch.tensor([0, -1, -1, -1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, -1, -1, -1.0])
REST = torch.tensor(  # bone vectors of a standing body, metres
    [[0, 0.95, 0], [0.1, 0, 0], [0, -0.43, 0.01], [0, -0.43, -0.02], [0.1, 0, 0], [0, -0.43, 0.01], [0, -0.43, -0.02],
     [0, 0.24, 0], [0, 0.24, 0], [0, 0.12, 0.1], [0, 0.14, -0.08], [0.18, 0, 0], [0.1, -0.26, 0.02], [0.05, -0.22, 0.1],
     [0.18, 0, 0], [0.1, -0.26, 0.02], [0.05, -0.22, 0.1]]
)  # fmt: skip


def standing_bones() -> torch.Tensor:
    """(17, 3) bone vectors, left at +x, Y up, looking along +z."""
    rest = REST.clone()
    rest[:, 0] *= torch.where(SIDE == 0, 1.0, SIDE)
    return rest


def walkers(batch: int = 8, frames: int = 40) -> torch.Tensor:
    """(B, T, 17, 3): bodies that walk ahead with swinging limbs, each at its own pace and heading."""
    bone = standing_bones().expand(batch, frames, 17, 3).clone()
    time = torch.arange(frames) / 30
    pace = torch.linspace(0.7, 1.4, batch)[:, None]
    swing = 0.45 * torch.sin(2 * math.pi * pace * time)
    for limb, sign in ((R_LEG, 1), (L_LEG, -1), (R_ARM, -1), (L_ARM, 1)):
        turn = torch.stack([sign * swing, 0 * swing, 0 * swing], -1)
        bend = turn + torch.tensor([0.25 if limb in (R_LEG, L_LEG) else -0.3, 0, 0])
        bone[..., limb[0], :] = rotate(bone[..., limb[0], :], turn)
        bone[..., limb[1], :] = rotate(bone[..., limb[1], :], bend)
    heading = torch.linspace(-3, 3, batch)[:, None, None]
    about = torch.cat([0 * heading, heading, 0 * heading], -1)[:, :, None].expand(batch, frames, 17, 3)
    bone = rotate(bone, about)
    bone[..., 0, :] = torch.tensor([0, 0.95, 0]) + time[:, None] * rotate(torch.tensor([0, 0, 1.0]), about[:, :, 0])
    xyz = joints(bone)
    return xyz - torch.tensor([0, 1.0, 0]) * (xyz[..., list(ANKLES), 1].amin(2)[..., None, None] - 0.08)
