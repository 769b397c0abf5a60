"""Triangulate 3D from several calibrated cameras; a view that disagrees hardly counts.

Every pair of views proposes a place; the one that most views pass near to tells whom to believe; the final point
minimises the weighted squared distance to all lines (the idea of Roy 2022, which Roy 2024 takes its labels from).
"""

from __future__ import annotations

from itertools import combinations
from typing import cast

import torch
from torch import Tensor

SPREAD_M = 0.10  # a view that passes this far from the place counts 61 %
PARALLEL = 1e-4  # squared sine between two lines: below, their crossing says nothing


def lines(rays: Tensor, rotation: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Return rays (V, ..., 2), cameras X_cam = rotation (V, 3, 3) X + centre (V, 3) -> origins, directions (V, ...,
    3)."""
    shape = [len(rays)] + [1] * (rays.dim() - 2) + [3]
    origin = -(centre[:, None] @ rotation)[:, 0]  # (V, 3): -R^T c
    direction = torch.cat([rays, torch.ones_like(rays[..., :1])], -1).flatten(1, -2) @ rotation
    direction = (direction / direction.norm(dim=-1, keepdim=True)).view(*rays.shape[:-1], 3)
    return origin.view(shape).expand_as(direction), direction


def crossing(origin: Tensor, direction: Tensor, weight: Tensor) -> Tensor:
    """Return the point (..., 3) nearest to lines (V, ..., 3) by weights (V, ...)."""
    across = torch.eye(3, device=origin.device) - direction.unsqueeze(-1) * direction.unsqueeze(-2)
    across = across * weight[..., None, None]
    total = across.sum(0) + 1e-9 * torch.eye(3, device=origin.device)
    return cast(Tensor, torch.linalg.solve(total, (across @ origin.unsqueeze(-1)).sum(0)).squeeze(-1))


def distance(points: Tensor, origin: Tensor, direction: Tensor) -> Tensor:
    """From points (..., 3) to lines (V, ..., 3): (V, ...) m."""
    offset = points - origin
    return cast(Tensor, (offset - (offset * direction).sum(-1, keepdim=True) * direction).norm(dim=-1))


def agreement(origin: Tensor, direction: Tensor, weight: Tensor) -> Tensor:
    """Return (V, ...) in [0, 1]: how near each view passes to the place that most views, by weight, pass near to."""
    best = torch.full_like(weight[0], -1.0)
    near = torch.zeros_like(weight)
    even = torch.ones(2, *weight.shape[1:], device=weight.device)
    for i, j in combinations(range(len(origin)), 2):
        point = crossing(origin[[i, j]], direction[[i, j]], even)
        here = torch.exp(-distance(point, origin, direction).square() / (2 * SPREAD_M**2))
        sine2 = 1 - (direction[i] * direction[j]).sum(-1).square()
        support = torch.where(sine2 > PARALLEL, (weight * here).sum(0), 0.0)
        near = torch.where(support > best, here, near)
        best = torch.maximum(support, best)
    return near


def triangulate(origin: Tensor, direction: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return lines (V, ..., 3), weights (V, ...) such as reliabilities -> points (..., 3), final weights (V, ...)."""
    if len(origin) < 2:
        raise ValueError(f"{len(origin)} view, expected at least 2 to triangulate")
    final = weight * agreement(origin, direction, weight) + 1e-6
    return crossing(origin, direction, final), final
