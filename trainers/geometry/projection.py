"""Project points through a lens: perspective, radial and tangential distortion; differentiable (Pavllo 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEAREST_Z = 0.1  # m: what lies behind the camera is taken for this near
WIDEST = 2.0  # squared tangent; further out the polynomial means nothing and keeps its last value


@dataclass(frozen=True)
class LensModel:
    """Of B cameras, in the unit of the projection."""

    focal: Tensor  # (B, 2)
    centre: Tensor  # (B, 2)
    radial: Tensor  # (B, 3) k1, k2, k3
    tangential: Tensor  # (B, 2) p1, p2

    @staticmethod
    def plain(lens: Tensor) -> LensModel:
        """Virtual cameras' (B, 2): factor and k1 (trainers.geometry.virtual_cameras.View.lens)."""
        nothing = torch.zeros_like(lens)
        return LensModel(lens[:, :1].expand(-1, 2), nothing, torch.cat([lens[:, 1:], nothing], -1), nothing)


def project(xyz: Tensor, lens: LensModel) -> Tensor:
    """Return points (B, ..., 3) in camera axes -> (B, ..., 2)."""
    lift = (slice(None), *[None] * (xyz.dim() - 2))
    focal, centre, radial, tangential = (
        value[lift] for value in (lens.focal, lens.centre, lens.radial, lens.tangential)
    )
    flat = xyz[..., :2] / xyz[..., 2:].clamp_min(NEAREST_Z)
    square = flat.square().sum(-1, keepdim=True).clamp_max(WIDEST)
    bent = 1 + (radial * torch.cat([square, square**2, square**3], -1)).sum(-1, keepdim=True)
    aside = 2 * (tangential.flip(-1) * flat).sum(-1, keepdim=True)  # 2 (p2 x + p1 y)
    return focal * (flat * (bent + aside) + tangential.flip(-1) * square) + centre
