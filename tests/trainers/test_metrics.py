"""Measures against closed forms and an independent solver."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes  # type: ignore[import-untyped]
from scipy.spatial.transform import Rotation  # type: ignore[import-untyped]

from engines.skeleton import H36M_17
from trainers import metrics


def poses(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, 17, 3, generator=torch.Generator().manual_seed(seed))


def test_similarity_alignment_undoes_a_similarity():
    truth = poses(4, 5)
    turn = torch.from_numpy(Rotation.random(20, random_state=1).as_matrix()).float().reshape(4, 5, 3, 3)
    moved = 0.3 * truth @ turn + torch.tensor([1.0, -2.0, 5.0])
    assert metrics.joint_errors(metrics.align_similarity(moved, truth), truth).max() < 1e-5


def test_similarity_alignment_agrees_with_scipy():
    truth, pose = poses(1, 1)[0, 0], poses(1, 1, seed=3)[0, 0] * 0.2 + poses(1, 1)[0, 0]
    ours = metrics.align_similarity(pose, truth)
    centred = truth - truth.mean(0)
    a, b, _ = procrustes(truth.numpy(), pose.numpy())
    np.testing.assert_allclose(((ours - truth) / centred.norm()).numpy(), b - a, atol=1e-5)


def test_similarity_alignment_never_mirrors():
    truth = poses(1, 1)
    mirrored = truth * torch.tensor([-1.0, 1.0, 1.0])
    assert metrics.joint_errors(metrics.align_similarity(mirrored, truth), truth).mean() > 0.1


def test_similarity_alignment_fits_only_the_joints_that_count():
    truth = poses(2, 3)
    pose, counts = truth.clone(), torch.ones(2, 3, 17, dtype=torch.bool)
    pose[..., 5, :] += 3.0
    counts[..., 5] = False
    errors = metrics.joint_errors(metrics.align_similarity(pose, truth, counts), truth)
    assert errors[counts].max() < 1e-4
    assert errors[..., 5].min() == pytest.approx(3 * math.sqrt(3), abs=1e-3)


def test_scale_alignment_undoes_a_scale_but_not_a_turn():
    truth = poses(3)
    assert metrics.joint_errors(metrics.align_scale(2.5 * truth, truth), truth).max() < 1e-5
    assert metrics.joint_errors(metrics.align_scale(truth[..., [1, 2, 0]], truth), truth).mean() > 0.5


def test_velocity_and_acceleration_see_only_motion():
    truth = poses(2, 6)
    shifted = truth + 0.5
    assert metrics.velocity_errors(shifted, truth).max() < 1e-6
    drift = truth + 0.01 * torch.arange(6.0)[:, None, None]
    assert torch.allclose(metrics.velocity_errors(drift, truth), torch.tensor(0.01 * math.sqrt(3)), atol=1e-5)
    assert metrics.acceleration_errors(drift, truth).max() < 1e-5
    jitter = truth + 0.01 * (torch.arange(6) % 2)[:, None, None]
    assert torch.allclose(metrics.acceleration_errors(jitter, truth), torch.tensor(0.02 * math.sqrt(3)), atol=1e-5)


def test_pck_and_auc_of_known_errors():
    errors = torch.tensor([0.0, 0.0501, 0.1001, 0.2])
    assert metrics.pck(errors) == 0.75
    expected = (31 + 20 + 10 + 0) / 4 / 31  # thresholds 0..150 at or above each error
    assert metrics.auc(errors) == pytest.approx(expected)


def test_coverage_of_a_true_gaussian():
    truth, sigma = poses(2000), torch.full((2000, 17), 0.04)
    pose = truth + 0.04 * poses(2000, seed=9)
    assert metrics.coverage(pose, truth, sigma, 1.0) == pytest.approx(0.683, abs=0.01)
    assert metrics.coverage(pose, truth, sigma, 1.96) == pytest.approx(0.95, abs=0.01)
    half = torch.arange(17) < 8
    assert metrics.coverage(pose, truth, torch.where(half, 0.04, 1e-6), 1.0, half.expand(2000, 17)) > 0.6


def test_inner_leaves_two_frames_at_each_edge_out():
    hidden = torch.zeros(1, 12, 2, dtype=torch.bool)
    hidden[0, 3:10, 0] = True
    hidden[0, 8:, 1] = True
    kept = metrics.inner(hidden)
    assert kept[0, :, 0].nonzero().flatten().tolist() == [5, 6, 7]
    assert kept[0, :, 1].nonzero().flatten().tolist() == [10, 11]


def test_means_count_only_what_counts():
    values = torch.arange(6.0).reshape(2, 3)
    counts = torch.tensor([[True, False, False], [True, True, False]])
    assert metrics.mean(values, counts) == pytest.approx((0 + 3 + 4) / 3)
    by_joint = metrics.per_joint(values, counts)
    assert by_joint[:2].tolist() == [1.5, 4.0] and by_joint[2].isnan()


def test_after_reset_reports_the_answer_to_the_nth_frame():
    errors = torch.arange(40.0)[None, :, None].expand(3, 40, 17)
    assert {n: float(v) for n, v in metrics.after_reset(errors).items()} == {1: 0, 5: 4, 15: 14, 30: 29}


def test_exchanged_sides_are_told_by_the_joints_that_count():
    truth, counts = poses(3), torch.ones(3, 17, dtype=torch.bool)
    pose = truth.clone()
    pose[1] = truth[1, torch.from_numpy(H36M_17.mirror())]
    pose[2] = pose[2] + 0.01
    assert metrics.sides_exchanged(pose, truth, counts).tolist() == [False, True, False]
    assert not metrics.sides_exchanged(pose, truth, torch.zeros_like(counts)).any()
