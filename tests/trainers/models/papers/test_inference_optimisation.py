"""Inference stage optimisation: closed forms, Eq. 9, gradients, poses that move where keypoints are right."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tests.support.people.walkers import walkers
from trainers.models.papers import inference_optimisation
from trainers.models.papers.inference_optimisation import InferenceOptimisationSettings, KeypointView, Weights
from trainers.models.papers.motion_critic import Critic


def walk(frames: int = 16) -> torch.Tensor:
    pose = walkers(2, frames) * torch.tensor([1.0, -1, -1])
    return pose - pose[:, :, :1]


def seen(pose: torch.Tensor, scale: float = 0.25) -> KeypointView:
    """Exact keypoints of an orthogonal camera."""
    everything = torch.ones(pose.shape[:3], dtype=torch.bool)
    return KeypointView(scale * pose[..., :2] + torch.tensor([0.1, -0.2]), torch.full(pose.shape[:3], 0.9), everything)


def test_scale_and_translation_of_each_window_are_found():
    pose = walk()
    view = seen(pose)
    view.keypoints[1] *= 2
    scale, translation = inference_optimisation.orthogonal(pose, view.keypoints, torch.ones(2, 16, 17))
    assert scale.flatten().tolist() == pytest.approx([0.25, 0.5], rel=1e-4)
    assert translation[0].flatten().tolist() == pytest.approx([0.1, -0.2], abs=1e-5)
    assert (inference_optimisation.in_metres(view.keypoints, scale, translation) - pose[..., :2]).abs().max() < 1e-4


def test_the_five_weights():
    distance2, confidence = torch.tensor([0.0, 1.0, 9.0, 1.0]), torch.tensor([0.9, 0.9, 0.9, 0.2])
    plain = (1.0, 0.0)

    def weights(kind: Weights, **more: Any) -> list[float]:
        return inference_optimisation.weigh(
            distance2, confidence, InferenceOptimisationSettings(kind, **more), plain
        ).tolist()

    assert weights("constant") == [1, 1, 1, 1]
    assert weights("confidence") == pytest.approx([0.9, 0.9, 0.9, 0.2])
    assert weights("hard", threshold=0.5) == pytest.approx([0.9, 0.9, 0.9, 0.0], abs=1e-6)
    assert weights("soft", sigma=2.0) == pytest.approx([1 - math.exp(-c * d / 8) for c, d in zip(
        confidence.tolist(), distance2.tolist())], abs=1e-5)  # fmt: skip
    bent = inference_optimisation.weigh(distance2, confidence, InferenceOptimisationSettings("calibrated"), (1.0, 2.0))
    assert (bent > confidence).all()
    assert not inference_optimisation.weigh(
        distance2.requires_grad_(), confidence, InferenceOptimisationSettings("soft"), plain
    ).requires_grad


def test_calibration_makes_confidence_the_share_that_is_right():
    g = torch.Generator().manual_seed(0)
    confidence = torch.rand(20000, generator=g).clamp(0.02, 0.98)
    right = torch.rand(20000, generator=g) < torch.sigmoid(0.5 * inference_optimisation.logit(confidence) + 1.0)
    assert inference_optimisation.fit_calibration(confidence, right).tolist() == pytest.approx((0.5, 1.0), abs=0.08)


@pytest.mark.parametrize("kind", inference_optimisation.WEIGHTS)
def test_gradients_agree_with_finite_differences_where_weights_and_fit_are_held(kind, monkeypatch):
    pose = walk(4).double()
    exact = seen(pose)
    noisy = exact.keypoints + 0.01 * torch.randn(2, 4, 17, 2, dtype=torch.float64)
    view = KeypointView(noisy, exact.confidence.double(), exact.counts)
    start = (pose + 0.02 * torch.randn(pose.shape, dtype=torch.float64)).requires_grad_()
    how, critic = InferenceOptimisationSettings(kind), Critic("temporal", channels=4).double()
    fit = inference_optimisation.orthogonal(start.detach(), view.keypoints, view.confidence)
    kept = inference_optimisation.weigh(
        torch.rand(2, 4, 17, dtype=torch.float64) * 9, view.confidence, how, inference_optimisation.CALIBRATION
    )
    monkeypatch.setattr(inference_optimisation, "orthogonal", lambda *_: fit)
    monkeypatch.setattr(inference_optimisation, "weigh", lambda *_: kept)
    assert torch.autograd.gradcheck(
        lambda p: inference_optimisation.objective(p, view, how, critic, inference_optimisation.CALIBRATION),
        start,
        atol=1e-4,
    )


def test_right_keypoints_pull_a_wrong_pose_back_and_the_root_stays():
    truth = walk()
    wrong = truth.clone()
    wrong[:, :, 13, 0] += 0.15
    found = inference_optimisation.refine(wrong, seen(truth), InferenceOptimisationSettings("soft", iterations=80))
    before, after = ((p - truth)[:, :, 13, 0].abs().mean() for p in (wrong, found))
    assert after < 0.5 * before and torch.equal(found[:, :, 0], wrong[:, :, 0])


def test_keypoints_that_are_doubted_pull_less_than_believed_ones():
    """Constant weights run after a wrong keypoint; hard ones do not."""
    truth = walk()
    view = seen(truth)
    view.keypoints[:, :, 16] += 0.05
    view.confidence[:, :, 16] = 0.05
    off = {}
    for kind in ("constant", "confidence", "hard", "soft"):
        how = InferenceOptimisationSettings(kind, threshold=0.7, smooth_weight=0.0)
        found = inference_optimisation.refine(truth, view, how, calibration=(1.0, 0.0))
        off[kind] = float((found - truth)[:, :, 16].norm(dim=-1).mean())
    assert off["constant"] > 0.1 and off["hard"] < 0.005 and off["hard"] <= off["soft"] < off["constant"]


def test_what_does_not_count_stays_and_a_trembling_pose_gets_calmer():
    truth = walk()
    view = seen(truth)
    view.counts[:, :, 5] = False
    shaken = truth + 0.03 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    found = inference_optimisation.refine(shaken, view, InferenceOptimisationSettings(iterations=60))
    assert torch.equal(found[:, :, 5], shaken[:, :, 5])
    jerk = [float(p[:, :, 6:].diff(n=2, dim=1).norm(dim=-1).mean()) for p in (shaken, found)]
    assert jerk[1] < 0.8 * jerk[0]


def test_nothing_seen_changes_nothing_but_smoothness():
    pose = walk()
    view = seen(pose)
    empty = KeypointView(view.keypoints, torch.zeros_like(view.confidence), torch.zeros_like(view.counts))
    assert torch.equal(inference_optimisation.refine(pose, empty, InferenceOptimisationSettings(iterations=3)), pose)
