"""Every tensor is made where its model lives: run on a device that this machine has not got."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trainers.config import load
from trainers.data.bank import Bank
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
from trainers.training.bench import config_of, people
from trainers.training.compiled_draw import filled, tensors
from trainers.training.number_tape import NumberCount, NumberTape

CLIP = 2, 70
PAPERS = ("pavllo-causal", "pavllo-symmetric", "cheng2019", "cheng2020", "roy2024", "zhang2021")


LEARNING = (*PAPERS, "pavllo-semi")


@pytest.fixture(scope="module")
def data():
    with people([]) as folders:
        yield folders


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


def opened(name: str, data: list[str]):
    """A recipe of four windows in its last phase, and what its draw is told of that."""
    config = config_of(name, 4)
    recipe = recipe_module(config.recipe).recipe(config.settings, data, "cpu", config.loop.steps)
    return recipe, (False,) if hasattr(recipe, "warm_up_steps") else ()


@pytest.mark.parametrize("name", LEARNING)
def test_every_loss_is_where_its_model_is(name, data):
    recipe, phase = opened(name, data)
    batch = recipe.draw(torch.Generator(), *phase)
    recipe.model.to("meta")
    if name == "cheng2020":  # this machine has no generator there
        recipe._turned = lambda pose: turned(pose, elsewhere(len(pose), 3, 3))
    there = filled(batch, iter([t.to("meta") for t in tensors(batch)]))
    losses = [recipe.losses(there, which) for which in range(len(recipe.optimizers()))]
    assert {value.device.type for found in losses for value in found.values()} == {"meta"}


@pytest.mark.parametrize("name", [*LEARNING, "causal-small"])
def test_every_batch_is_drawn_where_its_generator_is(name, data):
    """A tensor that a draw makes on the CPU meets motion and numbers of the other device and is an error."""
    recipe, phase = opened(name, data)
    with NumberCount() as count:
        recipe.draw(torch.Generator(), *phase)
    moved(recipe)
    with NumberTape(elsewhere(count.uniform), elsewhere(count.normal)):
        found = tensors(recipe.draw(GeneratorElsewhere(), *phase))
    assert {t.device.type for t in found} == {"meta"} and len(found) > 3


class GeneratorElsewhere(torch.Generator):
    """Tells only where it is; a tape has the numbers."""

    device = torch.device("meta")  # type: ignore[misc,assignment]


def moved(recipe) -> None:
    """Bring the recipe's motion to the other device, as a recipe opened there has it."""
    recipe.device = "meta"
    for name, value in list(vars(recipe).items()):
        bank = value if isinstance(value, Bank) else getattr(value, "bank", None)
        if isinstance(bank, Bank):
            there = filled(bank, iter([t.to("meta") for t in tensors(bank)]))
            setattr(recipe, name, there if isinstance(value, Bank) else replace(value, bank=there))
