"""Compute training losses term by term; each differentiable, batched, on any device.

`weight` broadcasts against the per-joint terms (..., J): zeros leave joints out, the mean is over what is left.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.skeleton import H36M_17

BONES = tuple((j, p) for j, p in enumerate(H36M_17.parents) if p >= 0)
_SIDES = H36M_17.mirror().tolist()
SYMMETRIC = tuple((j, p, _SIDES[j], _SIDES[p]) for j, p in BONES if _SIDES[j] > j)  # bone, its mirror image


def weighted_mean(values: Tensor, weight: Tensor | None = None) -> Tensor:
    """0 where nothing counts, so that a batch without labels adds nothing."""
    if weight is None:
        return values.mean()
    weight = weight.to(values.dtype).expand_as(values)
    return (values * weight).sum() / weight.sum().clamp_min(1e-9)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Return (..., d) twice -> (...): Euclidean, with a gradient of zero where they meet."""
    square = (a - b).square().sum(-1)
    return torch.where(square > 0, square.clamp_min(1e-20).sqrt(), square)


def mpjpe(pose: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return mean per-joint position error (Pavllo 2019, protocol 1)."""
    return weighted_mean(distance(pose, truth), weight)


def squared(pose: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return mean over joints of the squared distance (Cheng 2019, Eq. 4; Cheng 2020, Eq. 1)."""
    return weighted_mean((pose - truth).square().sum(-1), weight)


def wmpjpe(trajectory: Tensor, truth: Tensor) -> Tensor:
    """Return root positions (..., 3) in camera axes, each error divided by its true depth (Pavllo 2019, Eq. 1)."""
    return (distance(trajectory, truth) / truth[..., 2].clamp_min(1e-3)).mean()


def projected(keypoints: Tensor, pose: Tensor, visible: Tensor | None = None) -> Tensor:
    """Orthogonal projection of the pose against keypoints in the same unit (Cheng 2019, Eq. 5)."""
    return squared(pose[..., :2], keypoints, visible)


def velocity(pose: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return error of the step from tick to tick; time is dimension -3; a step counts where both its ends do."""
    pairs = None if weight is None else weight[..., 1:, :] * weight[..., :-1, :]
    return weighted_mean(distance(pose.diff(dim=-3), truth.diff(dim=-3)), pairs)


def bone_lengths(pose: Tensor) -> Tensor:
    """Return (..., 17, 3) -> (..., 16), in the order of BONES."""
    far, near = ([b[k] for b in BONES] for k in (0, 1))
    return distance(pose[..., far, :], pose[..., near, :])


def bones(pose: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return error of each bone's length; weight (..., 16)."""
    return weighted_mean((bone_lengths(pose) - bone_lengths(truth)).abs(), weight)


def mean_bones(pose: Tensor, labelled: Tensor) -> Tensor:
    """Match mean bone lengths of two halves of a batch, both predicted (Pavllo 2019, section 4): mean |difference|, m.

    The paper calls it an L2 loss; its authors' code takes the absolute difference, and of predictions on either side:
    bones that the network makes too short on labelled people are matched as such.
    """
    means = [bone_lengths(x).flatten(0, -2).mean(0) for x in (pose, labelled)]
    return (means[0] - means[1]).abs().mean()


def steady_bones(pose: Tensor) -> Tensor:
    """Return a bone's length shall not change within a clip (B, T, 17, 3)."""
    length = bone_lengths(pose)
    return (length - length.mean(-2, keepdim=True)).abs().mean()


def symmetry(pose: Tensor) -> Tensor:
    """Left and right bones are equally long: sum over bones, mean over poses (Cheng 2019, section 3.2)."""
    a, b, c, d = (list(column) for column in zip(*SYMMETRIC))
    left, right = distance(pose[..., a, :], pose[..., b, :]), distance(pose[..., c, :], pose[..., d, :])
    return (left - right).square().sum(-1).mean()


def gaussian(
    pose: Tensor, truth: Tensor, log_sigma: Tensor, weight: Tensor | None = None, fairness: float = 0.5
) -> Tensor:
    """Negative log-likelihood of coordinates under sigma (..., J).

    `fairness` multiplies each term by its own sigma^(2 fairness), without gradient: 0 is the plain likelihood, which
    neglects what is hard; 1 learns the mean as a squared error does.
    """
    wide = log_sigma[..., None]
    terms = (0.5 * (pose - truth).square() * (-2 * wide).exp() + wide).sum(-1)
    return weighted_mean(terms * (2 * fairness * log_sigma.detach()).exp(), weight)


def smoothness(pose: Tensor) -> Tensor:
    """Sum of squared steps over time, mean over the rest (Cheng 2020, Eq. 10)."""
    return pose.diff(dim=-3).square().sum((-3, -1)).mean()
