"""The papers' protocols on recorded sets: lenses, labels, who keeps 3D, what every variant is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.skeleton import H36M_17
from tests.support.people.recorded_views import recorded_folder
from trainers.augmentation.virtual_detections import MaskShares
from trainers.config import load
from trainers.geometry.virtual_cameras import orient
from trainers.recipe import recipe_module, settings_class
from trainers.recipes import pavllo_semi
from trainers.recipes.recorded_people import RecordedPeople
from trainers.recipes.virtual_people import VirtualPeople

TRAINED = ("S1", "S5", "S6", "S7", "S8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return recorded_folder(tmp_path_factory.mktemp("h36m"))


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def semi(folder: Path, **changes: Any) -> pavllo_semi.SemiRecipe:
    keys: dict = {"layers": 1, "channels": 16, "batch": 8, "validation_clips": 2, "warm_up": 0, "recorded": True}
    return pavllo_semi.recipe(
        pavllo_semi.PavlloSemiSettings(**(keys | {"labelled": ("S1",)} | changes)), [str(folder)], "cpu", 9
    )


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
    one = recipe.pose.tcn.strided
    recipe.pose.tcn.strided = lambda x: (seen.append(len(x)), one(x))[1]  # type: ignore[method-assign]
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
    assert len(bank.bank.points.length) == len(TRAINED) * (2 if "2020" not in name else 1)
    assert getattr(recipe, "other", None) is None


# --- what the papers do with recorded people ----------------------------------------------------------------------


def made(name: str, folder: Path, **changes: object):
    keys = {"recorded": True, "validation_clips": 2, "batch": 8} | changes
    return recipe_module(name).recipe(settings_class(name)(**keys), [str(folder)], "cpu", 9)


def test_the_cylinder_man_labels_recorded_people_too(folder):
    """Before, nothing of a recorded person was ever unreliable, and Cheng 2019's occlusion part was idle."""
    nobody = MaskShares(*[0.0] * 7)
    seen = {}
    for augmented in (True, False):
        recipe = made("cheng2019", folder, augmented=augmented, virtual=0.0, masks=nobody, withheld=0)
        seen[augmented] = recipe.batch(0, generator())
    hidden = seen[True].reliability == 0
    assert 0.02 < hidden.float().mean() < 0.4 and torch.equal(hidden, seen[True].visible == 0)
    assert (seen[False].reliability == 1).all()


def test_virtual_cameras_stand_around_recorded_people_all_tilts_alike(folder):
    recipe = made("cheng2019", folder, withheld=0, virtual=0.5)
    assert recipe.room is not None and made("cheng2019", folder, virtual=0.0).room is None
    assert len(recipe.batch(0, generator()).x) == 8
    limits = load("configs/train/cheng2019.yaml").settings.cameras
    pitch = torch.asin(orient(4000, limits, generator())[:, 2, 1]).rad2deg().abs()
    assert (pitch < 18).float().mean().item() == pytest.approx(0.5, abs=0.04) and pitch.max() > 35


def test_virtual_cameras_have_the_rate_of_the_recorded_ones(folder, monkeypatch):
    recipe, times = made("cheng2019", folder, withheld=0, virtual=0.5, hz=50.0), []
    for kind in (VirtualPeople, RecordedPeople):
        shown = kind.people_seen
        monkeypatch.setattr(
            kind, "people_seen", lambda self, at, *rest, shown=shown: (times.append(at), shown(self, at, *rest))[1]
        )
    recipe.batch(0, generator())
    assert len(times) == 2 and all(torch.allclose(at.diff(dim=1), torch.tensor(1 / 50), atol=1e-5) for at in times)


@pytest.mark.parametrize("every", [1, 8])
def test_the_judge_sees_as_many_frames_as_the_config_says(folder, every):
    recipe, counted = made("cheng2019", folder, judged_every=every, withheld=0, channels=8), []
    recipe.judge.register_forward_hook(lambda _, given, __: counted.append(len(given[0])))
    recipe.losses(recipe.batch(0, generator()), 1)
    assert counted == [8 * 128 // every] * 2


def test_running_statistics_move_once_a_step(folder):
    """Before, the judge's turn moved them a second time."""
    recipe = made("cheng2019", folder, channels=8)
    batch, norm = recipe.batch(0, generator()), recipe.export.lift.third.norm
    recipe.model.train()
    recipe.losses(batch, 0)
    after = norm.running_mean.clone()
    assert after.abs().sum() > 0 and norm.num_batches_tracked == 1
    recipe.losses(batch, 1)
    assert torch.equal(norm.running_mean, after) and norm.num_batches_tracked == 1


def test_keypoints_behind_the_own_body_have_empty_heatmaps(folder):
    """Cheng 2020, section 3.4."""
    shown = {}
    for own in (True, False):
        recipe = made("cheng2020", folder, own_body=own, occlusion=0.0, swapped=0.0, withheld=0.0, channels=8)
        shown[own] = recipe.batch(0, generator()).reliability
    assert (shown[False] == 1).all() and 0.02 < (shown[True] == 0).float().mean() < 0.4


def test_one_frame_in_ten_is_labelled_and_the_others_are_seen_by_several_cameras(folder):
    """Roy 2024, 10 % of all data; before, `labelled_every` was ignored on recorded people and the rest never used."""
    recipe = made("roy2024", folder, labelled_every=10, views=2, lead=0, hz=50.0, warm_up=0)
    assert recipe.other is not None and recipe.bank.bank.points.xyz.shape[1] == 2 * 34
    found, stored = recipe._labelled(6, generator())[2][:, recipe.target], recipe.bank.bank.points.xyz
    bodies = stored.unflatten(1, (2, 34))[:, :, :17]
    bodies = (bodies - bodies[:, :, :1])[::1]
    for pose in found:
        mirrored = pose[H36M_17.mirror()] * torch.tensor([-1.0, 1, 1])
        away = torch.minimum(*[(bodies - p).flatten(2).norm(dim=-1).amin(1) for p in (pose, mirrored)])
        assert away.min() < 1e-4 and int(away.argmin()) % 150 % 10 == 0
    assert made("roy2024", folder, lead=0).other is None


@pytest.mark.parametrize("name", ["pavllo", "pavllo_semi", "cheng2019", "cheng2020", "roy2024", "zhang2021"])
def test_recorded_runs_take_human36ms_joints_and_nothing_between(folder, name):
    """Before, `evaluate` sent them through the detector's 33: pelvis, spine and thorax moved by 6, 8 and 12 px."""
    for recorded, joints in ((True, "h36m17"), (False, "blazepose33")):
        settings = vars(settings_class(name)(recorded=recorded))
        assert recipe_module(name).network(settings).contract().joints_in == joints


def test_at_the_sets_own_rate_windows_are_its_frames(folder):
    recipe = made("zhang2021", folder, hz=50.0, cut=0.0)
    batch, stored = recipe.batch(0, generator()), recipe.people.bank.points.xyz
    rays = stored[:, 17:, :2]
    mirrored = rays[:, H36M_17.mirror()] * torch.tensor([-1.0, 1])
    for clip in batch.x:
        away = [(side - clip[0]).flatten(1).norm(dim=-1) for side in (rays, mirrored)]
        side, first = min(((a.min(), k) for k, a in enumerate(away)))[1], int(torch.minimum(*away).argmin())
        assert torch.allclose((rays, mirrored)[side][first : first + 4], clip, atol=1e-5)
    assert torch.allclose(batch.time.diff(dim=1), torch.tensor(1 / 30))  # what the network takes a tick for
