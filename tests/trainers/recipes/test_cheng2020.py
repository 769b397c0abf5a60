"""Cheng 2020: heatmaps, branches, streamed as trained, exported, learning from two cameras, a critic and 2D alone."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines.store import open_engine
from realtime.config.schema import CameraConfig, LiftConfig
from realtime.lift.lifter import Lifter
from tests.realtime.lift.test_lifter import seen
from tests.support.networks.trying import bad_steps, by_heart, motion_folder, tensors, trial
from tests.support.people.walkers import walkers
from trainers.augmentation.detector_noise import NoiseRange
from trainers.augmentation.keypoint_errors import MIRROR, shifted, side_swapped
from trainers.cli import main
from trainers.config import load
from trainers.data.corpus import motions
from trainers.deploy.export import export
from trainers.deploy.run_engine import given, lift
from trainers.errors import UserError
from trainers.geometry.virtual_cameras import CameraRange
from trainers.models.blocks.inputs import facing, mapped
from trainers.models.papers.cheng2020 import CELLS, FRAMES, REACH_M, WIDTHS, Branch, Cheng2020, drawn
from trainers.recipes import cheng2020

CONFIG = "configs/train/cheng2020.yaml"


def lifter(**changes: Any) -> Cheng2020:
    torch.manual_seed(2)
    keys: dict = {"strides": (1, 3, 7), "embedding": 24, "channels": 16}
    model = Cheng2020(**(keys | changes))
    model.train()
    for seed in range(8):
        x, sure, times = tensors(trial(90, seed))
        model.inner(x, sure, times)
    return model.eval()


def test_the_config_says_what_was_chosen_and_the_network_is_that():
    text, settings = Path(CONFIG).read_text(), load(CONFIG).settings
    model = cheng2020.network(vars(settings))
    assert "kernels 4-4-4, 4-4-2, 7-3, 4-3, 3-3" in text and "16 x 16 cells over 2.56 m" in text
    assert WIDTHS == {1: (4, 4, 4), 2: (4, 4, 2), 3: (7, 3), 5: (4, 3), 7: (3, 3)}
    assert (CELLS, 2 * REACH_M, model.embedding, [b.stride for b in model.branches]) == (16, 2.56, 512, [1, 2, 3, 5, 7])
    assert model.look_ahead == 31 and sum(p.numel() for p in model.parameters()) == 5_011_219
    weights = (settings.views_weight, settings.plane_weight, settings.critic_weight, settings.interval)
    assert weights == (0.5, 0.1, 0.01, 1)


def test_a_heatmap_peaks_where_its_keypoint_lies_as_high_as_it_is_sure():
    position, sure = torch.zeros(1, 17, 2), torch.zeros(1, 17)
    cell = 2 * REACH_M / CELLS
    position[0, 4] = torch.tensor([2.5 * cell, -3.5 * cell])
    sure[0, 4] = 0.8
    maps = drawn(position, sure)
    assert maps.shape == (1, 17, 16, 16) and maps[0, [j for j in range(17) if j != 4]].abs().max() == 0
    assert divmod(int(maps[0, 4].argmax()), CELLS) == (4, 10) and maps[0, 4].max() == pytest.approx(0.8)
    assert maps[0, 4, 5, 10] == pytest.approx(0.8 * math.exp(-0.5), rel=1e-4)


@pytest.mark.parametrize("stride", WIDTHS)
@pytest.mark.parametrize("answered", [0, 32, 63])
def test_a_branch_sees_every_nth_frame_and_the_answered_one(stride, answered):
    branch = Branch(4, 8, stride, answered).eval()
    x = torch.randn(1, 4, FRAMES, requires_grad=True)
    branch.window(x).sum().backward()
    used = x.grad.abs().sum((0, 1)).nonzero().flatten()
    assert set(used.tolist()) <= set(range(branch.first, FRAMES, stride)) and (answered - branch.first) % stride == 0
    assert branch.first <= answered <= branch.first + stride * (branch.frames - 1) < FRAMES
    long = torch.randn(2, 4, FRAMES + 5)
    with torch.no_grad():
        windows = torch.cat([branch.window(long[..., n : n + FRAMES]) for n in range(6)], -1)
        assert (branch.clip(long) - windows).abs().max() < 1e-5


@pytest.mark.parametrize("answered", [32, 63])
def test_step_by_step_it_answers_as_over_the_whole_clip(answered):
    model, (x, sure, times) = lifter(answered=answered, joints_in="h36m17"), tensors(trial(80))
    state = {name: torch.zeros(1, *shape) for name, shape in model.contract().state}
    found = []
    with torch.no_grad():
        whole, log_sigma = model.clip(x, sure, times)
        for t in range(80):
            tick, reset = torch.full((1,), 1 / 30), torch.tensor([float(t == 0)])
            xyz, sigma, state = model.step(x[:, t], sure[:, t], tick, reset, state)
            found.append((xyz, sigma))
    ahead = model.look_ahead
    for t in range(ahead, 80):
        assert (found[t][0] - whole[:, t - ahead]).abs().max() < 1e-4
        assert (found[t][1] - log_sigma[:, t - ahead]).abs().max() < 1e-3


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines") / "net"
    export(lifter(), folder, {}, {})
    return folder


def test_exported_and_streamed_it_answers_as_in_training(exported):
    model, one = lifter(), trial(70)
    engine = open_engine(exported, "cpu", 4)
    ((xyz, _),) = lift(engine, [one])
    people = given(one, "blazepose33")
    wide = {name: torch.from_numpy(np.stack([getattr(p, name) for p in people]))[None] for name in ("x", "reliability")}
    with torch.no_grad():
        whole, _ = model.clip(*mapped(model.joint_map, wide), tensors(one)[2])
    assert engine.contract.look_ahead == 31
    assert np.abs(xyz - whole[0].numpy())[:-31].max() < 1e-4


def test_it_runs_live_with_its_look_ahead_and_passes_tensorrts_parser(exported):
    live = Lifter(open_engine(exported, "cpu", 1), LiftConfig(), CameraConfig(), ("learned", 0.5))
    poses = [pose for i in range(40) for pose in live.lift(seen(i))]
    assert poses[0].stamp.seq == 0 and 5 <= len(poses) <= 10
    assert poses[0].look_ahead_ms == pytest.approx(31 / 30 * 1000) and np.isfinite(poses[-1].people[0].xyz).all()
    pytest.importorskip("tensorrt_rtx")
    from engines.backends import tensorrt

    _, network = tensorrt.parse(tensorrt.flavour("tensorrt-rtx"), (exported / "model.onnx").read_bytes(), "net")
    assert network.num_outputs == 2 + len(lifter().contract().state)


# --- training -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return motion_folder(tmp_path_factory.mktemp("motion"), ("01", "02", "03", "05"))


def small(**changes: Any) -> cheng2020.Cheng2020Settings:
    keys: dict = {"strides": (1, 7), "embedding": 32, "channels": 32, "batch": 8, "run": 4, "validation_clips": 2}
    return cheng2020.Cheng2020Settings(**(keys | changes))


def batch_of(recipe, seed: int = 1):
    return recipe.batch(0, torch.Generator().manual_seed(seed))


def test_a_batch_shows_people_twice_and_people_without_3d_once(folder):
    recipe = cheng2020.recipe(small(withheld=0.4), [folder], "cpu", 10)
    batch = batch_of(recipe)
    assert batch.x.shape == (8, 67, 17, 2) and batch.pose.shape == (6, 4, 17, 3)
    assert batch.turn.shape == (3, 3, 3) and batch.plane.shape == (2, 4, 17, 2)
    agreed = cheng2020.turned(batch.pose[:3], batch.turn)
    assert (agreed - batch.pose[3:]).abs().max() < 1e-4  # the true poses of both cameras are one
    terms = recipe.losses(batch, 0)
    assert set(terms) == {"position", "views", "plane", "critic"} and set(recipe.losses(batch, 1)) == {"told apart"}
    assert len(recipe.optimizers()) == 2


def test_withheld_people_keep_their_3d_out_of_training(folder):
    with_3d, without = cheng2020.parted(motions([folder])[0], 0.4)
    assert (with_3d.subjects, without.subjects) == (("01",), ("02", "03"))
    assert cheng2020.parted(with_3d, 0.9)[0].subjects == ("01",)


def test_switched_off_terms_are_gone(folder):
    off = small(critic="none", views_weight=0.0, unlabelled=0.0)
    recipe = cheng2020.recipe(off, [folder], "cpu", 10)
    assert set(recipe.losses(batch_of(recipe), 0)) == {"position"} and len(recipe.optimizers()) == 1


def test_the_critics_turn_leaves_the_lifter_as_it_is(folder):
    recipe = cheng2020.recipe(small(), [folder], "cpu", 10)
    batch, before = batch_of(recipe), {k: v.clone() for k, v in recipe.lifter.state_dict().items()}
    recipe.losses(batch, 1)["told apart"].backward()
    assert all(torch.equal(v, before[k]) for k, v in recipe.lifter.state_dict().items())
    assert all(p.grad is None for p in recipe.lifter.parameters()) and recipe.lifter.training


def test_it_learns_ten_windows_by_heart(folder):
    calm = NoiseRange(swap=0, swapping=0, doubted=0.0)
    plain = small(batch=10, critic="none", unlabelled=0.0, occlusion=0.0, shifted=0.0, swapped=0.0, noise=calm)
    recipe = cheng2020.recipe(plain, [folder], "cpu", 10)
    assert by_heart(recipe, batch_of(recipe), 150, 3e-3) < 0.01  # square metres


def test_gradients_of_the_plane_and_the_views_agree_with_finite_differences():
    pose = torch.randn(2, 3, 17, 3, dtype=torch.float64, requires_grad=True)
    place = pose.detach() * 0.3 + torch.tensor([0.3, 0.2, 4.0])
    rays = place[..., :2] / place[..., 2:] + 0.01
    visible = (torch.rand(2, 3, 17) < 0.8).double()
    fit = cheng2020.orthogonal(pose.detach(), rays, visible)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cheng2020, "orthogonal", lambda *_: fit)
        assert torch.autograd.gradcheck(lambda p: cheng2020.in_plane(p, rays, visible), pose)
    turn = torch.linalg.qr(torch.randn(2, 3, 3, dtype=torch.float64))[0]
    other = torch.randn_like(pose)
    assert torch.autograd.gradcheck(lambda p: cheng2020.squared(cheng2020.turned(p, turn), other), pose)


def test_the_true_pose_of_a_far_person_fits_its_keypoints():
    pose = walkers(3, 4) * torch.tensor([1.0, -1, -1])
    place = pose - pose[:, :, :1] + torch.tensor([2.0, 1.0, 30.0])
    rays = place[..., :2] / place[..., 2:]
    right = cheng2020.in_plane(pose - pose[:, :, :1], rays, torch.ones(3, 4, 17))
    wrong = cheng2020.in_plane((pose - pose[:, :, :1])[..., [2, 1, 0]], rays, torch.ones(3, 4, 17))
    assert right < 1e-3 < wrong and facing(rays)[0][:, :, 0].abs().max() < 1e-5


def test_all_four_kinds_of_occlusion_and_the_errors_of_single_keypoints(folder, monkeypatch):
    from trainers.augmentation import occlusion_masks

    asked = {}
    monkeypatch.setattr(
        cheng2020.occlusion_masks,
        "mixed",
        lambda xy, g, shares: asked.update(shares) or occlusion_masks.points(xy, g, 0.5),
    )
    recipe = cheng2020.recipe(small(), [folder], "cpu", 10)
    batch = batch_of(recipe)
    assert set(asked) >= {"points", "frames", "point_runs", "frame_runs"}
    assert (batch.reliability == 0).float().mean() > 0.45
    g, x = torch.Generator().manual_seed(0), torch.zeros(50, 10, 17, 2)
    moved = shifted(x, torch.full((50, 10), 0.25), 0.1, 0.1, g).norm(dim=-1)
    assert (moved > 0).float().mean() == pytest.approx(0.1, abs=0.02)
    assert moved[moved > 0].mean() == pytest.approx(0.025, abs=1e-4)
    names = torch.arange(17.0).expand(50, 10, 17)
    swapped, sure = side_swapped(names[..., None].expand(-1, -1, -1, 2), names, 0.1, g)
    away = swapped[..., 0] != names
    assert torch.equal(swapped[..., 0], sure) and torch.equal(away, away[..., MIRROR])
    assert torch.equal(swapped[..., 0][away], MIRROR.float().expand(50, 10, 17)[away])
    assert away.float().mean() == pytest.approx(0.1 * 12 / 17, abs=0.02)


def test_afterwards_confidence_is_calibrated_and_the_run_can_judge(folder, tmp_path):
    config = tmp_path / "tiny.yaml"
    text = "recipe: cheng2020\nstrides: [1]\nembedding: 8\nchannels: 8\nbatch: 4\nrun: 3\nvalidation_clips: 4\n"
    config.write_text(text + "loop:\n  steps: 2\n")
    run = tmp_path / "run"
    assert main(["train", str(config), "--data", folder, "--out", str(run)]) == 0
    critic, (slope, offset) = cheng2020.judges(str(run))
    assert critic is not None and slope > 0 and (slope, offset) != (1.0, 0.0)
    from trainers.deploy.load_trained import load_trained

    model, _, figures = load_trained(str(run))
    assert model.contract().look_ahead == 31 and {"open", "hidden", "within sigma"} <= set(figures)
    with pytest.raises(UserError, match="nowhere"):
        cheng2020.judges(str(tmp_path / "nowhere"))


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["nothing seen", "nan", "far away"])
def test_bad_input_gets_a_finite_answer(what):
    model = lifter()
    given_ = bad_steps(model.contract())[what]
    state = {name: given_.pop(f"state_{name}") for name, _ in model.contract().state}
    with torch.no_grad():
        (xyz, log_sigma), after = model.run(given_, state)
    assert all(torch.isfinite(v).all() for v in (xyz, log_sigma, *after.values()))


def test_wrong_joint_sets_are_refused_and_no_batch_has_no_answer():
    model = lifter(joints_in="h36m17")
    with pytest.raises(ValueError, match=r"expected \(B, T, 17, 2\)"):
        model.clip(torch.zeros(1, 5, 16, 2), torch.zeros(1, 5, 16), torch.zeros(1, 5))
    assert model.clip(torch.zeros(0, 5, 17, 2), torch.zeros(0, 5, 17), torch.zeros(0, 5))[0].shape == (0, 5, 17, 3)
    one = model.clip(torch.zeros(1, 1, 17, 2), torch.zeros(1, 1, 17), torch.zeros(1, 1))[0]
    assert one.shape == (1, 1, 17, 3) and torch.isfinite(one).all()
    with pytest.raises(ValueError, match="strides"):
        Cheng2020(strides=(4,))


@pytest.mark.parametrize("row", ["", "live", "stride1", "embedding64", "interval3", "spatial", "no_critic", "h36m"])
def test_every_row_of_the_config_is_a_network(row):
    settings = replace(load(CONFIG, row).settings, channels=8)
    assert cheng2020.network(vars(settings)).contract().receptive_field == 64
    assert (cheng2020.critic_of(vars(settings)) is None) == (row == "no_critic")
    assert settings.cameras == CameraRange()
