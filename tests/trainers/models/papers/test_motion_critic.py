"""The critic of motion: what it is told, that it sees what it should, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.people.walkers import walkers
from trainers.losses import BONES, bone_lengths
from trainers.models.papers import motion_critic


def clips() -> torch.Tensor:
    return walkers(4, 8) - walkers(4, 8)[:, :, :1]


def test_psi_holds_squared_lengths_and_weighted_angles():
    pose = clips()
    table = torch.zeros(4, 8, 16, 16)
    table[..., motion_critic.UPPER[0], motion_critic.UPPER[1]] = motion_critic.psi(pose)
    assert torch.allclose(table.diagonal(dim1=-2, dim2=-1), bone_lengths(pose).square(), atol=1e-6)
    (a, b), (c, d) = BONES[4], BONES[5]
    inner = ((pose[..., a, :] - pose[..., b, :]) * (pose[..., c, :] - pose[..., d, :])).sum(-1)
    assert torch.allclose(table[..., 4, 5], inner, atol=1e-6)


def test_temporal_kcs_is_the_change_over_the_interval_and_blind_to_turns():
    pose = clips()
    told = motion_critic.described(pose, 2)
    assert told.shape == (4, 6, 2 * motion_critic.CELLS + 51)
    assert torch.allclose(
        told[..., motion_critic.CELLS : 2 * motion_critic.CELLS],
        motion_critic.psi(pose)[:, 2:] - motion_critic.psi(pose)[:, :-2],
    )
    around = motion_critic.turned(pose, motion_critic.turns(4, torch.Generator().manual_seed(0)))
    assert (
        torch.allclose(motion_critic.psi(around), motion_critic.psi(pose), atol=1e-5)
        and (around - pose).abs().max() > 0.3
    )


def test_turns_keep_people_about_upright():
    turn = motion_critic.turns(2000, torch.Generator().manual_seed(0))
    assert torch.allclose(turn @ turn.mT, torch.eye(3).expand(2000, 3, 3), atol=1e-5)
    up = turn[:, 1, 1]
    assert up.min() > math.cos(0.4 * math.pi) - 1e-3  # two tilts of at most 36 degrees
    heading = torch.atan2(turn[:, 0, 2], turn[:, 2, 2])
    assert heading.abs().max() > 3.1 and heading.mean().abs() < 0.2


@pytest.mark.parametrize("kind", ["spatial", "temporal"])
def test_only_the_temporal_critic_hears_the_order_of_frames(kind):
    torch.manual_seed(0)
    critic, pose = motion_critic.Critic(kind).double(), clips().double()
    order = torch.tensor([3, 0, 6, 1, 7, 5, 2, 4])
    with torch.no_grad():
        differs = (critic(pose) - critic(pose[:, order])).abs().max() > 1e-6
    assert bool(differs) == (kind == "temporal")


def test_a_critic_learns_to_tell_walks_from_shuffled_ones():
    torch.manual_seed(0)
    critic = motion_critic.Critic("temporal")
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
    real = walkers(16, 8) - walkers(16, 8)[:, :, :1]
    for _ in range(60):
        shuffled = real[:, torch.randperm(8)]
        optimizer.zero_grad()
        motion_critic.told_apart(critic, real, shuffled).backward()
        optimizer.step()
    with torch.no_grad():
        assert (critic(real) > critic(real[:, [3, 0, 6, 1, 7, 5, 2, 4]])).float().mean() > 0.9


@pytest.mark.parametrize("kind", ["spatial", "temporal"])
def test_gradients_agree_with_finite_differences(kind):
    torch.manual_seed(0)
    critic, pose = motion_critic.Critic(kind, channels=4).double(), torch.randn(2, 4, 17, 3, dtype=torch.float64)
    made = pose.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: motion_critic.convinced(critic, p), made)
    assert torch.autograd.gradcheck(lambda p: motion_critic.told_apart(critic, pose, p), made)


def test_unknown_critics_are_refused():
    with pytest.raises(ValueError, match="known: spatial, temporal"):
        motion_critic.Critic("none")
