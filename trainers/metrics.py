"""Compute pose metrics as the papers define them, batched, on any device.

Every measure is first an error per joint, (..., J); `mean` takes the average over those that count.  Papers' names:
Protocol 1 MPJPE = mean(joint_errors), Protocol 2 P-MPJPE = after `align_similarity`, Protocol 3 N-MPJPE = after
`align_scale`, MPJVE = mean(velocity_errors).
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.skeleton import H36M_17

LIMB_JOINTS = tuple(j for j, name in enumerate(H36M_17.joints) if name.split("_")[0] in ("left", "right"))
PCK_LIMIT_M = 0.150
AUC_LIMITS_M = tuple(step * 0.005 for step in range(31))  # 0, 5, ... 150 mm
SEEN_FRAMES = (1, 5, 15, 30, 90)  # answers reported when so many frames have been seen since a reset


def joint_errors(pose: Tensor, truth: Tensor) -> Tensor:
    """Return (..., J, 3) twice -> (..., J): distance of each joint from where it is."""
    return cast(Tensor, (pose - truth).norm(dim=-1))


def align_similarity(pose: Tensor, truth: Tensor, counts: Tensor | None = None) -> Tensor:
    """Return pose (..., J, 3) turned, scaled and moved onto the truth, each frame by itself; `counts` (..., J) joints
    fit."""
    weight = torch.ones_like(pose[..., :1]) if counts is None else counts.to(pose.dtype)[..., None]
    total = weight.sum(-2, keepdim=True).clamp_min(1e-9)
    centre_pose, centre_truth = (
        (weight * pose).sum(-2, keepdim=True) / total,
        (weight * truth).sum(-2, keepdim=True) / total,
    )
    moved, target = pose - centre_pose, truth - centre_truth
    left, strength, right = torch.linalg.svd((weight * moved).mT @ target)  # (..., 3, 3)
    sign = torch.ones_like(strength)
    sign[..., 2] = torch.linalg.det(left @ right).sign()  # never a mirror image
    rotation = (left * sign[..., None, :]) @ right
    scale = (strength * sign).sum(-1)[..., None, None] / (weight * moved * moved).sum((-2, -1), keepdim=True).clamp_min(
        1e-12
    )
    return cast(Tensor, scale * moved @ rotation + centre_truth)


def align_scale(pose: Tensor, truth: Tensor) -> Tensor:
    """Root-relative pose (..., J, 3) scaled to fit the truth best, each frame by itself."""
    scale = (pose * truth).sum((-2, -1), keepdim=True) / (pose * pose).sum((-2, -1), keepdim=True).clamp_min(1e-12)
    return scale * pose


def velocity_errors(pose: Tensor, truth: Tensor) -> Tensor:
    """Return (..., T, J, 3) -> (..., T - 1, J): error of the step from frame to frame, metres a frame."""
    return cast(Tensor, (pose - truth).diff(dim=-3).norm(dim=-1))


def acceleration_errors(pose: Tensor, truth: Tensor) -> Tensor:
    """Return (..., T, J, 3) -> (..., T - 2, J): error of the second difference, metres a frame squared."""
    return cast(Tensor, (pose - truth).diff(n=2, dim=-3).norm(dim=-1))


def mean(values: Tensor, counts: Tensor | None = None) -> Tensor:
    """Return mean over the entries that count; NaN when none does."""
    if counts is None:
        return values.mean()
    return values[counts.expand_as(values)].mean()


def per_joint(values: Tensor, counts: Tensor | None = None) -> Tensor:
    """Return (..., J) -> (J,): mean over everything but the joint; NaN where a joint never counts."""
    counts = torch.ones_like(values, dtype=torch.bool) if counts is None else counts.expand_as(values)
    flat, weight = values.flatten(0, -2), counts.flatten(0, -2)
    return torch.where(weight, flat, 0).sum(0) / weight.sum(0)


def pck(errors: Tensor, limit: float = PCK_LIMIT_M) -> Tensor:
    """Return share of joints within the limit."""
    return (errors <= limit).to(torch.float32).mean()


def auc(errors: Tensor) -> Tensor:
    """Return mean share within 0, 5, ... 150 mm."""
    return torch.stack([pck(errors, limit) for limit in AUC_LIMITS_M]).mean()


def coverage(pose: Tensor, truth: Tensor, sigma: Tensor, times: float, counts: Tensor | None = None) -> Tensor:
    """Return share of coordinates within `times` sigma of the truth; sigma and counts (..., J)."""
    inside = ((pose - truth).abs() <= times * sigma[..., None]).to(torch.float32)
    return mean(inside, None if counts is None else counts[..., None])


def sides_exchanged(pose: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """Return (..., J, 3) twice, counts (..., J) -> (...,) bool: with left and right exchanged the pose would be
    nearer."""
    limbs = counts[..., LIMB_JOINTS].to(pose.dtype)
    as_said, exchanged = (
        (joint_errors(one, truth)[..., LIMB_JOINTS] * limbs).sum(-1)
        for one in (pose, pose[..., torch.from_numpy(H36M_17.mirror()), :])
    )
    return exchanged < as_said


def inner(hidden: Tensor, edge: int = 2) -> Tensor:
    """Hidden (B, T, J) without the first and last `edge` frames of every gap; the clip's own ends are no edges."""
    flags = hidden.to(torch.float32).transpose(1, 2)  # (B, J, T)
    padded = F.pad(flags, (edge, edge), mode="replicate")
    return (-F.max_pool1d(-padded, 2 * edge + 1, stride=1)).transpose(1, 2) > 0.5


def area_under_roc(score: Tensor, positive: Tensor) -> float:
    """Chance that a positive scores above a negative; ties count half."""
    _, place, count = torch.unique(score, return_inverse=True, return_counts=True)
    rank = torch.cumsum(count, 0).double() - (count.double() - 1) / 2
    p, n = int(positive.sum()), int((~positive).sum())
    if p == 0 or n == 0:
        return math.nan
    return float((rank[place][positive].sum() - p * (p + 1) / 2) / p / n)


def after_reset(errors: Tensor, frames: tuple[int, ...] = SEEN_FRAMES) -> dict[int, Tensor]:
    """Map errors (B, T, J) of clips that start with a reset -> mean error of the answer to the n-th frame seen."""
    return {n: errors[:, n - 1].mean() for n in frames if n <= errors.shape[1]}
