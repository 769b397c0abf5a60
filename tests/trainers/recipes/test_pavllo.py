"""Pavllo's lifter: streamed as trained, exported, learning; schedules and flips."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from engines.skeleton import H36M_17
from engines.store import open_engine
from tests.support.networks.trying import doubted
from tests.support.people.walkers import walkers
from trainers.cli import main
from trainers.data import motion
from trainers.data.clips import Clips
from trainers.data.motion import MotionSegment
from trainers.deploy.export import export
from trainers.deploy.run_engine import lift
from trainers.errors import UserError
from trainers.models.papers.pavllo import VARIANTS, PavlloLifter, Variant
from trainers.recipes import pavllo


def lifter(variant: Variant, **changes: Any) -> PavlloLifter:
    torch.manual_seed(2)
    model = PavlloLifter(variant, (3, 3), 16, joints_in="h36m17", **changes)
    model.train()
    model.target_pose(
        torch.randn(64, model.tcn.receptive_field(), 17, 2), torch.ones(64, model.tcn.receptive_field(), 17)
    )
    return model.eval()


@pytest.mark.parametrize("variant", VARIANTS)
def test_exported_and_streamed_it_answers_as_in_training(variant, tmp_path):
    model, one = lifter(variant, zero_hidden=True), doubted()
    export(model, tmp_path / variant, {}, {})
    engine = open_engine(tmp_path / variant, "cpu", 1)
    ahead = engine.contract.look_ahead
    ((xyz, sigma),) = lift(engine, [one])
    with torch.no_grad():
        time = torch.arange(len(one.x))[None] / 30.0
        whole, log_sigma = model.clip(torch.from_numpy(one.x)[None], torch.from_numpy(one.reliability)[None], time)
    answered = slice(len(one.x) - ahead)
    assert ahead == (4 if variant == "symmetric" else 0)
    assert np.abs(xyz - whole[0].numpy())[answered].max() < 1e-4
    if variant != "replicated":  # its window forgets ages older than itself
        assert np.abs(sigma - log_sigma[0].exp().numpy())[answered].max() < 1e-4


def test_replicated_shares_the_weights_of_symmetric_and_differs_only_at_the_end():
    one, late = lifter("symmetric"), lifter("replicated")
    late.load_state_dict(one.state_dict())
    x, sure = torch.randn(1, 30, 17, 2), torch.ones(1, 30, 17)
    with torch.no_grad():
        (a, _), (b, _) = (model.clip(x, sure, torch.arange(30)[None] / 30.0) for model in (late, one))
        assert (a[:, -1] - b[:, -1]).abs().max() < 1e-5
        assert (a[:, :-1] - b[:, :-1]).abs().max() > 1e-3


def test_what_is_not_believed_is_zero_only_when_asked():
    x, sure = torch.randn(1, 5, 17, 2), torch.zeros(1, 5, 17)
    assert lifter("single", zero_hidden=True).features(x, sure).abs().max() == 0
    assert torch.equal(lifter("single").features(x, sure), x.flatten(-2))


def test_unknown_variants_are_refused():
    with pytest.raises(ValueError, match="known: causal, symmetric"):
        PavlloLifter("acausal")
    with pytest.raises(UserError, match="variant: expected one of causal"):
        pavllo.network({"variant": "x"})


@pytest.fixture
def folder(tmp_path):
    for subject, clip in zip(("01", "05"), walkers(2, 120)):
        motion.save(tmp_path, subject, [MotionSegment(clip.numpy(), 30.0, f"{subject}_01", subject)])
    return tmp_path


def small(**changes: Any) -> pavllo.PavlloSettings:
    keys: dict = {"layers": 2, "channels": 32, "batch": 64, "validation_clips": 4, "epoch": 5, "dropout": 0.0}
    return pavllo.PavlloSettings(**(keys | changes))


def test_schedules_are_the_papers(folder):
    recipe = pavllo.recipe(small(), [str(folder)], "cpu", 100)
    assert [round(recipe.learning_rate(s), 4) for s in (0, 4, 5, 14)] == [1.0, 1.0, 0.95, 0.9025]
    momenta = []
    for step in (0, 99):
        recipe.batch(step, torch.Generator().manual_seed(step))
        momenta += [m.momentum for m in recipe.model.modules() if isinstance(m, torch.nn.BatchNorm1d)][:1]
    assert momenta == pytest.approx([0.1, 0.001])
    (optimizer,) = recipe.optimizers()
    assert optimizer.defaults["amsgrad"] and optimizer.defaults["lr"] == 1e-3


@pytest.mark.parametrize("variant", ["causal", "symmetric", "single"])
def test_it_learns_ten_windows_by_heart(folder, variant):
    recipe = pavllo.recipe(small(variant=variant, batch=10), [str(folder)], "cpu", 10)
    batch = recipe.batch(0, torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(recipe.model.parameters(), 3e-3, amsgrad=True)
    recipe.model.train()
    for _ in range(300):
        optimizer.zero_grad()
        loss = recipe.losses(batch, 0)["mpjpe"]
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.03


def test_validation_reports_open_and_hidden_with_and_without_flip(folder):
    with torch.no_grad():
        found = pavllo.recipe(small(), [str(folder)], "cpu", 10).validate()
    assert set(found) == {"open", "hidden", "open flipped", "hidden flipped", "within sigma"}
    assert all(math.isfinite(v) for v in found.values())


def test_a_flip_twice_is_nothing():
    points = torch.randn(3, 17, 3)
    assert torch.equal(pavllo.flip(pavllo.flip(points)), points)
    wrists = H36M_17.index("left_wrist"), H36M_17.index("right_wrist")
    assert torch.equal(pavllo.flip(points)[:, wrists[0]], points[:, wrists[1]] * torch.tensor([-1.0, 1, 1]))


def test_cut_clips_begin_with_copies_up_to_the_answered_frame():
    x = torch.arange(9.0)[None, :, None, None].expand(200, 9, 17, 2)
    clips = Clips(x, x[..., 0], x, x[..., 0, 0], x, x[..., 0] > 99, x[..., 0, 0] > 99)
    short = pavllo.cut(clips, 0.5, 6, torch.Generator().manual_seed(0)).x[:, :, 0, 0]
    assert torch.equal(short[:, 6:], x[:, 6:, 0, 0])
    begins = short[:, 0]
    assert 0.3 < (begins > 0).float().mean() < 0.6 and begins.max() == 6
    assert torch.equal(short, torch.arange(9.0).maximum(begins[:, None]))


def test_the_config_trains_and_exports(folder, tmp_path):
    config = tmp_path / "pavllo-tiny.yaml"
    config.write_text(
        "recipe: pavllo\nvariant: causal\nlayers: 2\nchannels: 16\nbatch: 16\nvalidation_clips: 2\nloop:\n  steps: 3\n"
    )
    run = tmp_path / "run"
    assert main(["train", str(config), "--data", str(folder), "--out", str(run)]) == 0
    assert main(["export", str(run), "--out", str(tmp_path / "made")]) == 0
    assert open_engine(tmp_path / "made", "cpu", 4).contract.receptive_field == 9


@pytest.mark.parametrize("variant", ["causal", "symmetric", "single"])
def test_the_shipped_configs_are_complete(variant):
    from trainers.config import load

    config = load(f"configs/train/pavllo-{variant}.yaml")
    assert config.settings.variant == variant and config.loop.clip_gradient == 0
    parameters = sum(p.numel() for p in pavllo.network(vars(config.settings)).parameters())
    assert round(parameters / 1e6, 2) == (12.75 if variant != "single" else 6.39)
