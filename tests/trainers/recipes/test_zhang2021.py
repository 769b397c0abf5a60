"""DG-Net: counted, streamed as trained, exported, parsed by TensorRT, learning, refusing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines.skeleton import JOINT_SETS
from engines.store import open_engine
from realtime.config.schema import CameraConfig, LiftConfig
from realtime.lift.lifter import Lifter
from tests.realtime.lift.test_lifter import seen
from tests.support.networks.trying import bad_steps, by_heart, motion_folder, tensors, trial
from trainers.cli import main
from trainers.config import load
from trainers.deploy.export import export
from trainers.deploy.load_trained import load_trained
from trainers.deploy.run_engine import given, lift
from trainers.errors import UserError
from trainers.models.blocks.inputs import facing, mapped
from trainers.models.papers.zhang2021 import DGNet, Zhang2021
from trainers.recipes import zhang2021

CONFIG = "configs/train/zhang2021.yaml"


def lifter(**changes: Any) -> Zhang2021:
    """Small, with statistics of batch normalisation that fit a walk."""
    torch.manual_seed(2)
    changes = {"blocks": 2} | changes
    own = {k: changes.pop(k) for k in ("joints_in", "frames", "balanced", "zero_hidden", "answered") if k in changes}
    model = Zhang2021(DGNet(channels=16, **changes), **own)
    model.train()
    x, sure, _ = tensors(trial())
    points = model.windows(model.keypoints(facing(x)[0], sure >= 0.5)).flatten(0, 1)
    for _ in range(20):
        model.net(points[torch.randperm(len(points))[:16]])
    return model.eval()


def test_parameters_are_the_papers_within_two_percent():
    """84.1 % below 16.95 M: 2.70 M; every part of the reading is named in the config."""
    model = zhang2021.network(vars(load(CONFIG).settings))
    count = sum(p.numel() for p in model.parameters())
    assert count == 2_655_542 and abs(count / (16.95e6 * (1 - 0.841)) - 1) < 0.02
    assert "2,655,542" in Path(CONFIG).read_text()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The network as the pipeline runs it, from BlazePose's joints."""
    folder = tmp_path_factory.mktemp("engines") / "net"
    export(lifter(), folder, {}, {})
    return folder


LATE = {"answered": 2}


@pytest.mark.parametrize(
    "changes", [{"frames": 1, "zero_hidden": True}, {"style": "full", "balanced": False}, {}, LATE]
)
def test_step_by_step_it_answers_as_over_the_whole_clip(changes):
    model, (x, sure, times) = lifter(joints_in="h36m17", **changes), tensors(trial())
    state = {name: torch.zeros(1, *shape) for name, shape in model.contract().state}
    with torch.no_grad():
        whole, log_sigma = model.clip(x, sure, times)
        for call in range(x.shape[1]):
            tick, reset = torch.full((1,), 1 / 30), torch.tensor([float(call == 0)])
            xyz, sigma, state = model.step(x[:, call], sure[:, call], tick, reset, state)
            t = call - model.look_ahead
            if t >= 0:
                assert (xyz - whole[:, t]).abs().max() < 1e-4 and (sigma - log_sigma[:, t]).abs().max() < 1e-4


def test_an_inner_frame_hears_a_later_one_and_the_last_does_not():
    """The paper answers all four frames: of those only the last, which is what runs live, knows no future."""
    x, sure, times = tensors(trial())
    later = x.clone()
    later[:, 21] += 0.1
    for answered, hears in ((-1, False), (2, True)):
        model = lifter(joints_in="h36m17", answered=answered)
        assert model.contract().look_ahead == (1 if hears else 0)
        with torch.no_grad():
            moved = (model.clip(later, sure, times)[0] - model.clip(x, sure, times)[0])[0, 20].abs().max()
        assert (moved > 1e-5) == hears


def test_exported_and_streamed_it_answers_as_in_training(exported):
    model, one = lifter(), trial()
    engine = open_engine(exported, "cpu", 4)
    ((xyz, sigma),) = lift(engine, [one])
    given_33 = [
        torch.from_numpy(np.stack(column))[None]
        for column in zip(*((g.x, g.reliability) for g in given(one, "blazepose33")))
    ]
    points, sure = mapped(model.joint_map, {"x": given_33[0], "reliability": given_33[1]})
    with torch.no_grad():
        whole, log_sigma = model.clip(points, sure, tensors(one)[2])
    assert engine.contract.look_ahead == 0
    assert np.abs(xyz - whole[0].numpy()).max() < 1e-4
    assert np.abs(np.log(sigma) - log_sigma[0].numpy()).max() < 1e-4


def test_it_runs_live_and_passes_tensorrts_parser(exported):
    live = Lifter(open_engine(exported, "cpu", 1), LiftConfig(), CameraConfig(), ("learned", 0.5))
    for i in range(12):
        (pose,) = live.lift(seen(i))
    assert np.isfinite(pose.people[0].xyz).all() and pose.look_ahead_ms == 0
    pytest.importorskip("tensorrt_rtx")
    from engines.backends import tensorrt

    _, network = tensorrt.parse(tensorrt.flavour("tensorrt-rtx"), (exported / "model.onnx").read_bytes(), "net")
    kinds = {str(network.get_layer(i).type) for i in range(network.num_layers)}
    assert "LayerType.TOPK" in kinds and network.num_outputs == 5


def test_the_mean_of_both_heads_needs_the_distance_and_one_head_does_not():
    x, sure, times = tensors(trial())
    for balanced, differs in ((True, True), (False, False)):
        model = lifter(balanced=balanced, joints_in="h36m17")
        with torch.no_grad():
            near, far = (model.clip(x, sure, times, torch.full((1, 40), d))[0] for d in (2.0, 6.0))
        assert bool((near - far).abs().max() > 0.05) == differs


