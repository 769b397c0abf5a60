"""Corrupt single keypoints: elsewhere, or on the other side (Cheng 2020, section 3.3)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from engines.skeleton import H36M_17
from trainers.augmentation.detector_noise import normal

MIRROR = torch.from_numpy(H36M_17.mirror())


def shifted(x: Tensor, metres: Tensor, share: float, by_m: float, g: Generator) -> Tensor:
    """Return some keypoints moved by a fixed distance in any direction; `metres` (B, T) is rays per metre."""
    away = normal((*x.shape,), g)
    away = by_m * away / away.norm(dim=-1, keepdim=True).clamp_min(1e-6) * metres[..., None, None]
    chosen = torch.rand(x.shape[:3], generator=g, device=g.device) < share
    return torch.where(chosen.unsqueeze(-1), x + away, x)


def side_swapped(x: Tensor, reliability: Tensor, share: float, g: Generator) -> tuple[Tensor, Tensor]:
    """Return some pairs of keypoints, each by itself, exchange left and right."""
    order = MIRROR.to(x.device)
    first = torch.minimum(order, torch.arange(len(order), device=x.device))  # both of a pair share one draw
    chosen = torch.rand(x.shape[:3], generator=g, device=g.device)[..., first] < share
    swapped = torch.where(chosen.unsqueeze(-1), x[:, :, order], x)
    return swapped, torch.where(chosen, reliability[:, :, order], reliability)
