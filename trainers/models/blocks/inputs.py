"""Prepare the contract's inputs for a network: finite, 17 joints, facing the person.  Exports to ONNX.

Exports to ONNX.
A keypoint that is not finite, or absurdly far from the optical axis, is one that nobody saw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.skeleton import H36M_17
from trainers.geometry.person_frame import PELVIS, toward
from trainers.models.blocks.joint_map import JointMap

FARTHEST = 1e3  # |ray|
NEAREST_Z = 0.1


def believable(x: Tensor, reliability: Tensor) -> tuple[Tensor, Tensor]:
    """Return x (..., J, 2), reliability (..., J) -> the same, with (0, 0) and 0 where they say nothing."""
    good = (x[..., 0].abs() < FARTHEST) & (x[..., 1].abs() < FARTHEST) & (reliability >= 0)
    return torch.where(good.unsqueeze(-1), x, torch.zeros_like(x)), torch.where(good, reliability, 0.0)


def mapped(to: JointMap, given: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Map the contract's x and reliability -> points (..., 17, 2), reliability (..., 17)."""
    x, reliability = believable(given["x"], given["reliability"])
    return to.points(x), to.reliability(reliability)


def checked(x: Tensor, reliability: Tensor) -> tuple[Tensor, Tensor]:
    """Return clips of the 17 joints, believable; anything else is refused."""
    joints = len(H36M_17)
    if x.dim() != 4 or x.shape[2:] != (joints, 2) or reliability.shape != x.shape[:3]:
        raise ValueError(
            f"x {tuple(x.shape)} and reliability {tuple(reliability.shape)}, expected (B, T, {joints}, 2) and "
            f"(B, T, {joints}) of {H36M_17.name}; map other joint sets first (engines.skeleton.mapping)"
        )
    if not x.shape[1]:
        raise ValueError("a clip of no frames, expected at least one")
    return believable(x, reliability)


def facing(points: Tensor, centre: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return rays (..., 17, 2) for a camera that looks at the pelvis (or at `centre`), and its rotation (..., 3, 3)."""
    rotation = toward(points[..., PELVIS, :] if centre is None else centre)
    rays = torch.cat([points, torch.ones_like(points[..., :1])], -1) @ rotation
    return rays[..., :2] / rays[..., 2:].clamp_min(NEAREST_Z), rotation


def pushed(history: Tensor, now: Tensor, start: Tensor) -> Tensor:
    """History (B, n, D), oldest first, and now (B, D) -> (B, n + 1, D); a start (B,) bool fills it with copies."""
    past = torch.where(start[:, None, None], now.unsqueeze(1), history)
    return torch.cat([past, now.unsqueeze(1)], 1)
