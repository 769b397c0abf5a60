"""Compute Cheng 2019's own losses: projection with visibility, pose discriminator, cylinder man.

Sums over joints, means over frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.geometry.person_frame import PELVIS
from trainers.geometry.self_occlusion import visibility

WIDEST = 3.0  # keypoints are in about metres: no fitted scale is further from 1


def per_pose(terms: Tensor, weight: Tensor | None = None) -> Tensor:
    """Terms (N, T, 17): sum over joints, mean over the frames of windows that count; 0 without any."""
    each = terms.sum(-1).mean(-1)
    return each.mean() if weight is None else (each * weight).sum() / weight.sum().clamp_min(1e-9)


def projected(pose: Tensor, keypoints: Tensor, observed: Tensor) -> Tensor:
    """Eq. 5 in metres: (N, T, 17), each window's scale and each frame's place fitted to visible joints, not learned."""
    weight = observed.unsqueeze(-1)
    count = weight.sum(-2, keepdim=True).clamp_min(1e-9)
    flat, found = (v - (weight * v).sum(-2, keepdim=True) / count for v in (pose[..., :2], keypoints))
    across, along = ((weight * flat * v).sum((1, 2, 3)).clamp_min(1e-6) for v in (found, flat))
    scale = (along / across).clamp(1 / WIDEST, WIDEST).detach()
    return observed * (flat - found * scale[:, None, None, None]).square().sum(-1)


def sparse(pose: Tensor, every: int) -> Tensor:
    return pose[:, every // 2 :: every].flatten(0, 1)


def judged(judge: nn.Module, real: Tensor, made: Tensor, every: int = 1) -> Tensor:
    """L_dis: real poses are 1, made ones 0; of every `every`-th frame."""
    yes, no = judge(sparse(real - real[..., PELVIS : PELVIS + 1, :], every)), judge(sparse(made, every))
    return F.binary_cross_entropy_with_logits(yes, torch.ones_like(yes)) + F.binary_cross_entropy_with_logits(
        no, torch.zeros_like(no)
    )


def fooled(judge: nn.Module, made: Tensor, every: int = 1) -> Tensor:
    """Return what the lifter wants of the judge: that made poses pass for real."""
    said = judge(sparse(made, every))
    return F.binary_cross_entropy_with_logits(said, torch.ones_like(said))


def explained(pose: Tensor, observed: Tensor, weight: Tensor, every: int = 1) -> Tensor:
    """Eq. 8: unreliable keypoints that nothing hides; (N, T, 17, 3), (N, T, 17), weight (N,) 1 - zeta."""
    some = slice(every // 2, None, every)
    return per_pose((1 - observed[:, some]) * visibility(pose[:, some]), weight)
