"""The papers' protocols on recorded sets: lenses, labels, who keeps 3D, what every variant is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.recorded_views import recorded_folder
from trainers.config import load
from trainers.recipe import recipe_module
from trainers.recipes import pavllo_semi

TRAINED = ("S1", "S5", "S6", "S7", "S8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return recorded_folder(tmp_path_factory.mktemp("h36m"))


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def semi(folder: Path, **changes: object) -> pavllo_semi.SemiRecipe:
    keys = {"layers": 1, "channels": 16, "batch": 8, "validation_clips": 2, "warm_up": 0, "recorded": True}
    return pavllo_semi.recipe(pavllo_semi.Settings(**(keys | {"labelled": ("S1",)} | changes)), [str(folder)], "cpu", 9)


def test_a_recorded_truth_projects_onto_its_keypoints_and_a_wrong_one_is_pulled_back(folder):
    """Before, recorded people had focal length 0: every pose projected to one point and nothing was learned."""
    recipe = semi(folder)
    _, other = recipe.batch(5, generator())
    pose, root = other.pose.clone().requires_grad_(), other.root.clone().requires_grad_()
    assert recipe.projection(pose, root, other) < 1e-5
    away = recipe.projection(pose + torch.tensor([0.1, 0.0, 0.0]) * torch.rand(17, 1), root, other)
    away.backward()
    assert away > 0.01 and pose.grad.abs().sum() > 0.1 and root.grad.abs().sum() > 0.1


def test_the_projection_is_measured_in_screen_units(folder):
    recipe = semi(folder)
    _, other = recipe.batch(5, generator())
    aside = replace(other, x=other.x + torch.tensor([0.01, 0.0]))
    assert recipe.projection(other.pose, other.root, aside).item() == pytest.approx(0.01 * 1145 / 500, rel=1e-3)


def test_both_halves_pass_in_one_batch(folder):
    recipe, seen = semi(folder), []
    recipe.trajectory.expand.register_forward_hook(lambda *_: None)
    one = recipe.pose.tcn.one
    recipe.pose.tcn.one = lambda x: (seen.append(len(x)), one(x))[1]  # type: ignore[method-assign]
    recipe.losses(recipe.batch(5, generator()), 0)
    assert seen == [8]


@pytest.mark.parametrize("name", ["pavllo-causal", "pavllo-semi", "cheng2019", "cheng2020", "roy2024", "zhang2021"])
def test_nobodys_3d_is_withheld_in_a_variant_of_the_papers_protocol(folder, name):
    """Before, Cheng 2019's withheld S6's and Cheng 2020's S8's 3D."""
    settings = load(f"configs/train/{name}.yaml", "h36m").settings
    small = {"validation_clips": 2, "batch": 4} | ({"channels": 16} if hasattr(settings, "channels") else {})
    recipe = recipe_module(load(f"configs/train/{name}.yaml", "h36m").recipe).recipe(
        replace(settings, **small), [str(folder)], "cpu", 9
    )
    if name == "pavllo-semi":  # the one that says otherwise
        assert settings.labelled == ("S1",)
        return
    bank = recipe.people if hasattr(recipe, "people") else recipe.bank
    assert len(bank.points.length) == len(TRAINED) * (2 if "2020" not in name else 1)
    assert getattr(recipe, "other", None) is None
