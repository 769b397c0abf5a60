"""Pavllo's semi-supervised training: who has labels, what each term sees, the warm-up, what ships."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.support.networks.trying import by_heart, motion_folder
from tests.support.people.walkers import walkers
from trainers.augmentation.detector_noise import NoiseRange
from trainers.cli import main
from trainers.config import load
from trainers.data.motion import MotionSegment, MotionSet
from trainers.deploy.load_trained import load_trained
from trainers.geometry.projection import LensModel, project
from trainers.geometry.virtual_cameras import CameraRange
from trainers.losses import mpjpe
from trainers.recipes import pavllo_semi

CONFIG = "configs/train/pavllo-semi.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return motion_folder(tmp_path_factory.mktemp("motion"), ("01", "02", "03", "05"))


def small(**changes: Any) -> pavllo_semi.PavlloSemiSettings:
    keys: dict = {"layers": 2, "channels": 32, "batch": 20, "validation_clips": 2, "epoch": 5, "dropout": 0.0}
    return pavllo_semi.PavlloSemiSettings(**(keys | {"cameras": CameraRange(known=0.0, fov=(61.0, 65.0))} | changes))


def made(folder, step=100, **changes):
    recipe = pavllo_semi.recipe(small(**changes), [folder], "cpu", 1000)
    return recipe, recipe.batch(step, torch.Generator().manual_seed(1))


def test_half_a_batch_has_labels_and_warm_up_has_nothing_else(folder):
    recipe, (labelled, other) = made(folder)
    assert len(labelled.x) == len(other.x) == 10 and labelled.x.shape[1] == 9
    assert set(recipe.losses((labelled, other), 0)) == {"mpjpe", "wmpjpe", "projection", "bones"}
    warm = recipe.batch(4, torch.Generator().manual_seed(1))
    assert warm[1] is None and set(recipe.losses(warm, 0)) == {"mpjpe", "wmpjpe"}
    assert recipe.warming(4) and not recipe.warming(5)
    _, (_, none) = made(folder, semi=False)
    assert none is None
    assert "bones" not in (r := made(folder, bone_weight=0.0))[0].losses(r[1], 0)


def test_3d_of_people_without_labels_is_never_used(folder):
    recipe, (labelled, other) = made(folder)
    torch.manual_seed(0)
    told = recipe.losses((labelled, other), 0)
    lied = replace(other, pose=other.pose + 7, root=other.root - 3)
    assert all(torch.equal(told[k], v) for k, v in recipe.losses((labelled, lied), 0).items())


def test_the_two_networks_share_nothing_and_hear_their_own_terms(folder):
    recipe, batch = made(folder)
    terms = recipe.losses(batch, 0)
    terms["wmpjpe"].backward(retain_graph=True)
    assert all(p.grad is None for p in recipe.pose.parameters())
    assert any(p.grad is not None for p in recipe.trajectory.parameters())
    terms["projection"].backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in recipe.pose.parameters())
    assert not {id(p) for p in recipe.pose.parameters()} & {id(p) for p in recipe.trajectory.parameters()}
    assert recipe.trajectory.receptive_field() == recipe.pose.tcn.receptive_field() == 9


def test_the_truth_projects_onto_exact_keypoints_through_the_lens(folder):
    exact = NoiseRange(white=0, drift=0, bias=0, invented=0, swap=0, swapping=0)
    recipe, (_, other) = made(folder, noise=exact)
    assert recipe.projection(other.pose, other.root, other) < 1e-4
    plain = replace(other, lens=other.lens * torch.tensor([1.0, 0.0]))
    assert other.lens[:, 1].abs().max() > 0.01 and recipe.projection(other.pose, other.root, plain) > 1e-4


def test_gradients_of_the_projection_agree_with_finite_differences(folder):
    recipe, (_, other) = made(folder)
    half = pavllo_semi.Half(*(v[:2].double() for v in vars(other).values()))
    pose, root = half.pose.clone().requires_grad_(), half.root.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p, r: recipe.projection(p, r, half), (pose, root))


def test_without_3d_back_projection_pulls_towards_the_truth():
    """A pose that is off in the picture comes back by its keypoints alone."""
    truth = walkers(4, 1)[:, 0] * torch.tensor([1.0, -1, -1])
    truth = truth - truth[:, :1]
    lens = LensModel.plain(torch.tensor([[1.0, 0.05]]).expand(4, -1))
    root = torch.tensor([0.3, 0.1, 4.0])
    keypoints, pose = project(truth + root, lens), (truth + 0.1 * torch.randn(truth.shape)).requires_grad_()
    before = mpjpe(pose[..., :2], truth[..., :2]).item()
    optimizer = torch.optim.Adam([pose], 5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        mpjpe(project(pose + root, lens), keypoints).backward()
        optimizer.step()
    assert mpjpe(pose[..., :2], truth[..., :2]).item() < 0.4 * before


def test_it_learns_ten_windows_by_heart(folder):
    exact = NoiseRange(white=0, drift=0, bias=0, invented=0, swap=0, swapping=0)
    recipe, batch = made(folder, noise=exact, channels=64)
    assert by_heart(recipe, batch, 500, 3e-3) < 0.12  # m, relative depth, rays and bones together


def test_pieces_are_about_the_share_asked_for_and_unbroken():
    walk = walkers(3, 600)
    motion = MotionSet(tuple(MotionSegment(x.numpy(), 30.0, f"a{i}", "01") for i, x in enumerate(walk)), "m")
    for share in (0.05, 0.01):
        found = pavllo_semi.pieces(motion, share)
        assert found.frames == pytest.approx(share * motion.frames, abs=2)
        assert all(len(s.xyz) >= min(30, round(share * motion.frames)) for s in found.segments)
        first = found.segments[0]
        start = int(abs(motion.segments[0].xyz[:, 0] - first.xyz[0, 0]).sum(-1).argmin())
        assert (motion.segments[0].xyz[start : start + len(first.xyz)] == first.xyz).all()
    assert pavllo_semi.pieces(motion, 1.0) is motion


def test_one_command_trains_and_the_pose_network_ships(folder, tmp_path):
    config = tmp_path / "tiny.yaml"
    text = "recipe: pavllo_semi\nlayers: 2\nchannels: 8\nbatch: 8\nepoch: 2\nvalidation_clips: 2\nloop:\n  steps: 4\n"
    config.write_text(text)
    assert main(["train", str(config), "--data", folder, "--out", str(tmp_path / "run")]) == 0
    model, _, figures = load_trained(str(tmp_path / "run"))
    assert model.contract().look_ahead == 4 and set(figures) == {"open", "hidden", "n-mpjpe", "within sigma"}
    assert math.isfinite(figures["open"]) and not any("trajectory" in k for k in model.state_dict())


@pytest.mark.parametrize("row", ["", "supervised", "no_bones", "five", "one", "one_no_bones"])
def test_the_rows_are_the_papers(row):
    settings = load(CONFIG, row).settings
    assert settings.labelled_share == {"f": 0.05, "o": 0.01}.get(row[:1], 1.0)
    assert settings.warm_up == (20 if row[:1] in ("f", "o") else 1)
    assert pavllo_semi.network(vars(settings)).tcn.receptive_field() == (9 if row.startswith("one") else 27)
    assert (settings.bone_weight > 0) == ("no_bones" not in row) and settings.semi == (row != "supervised")
    assert settings.augment.proportions == 0 and settings.cameras.known == 0
