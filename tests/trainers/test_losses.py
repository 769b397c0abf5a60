"""Losses: closed forms, gradients against finite differences, nothing hidden counts."""

from __future__ import annotations

import math

import pytest
import torch

from engines.skeleton import H36M_17
from trainers import losses


def poses(*shape: int, seed: int = 0, last: int = 3) -> torch.Tensor:
    return torch.randn(*shape, 17, last, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


A, B = poses(2, 4), poses(2, 4, seed=1)
SIGMA = poses(2, 4, seed=2)[..., 0] * 0.3
TERMS = {
    "mpjpe": lambda x: losses.mpjpe(x, B),
    "squared": lambda x: losses.squared(x, B),
    "wmpjpe": lambda x: losses.wmpjpe(x[..., 0, :], B[..., 0, :] + torch.tensor([0, 0, 4.0])),
    "projected": lambda x: losses.projected(B[..., :2], x),
    "velocity": lambda x: losses.velocity(x, B),
    "bones": lambda x: losses.bones(x, B),
    "mean_bones": lambda x: losses.mean_bones(x, B),
    "steady_bones": lambda x: losses.steady_bones(x),
    "symmetry": lambda x: losses.symmetry(x),
    "gaussian": lambda x: losses.gaussian(x, B, SIGMA),
    "smoothness": lambda x: losses.smoothness(x),
}


@pytest.mark.parametrize("name", TERMS)
def test_gradients_agree_with_finite_differences(name):
    assert torch.autograd.gradcheck(TERMS[name], A.clone().requires_grad_(), eps=1e-6, atol=1e-5)


def test_gradient_of_sigma_without_fairness():
    sigma = SIGMA.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: losses.gaussian(A, B, s, fairness=0.0), sigma)


@pytest.mark.parametrize("name", ["mpjpe", "squared", "velocity", "bones"])
def test_zero_where_pose_and_truth_meet_and_the_gradient_is_finite(name):
    x = B.clone().requires_grad_()
    value = getattr(losses, name)(x, B)
    value.backward()
    assert value == 0 and torch.isfinite(x.grad).all()


def test_closed_forms():
    shifted = A + torch.tensor([0.3, 0.0, 0.4])
    assert losses.mpjpe(shifted, A) == pytest.approx(0.5)
    assert losses.squared(shifted, A) == pytest.approx(0.25)
    assert losses.velocity(shifted, A) == pytest.approx(0, abs=1e-9)
    assert losses.projected(A[..., :2], shifted) == pytest.approx(0.09)
    root = torch.tensor([[0.0, 0, 2], [0, 0, 8]])
    assert losses.wmpjpe(root + torch.tensor([1.0, 0, 0]), root) == pytest.approx((1 / 2 + 1 / 8) / 2)
    assert losses.bones(2 * A, A) == pytest.approx(float(losses.bone_lengths(A).mean()))
    assert losses.mean_bones(A, A.flip(0)) == pytest.approx(0)


def test_only_what_counts_counts():
    weight = torch.zeros(2, 4, 17, dtype=torch.float64)
    weight[0, :2, 3] = 1
    expected = (A - B).norm(dim=-1)[0, :2, 3].mean()
    assert losses.mpjpe(A, B, weight) == pytest.approx(float(expected))
    step = ((A[0, 1, 3] - A[0, 0, 3]) - (B[0, 1, 3] - B[0, 0, 3])).norm()
    assert losses.velocity(A, B, weight) == pytest.approx(float(step))
    assert losses.mpjpe(A, B, torch.zeros_like(weight)) == 0


def test_symmetry_is_zero_for_symmetric_bodies_and_sums_over_bones():
    order = torch.from_numpy(H36M_17.mirror())
    body = poses(1)[0]
    body = (body + body[order] * torch.tensor([-1.0, 1, 1])) / 2
    assert losses.symmetry(body[None]) == pytest.approx(0, abs=1e-12)
    longer = body.clone()
    wrist, elbow = H36M_17.index("left_wrist"), H36M_17.index("left_elbow")
    bone = longer[wrist] - longer[elbow]
    longer[wrist] += 0.1 * bone / bone.norm()
    assert losses.symmetry(longer[None]) == pytest.approx(0.01)
    assert len(losses.SYMMETRIC) == 6


def test_the_best_sigma_is_the_error_s_own():
    torch.manual_seed(0)
    truth = torch.zeros(4000, 17, 3)
    pose = 0.07 * torch.randn(4000, 17, 3)
    grid = torch.linspace(-4, -1, 61)
    values = [losses.gaussian(pose, truth, torch.full((4000, 17), float(s)), fairness=0.0) for s in grid]
    assert float(grid[int(torch.stack(values).argmin())]) == pytest.approx(math.log(0.07), abs=0.05)
