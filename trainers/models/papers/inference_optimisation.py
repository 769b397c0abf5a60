"""Optimise a clip's poses at inference until they fit what the camera saw (Cheng 2020, section 3.5).

Shapes: W windows of T frames, J = 17.  Poses in metres, root-relative, as a camera sees them that looks at the pelvis;
keypoints in the same picture, in any unit: scale and translation are fitted for each window.  Distances are measured
in cells of a 64-cell heatmap over 2.56 m, so that Eq. 9's sigma means the same for people near and far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trainers.models.papers.motion_critic import Critic, convinced

Weights = Literal["constant", "confidence", "calibrated", "hard", "soft"]
WEIGHTS: tuple[Weights, ...] = ("constant", "confidence", "calibrated", "hard", "soft")
CELL_M = 0.04
SMALLEST_SCALE = 1e-3
CALIBRATION = (0.56, 1.72)  # slope and offset on the logit: of the virtual detector's reliability, mixed occlusion


@dataclass(frozen=True)
class InferenceOptimisationSettings:
    weights: Weights = "soft"
    sigma: float = 1.0  # cells, of Eq. 9
    threshold: float = 0.7  # of the calibrated confidence, weights `hard`
    iterations: int = 150
    rate: float = 0.003  # m an iteration at most, roughly (Adam)
    critic_weight: float = 0.1  # lambda 1 of Eq. 10
    smooth_weight: float = 0.05  # lambda 2
    reprojection_weight: float = 1.0  # 0: critic and smoothness alone, the paper's w = 0


@dataclass(frozen=True)
class KeypointView:
    """What the camera saw of one person."""

    keypoints: Tensor  # (W, T, 17, 2)
    confidence: Tensor  # (W, T, 17) in [0, 1]
    counts: Tensor  # (W, T, 17) bool: there is a keypoint, and the joint's pose means something


def logit(confidence: Tensor) -> Tensor:
    return torch.logit(confidence.clamp(1e-3, 1 - 1e-3))


def fit_calibration(confidence: Tensor, right: Tensor, steps: int = 50) -> Tensor:
    """Slope and offset (2,) on the logit: confidence becomes the share of keypoints that are right (Newton)."""
    logits = logit(confidence.flatten().double())
    x, y = torch.stack([logits, torch.ones_like(logits)], -1), right.flatten().double()
    best, ridge = x.new_tensor([1.0, 0.0]), 1e-6 * torch.eye(2, dtype=x.dtype, device=x.device)
    for _ in range(steps):
        p = torch.sigmoid(x @ best)
        curvature = x.mT @ (x * (p * (1 - p)).unsqueeze(-1)) + ridge
        best = best - torch.linalg.solve(curvature, x.mT @ (p - y))
    return best


def calibrated(confidence: Tensor, calibration: tuple[float, float] = CALIBRATION) -> Tensor:
    slope, offset = calibration
    return torch.sigmoid(slope * logit(confidence) + offset)


def orthogonal(pose: Tensor, keypoints: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Scale (W, 1, 1, 1) and translation (W, 1, 1, 2) that put a window's poses on its keypoints, least squares."""
    weight, flat = weight.unsqueeze(-1).to(pose.dtype), pose[..., :2]
    total = weight.sum((1, 2), keepdim=True).clamp_min(1e-9)
    middle, target = (weight * flat).sum((1, 2), keepdim=True) / total, (weight * keypoints).sum((1, 2), True) / total
    inner = (weight * (flat - middle) * (keypoints - target)).sum((1, 2, 3), keepdim=True)
    size = (weight * (flat - middle).square()).sum((1, 2, 3), keepdim=True)
    scale = (inner / size.clamp_min(1e-9)).clamp_min(SMALLEST_SCALE)
    return scale, target - scale * middle


def in_metres(keypoints: Tensor, scale: Tensor, translation: Tensor) -> Tensor:
    return (keypoints - translation) / scale


def weigh(
    distance2: Tensor, confidence: Tensor, how: InferenceOptimisationSettings, calibration: tuple[float, float]
) -> Tensor:
    """Return how much each keypoint counts, given its squared distance in cells; without gradient."""
    sure = calibrated(confidence, calibration)
    found = {
        "constant": lambda: torch.ones_like(confidence),
        "confidence": lambda: confidence,
        "calibrated": lambda: sure,
        "hard": lambda: sure * (sure >= how.threshold),
        "soft": lambda: 1 - torch.exp(-sure * distance2 / (2 * how.sigma**2)),
    }[how.weights]()
    return found.detach()


def reprojection(
    pose: Tensor, view: KeypointView, how: InferenceOptimisationSettings, calibration: tuple[float, float]
) -> Tensor:
    """Eq. 8: sum over joints, mean over frames, in squared cells."""
    with torch.no_grad():
        fit = orthogonal(pose, view.keypoints, view.counts * view.confidence)
    away = (pose[..., :2] - in_metres(view.keypoints, *fit)) / CELL_M
    distance2 = away.square().sum(-1)
    weight = weigh(distance2.detach(), view.confidence, how, calibration) * view.counts
    return (weight * distance2).sum() / distance2[..., 0].numel()


def objective(
    pose: Tensor,
    view: KeypointView,
    how: InferenceOptimisationSettings,
    critic: Critic | None,
    calibration: tuple[float, float],
) -> Tensor:
    """Eq. 10; windows follow each other in time."""
    steps = pose.flatten(0, 1).diff(dim=0) / CELL_M
    smooth = steps.square().sum() / max(len(steps), 1)
    value = how.reprojection_weight * reprojection(pose, view, how, calibration) + how.smooth_weight * smooth
    return value + how.critic_weight * convinced(critic, pose) if critic and pose.shape[1] > 2 else value


def refine(
    pose: Tensor, view: KeypointView, how: InferenceOptimisationSettings, critic: Critic | None = None,
    calibration: tuple[float, float] = CALIBRATION, progress: Callable[[], None] = lambda: None,
) -> Tensor:  # fmt: skip
    """(W, T, 17, 3) -> the same poses after `iterations` steps; the root stays the origin, what cannot count stays."""
    moved = torch.zeros_like(pose, requires_grad=True)
    free = view.counts.any((0, 1)).to(pose.dtype).unsqueeze(-1) * torch.ones_like(pose)
    free[..., 0, :] = 0
    optimizer = torch.optim.Adam([moved], how.rate)
    for _ in range(how.iterations):
        optimizer.zero_grad()
        objective(pose + moved * free, view, how, critic, calibration).backward()
        optimizer.step()
        progress()
    return (pose + moved * free).detach()
