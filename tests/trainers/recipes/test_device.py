"""Every tensor is made where its model lives: run on a device that this machine has not got."""

from __future__ import annotations

import pytest
import torch

from trainers.config import load
from trainers.models.papers.inference_optimisation import (
    CALIBRATION,
    InferenceOptimisationSettings,
    KeypointView,
    fit_calibration,
    objective,
)
from trainers.models.papers.motion_critic import Critic, convinced, told_apart, turned
from trainers.recipe import recipe_module
from trainers.recipes.cheng2019_losses import explained, judged, projected

CLIP = 2, 70
PAPERS = ("pavllo-causal", "pavllo-symmetric", "cheng2019", "cheng2020", "roy2024", "zhang2021")


def elsewhere(*shape: int) -> torch.Tensor:
    return torch.rand(shape, device="meta")


def test_the_calibration_of_confidences_is_fitted_where_they_are():
    """Before, a CPU tensor met a CUDA one and `trainers train cheng2020 --device cuda` ended in a traceback."""
    found = fit_calibration(elsewhere(2, 5, 17), elsewhere(2, 5, 17) > 0.5, steps=2)
    assert found.device.type == "meta" and found.shape == (2,)


def test_a_mixture_of_devices_is_an_error_here():
    with pytest.raises(RuntimeError, match="device"):
        elsewhere(3) @ torch.ones(3)


@pytest.mark.parametrize("name", PAPERS)
def test_every_paper_lifts_clips_where_its_weights_are(name):
    config = load(f"configs/train/{name}.yaml")
    model = recipe_module(config.recipe).network(vars(config.settings)).to("meta")
    xyz, log_sigma = model.clip(elsewhere(*CLIP, 17, 2), elsewhere(*CLIP, 17), elsewhere(*CLIP))
    assert xyz.device.type == log_sigma.device.type == "meta" and xyz.shape == (*CLIP, 17, 3)


def test_losses_critics_and_refinement_follow_their_poses():
    pose, points, seen = elsewhere(2, 16, 17, 3), elsewhere(2, 16, 17, 2), elsewhere(2, 16, 17)
    critic = Critic().to("meta")
    seen_by = KeypointView(points, seen, seen > 0.5)
    found = [
        projected(pose, points, seen), explained(pose, seen, elsewhere(2)), convinced(critic, pose),
        told_apart(critic, pose, turned(pose, elsewhere(2, 3, 3))),
        objective(pose, seen_by, InferenceOptimisationSettings(), critic, CALIBRATION),
        judged(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(51, 1)).to("meta"), pose, pose),
    ]  # fmt: skip
    assert {value.device.type for value in found} == {"meta"}
