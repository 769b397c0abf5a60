"""What a run costs is told before it begins; where its time goes is told on request; networks may multiply coarsely."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.support.networks.trying import motion_folder
from trainers import cli
from trainers.config import load
from trainers.recipe import recipe_module
from trainers.training import (
    precision,
    train,
)
from trainers.training.cost import TrainingCost, cost

TINY = "recipe: pavllo\nlayers: 1\nchannels: 8\nbatch: 8\nvalidation_clips: 2\nloop: {steps: 120}\n"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


def test_the_cost_is_steps_windows_and_hours():
    told = TrainingCost(243680, 1024, 1, 0.1).describe("pavllo-symmetric.h36m", "GPU")
    assert told == (
        "pavllo-symmetric.h36m: 243,680 steps of 1,024 windows (250 M) at 0.1 s a step here: 6.77 hours of GPU"
    )
    assert "64 x 4 processes windows (0.256 M)" in TrainingCost(1000, 64, 4, 0.1).describe("a", "CPU")


def test_measuring_leaves_the_network_as_it_was(config, tmp_path):
    loaded = load(str(config))
    recipe = recipe_module(loaded.recipe).recipe(loaded.settings, [motion_folder(tmp_path)], "cpu", 120)
    before = {k: v.clone() for k, v in recipe.model.state_dict().items()}
    found = cost(recipe, loaded, 120, 20, "cpu")
    assert (found.steps, found.batch) == (100, 8) and 0 < found.seconds < 5
    assert all(torch.equal(v, before[k]) for k, v in recipe.model.state_dict().items())


def test_it_is_told_before_the_first_step(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "one_step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    words = ["train", str(config), "--data", motion_folder(tmp_path), "--out", str(tmp_path / "run")]
    assert cli.main(words) == 130
    assert "tiny: 120 steps of 8 windows (0.00096 M) at" in capsys.readouterr().out
    assert cli.main([*words, "--steps", "9"]) == 130
    assert "windows" not in capsys.readouterr().out


def test_a_profile_names_the_parts_of_a_step_and_trains_nothing(config, tmp_path, capsys):
    words = ["train", str(config), "--data", motion_folder(tmp_path), "--out", str(tmp_path / "run"), "--profile", "3"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert all(part in printed for part in ("batch", "losses", "gradients", "move", "steps/s", "3 steps on cpu"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["pavllo-causal", "cheng2019", "cheng2020", "roy2024", "zhang2021"])
def test_coarse_networks_learn_from_float32_losses_and_answer_exactly(name, tmp_path):
    loaded = load(f"configs/train/{name}.yaml")
    model = recipe_module(loaded.recipe).network(vars(loaded.settings)).eval()
    x, sure, time = torch.rand(1, 70, 17, 2) - 0.5, torch.ones(1, 70, 17), torch.arange(70)[None] / 30
    with torch.no_grad():
        exact = model.clip(x, sure, time)[0]
        assert precision.coarse(model, "cpu") > 0
        assert torch.equal(model.clip(x, sure, time)[0], exact)
    model.train()
    torch.manual_seed(0)
    found = model.clip(x, sure, time)[0]
    assert found.dtype == torch.float32
    found.square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("pays", [True, False])
def test_a_processor_that_would_emulate_bfloat16_is_not_asked_for_it(pays, config, tmp_path, monkeypatch):
    config.write_text(TINY.replace("steps: 120", "steps: 120, bf16: true"))
    asked = []
    monkeypatch.setattr(train, "pays", lambda kind: pays)
    monkeypatch.setattr(train, "coarse", lambda model, device: asked.append(device))
    words = ["train", str(config), "--data", motion_folder(tmp_path), "--out", str(tmp_path / "run"), "--profile", "1"]
    assert cli.main(words) == 0
    assert asked == ["cpu"] * pays