def test_depth_and_distance_make_the_true_pose():
    pose = torch.tensor([[0.0, 0.0, 0.0], [0.2, -0.1, 0.3]]).repeat(9, 1)[:17]
    place = pose + torch.tensor([0.0, 0.0, 4.0])
    found = Zhang2021.by_depth(place[:, :2] / place[:, 2:], pose[:, 2], torch.tensor(4.0))
    assert (found - pose).abs().max() < 1e-6


def small(**changes: Any) -> zhang2021.Zhang2021Settings:
    keys: dict = {"channels": 16, "blocks": 2, "validation_clips": 2, "batch": 16}
    return zhang2021.Zhang2021Settings(**(keys | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return motion_folder(tmp_path_factory.mktemp("motion"))


def test_it_learns_ten_windows_by_heart(folder):
    recipe = zhang2021.recipe(small(batch=10, channels=24, blocks=1, cut=0.0), [folder], "cpu", 10)
    batch = recipe.batch(0, torch.Generator().manual_seed(1))
    assert by_heart(recipe, batch, 250, 5e-3) < 0.015  # square metres, both heads and all blocks


def test_gradients_of_the_loss_agree_with_finite_differences(folder):
    recipe = zhang2021.recipe(small(), [folder], "cpu", 10)
    out = torch.randn(2, 4, 17, 4, dtype=torch.float64, requires_grad=True)
    truth = torch.randn(2, 4, 17, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda o: recipe.level(o, truth), out)


def test_every_block_and_all_frames_are_supervised(folder):
    recipe = zhang2021.recipe(small(), [folder], "cpu", 10)
    batch = recipe.batch(0, torch.Generator().manual_seed(1))
    terms = recipe.losses(batch, 0)
    sum(terms.values()).backward()
    assert set(terms) == {"network", "blocks"} and all(h.weight.grad.abs().sum() > 0 for h in recipe.model.net.heads)
    moved = replace(batch, pose=batch.pose + torch.tensor([1.0, 0, 0, 0])[None, :, None, None])
    assert abs(recipe.losses(moved, 0)["network"] - terms["network"]) > 1e-3
    assert set(zhang2021.recipe(small(block_weight=0.0), [folder], "cpu", 9).losses(batch, 0)) == {"network"}


def test_validation_reports_estimated_and_true_distance_and_fits_sigma(folder):
    recipe = zhang2021.recipe(small(), [folder], "cpu", 10)
    recipe.model.eval()
    with torch.no_grad():
        found = recipe.validate()
    assert {"open", "hidden", "open, true root", "within sigma"} <= set(found)
    assert all(math.isfinite(found[k]) for k in ("open", "open, true root")) and 0 < found["within sigma"] <= 1
    assert [round(recipe.learning_rate(s), 3) for s in (0, 5, 10)] == [1.0, 0.141, 0.02]


@pytest.mark.parametrize("what", ["nothing seen", "nan", "far away"])
def test_bad_input_gets_a_finite_answer(what):
    model = lifter()
    given = bad_steps(model.contract())[what]
    state = {name: given.pop(f"state_{name}") for name, _ in model.contract().state}
    with torch.no_grad():
        (xyz, log_sigma), after = model.run(given, state)
    assert all(torch.isfinite(v).all() for v in (xyz, log_sigma, *after.values()))


def test_wrong_joint_sets_are_refused_and_no_batch_has_no_answer():
    model = lifter(joints_in="h36m17")
    with pytest.raises(ValueError, match=r"expected \(B, T, 17, 2\)"):
        model.clip(torch.zeros(1, 5, 33, 2), torch.zeros(1, 5, 33), torch.zeros(1, 5))
    with pytest.raises(ValueError, match="no frames"):
        model.clip(torch.zeros(1, 0, 17, 2), torch.zeros(1, 0, 17), torch.zeros(1, 0))
    assert model.clip(torch.zeros(0, 5, 17, 2), torch.zeros(0, 5, 17), torch.zeros(0, 5))[0].shape == (0, 5, 17, 3)
    assert len(JOINT_SETS["blazepose33"]) == Zhang2021(DGNet(1, 8)).contract().inputs(1)["x"][1]


def test_units_and_windows_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="fixed or dynamic"):
        DGNet(spatial=("fix",))
    with pytest.raises(ValueError, match="window of 0 frames"):
        Zhang2021(DGNet(1, 8), frames=0)


ROWS = (
    "",
    "fixed",
    "full",
    "random",
    "precomputed",
    "near1",
    "alike7",
    "blocks3",
    "frames5",
    "fsg",
    "gaussian",
    "h36m",
    "exact",
)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_config_is_a_network(row):
    config = load(CONFIG, row)
    net = zhang2021.network(vars(replace(config.settings, channels=8))).train()
    assert net.net(torch.randn(2, config.settings.frames, 17, 2)).shape == (2, config.settings.frames, 17, 4)
    with pytest.raises(UserError, match="no variant"):
        load(CONFIG, "tables")


def test_one_command_trains_what_the_export_rebuilds(folder, tmp_path):
    config = tmp_path / "tiny.yaml"
    config.write_text("recipe: zhang2021\nblocks: 1\nchannels: 8\nbatch: 4\nvalidation_clips: 2\nloop:\n  steps: 2\n")
    assert main(["train", str(config), "--data", folder, "--out", str(tmp_path / "run")]) == 0
    model, provenance, figures = load_trained(str(tmp_path / "run"))
    assert model.contract().receptive_field == 4 and provenance["steps"] == 2 and "open, true root" in figures
