"""Two real clips become a network that runs: the loss falls, a killed run ends the same, the export lifts."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines import open_engine
from realtime.config.schema import CameraConfig, LiftConfig
from realtime.lift.lifter import Lifter
from tests.realtime.lift.test_lifter import seen
from tests.support.paths import DATA
from trainers import checkpoint, cli
from trainers.config import load
from trainers.recipe import recipe_module
from trainers.training.train import run

RAW = DATA / "motion"
TINY = """recipe: live
channels: 32
blocks: 2
batch: 8
ticks: 40
fast: false
rate: 0.003
warm_up: 5
validation_clips: 8
loop:
  steps: 150
  seed: 3
  validate_every: 50
  checkpoint_every: 10
"""


@pytest.fixture(scope="module")
def motion(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("motion") / "cmu"
    assert cli.main(["prepare", "cmu", "--root", str(RAW), "--out", str(out)]) == 0
    return out


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def train(config: Path, motion: Path, out: Path, *more: str) -> int:
    return cli.main(["train", str(config), "--data", str(motion), "--out", str(out), *more])


def weights(run: Path) -> dict:
    return checkpoint.weights(run)


def test_the_loss_falls_and_the_export_runs_in_the_pipeline(config, motion, tmp_path):
    run, engine = tmp_path / "run", tmp_path / "tiny"
    assert train(config, motion, run) == 0
    rows = [json.loads(line) for line in (run / "curves.jsonl").read_text().splitlines()]
    position = [row["position"] for row in rows if "position" in row]
    assert position[-1] < 0.5 * position[0]
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    about = tmp_path / "about.md"
    assert cli.main(["export", str(run), "--about", str(about), "--out", str(engine)]) == 2 and not engine.exists()
    about.write_text("## Limits\n\n* two clips")
    assert cli.main(["export", str(run), "--about", str(about), "--out", str(engine)]) == 0
    assert (engine / "CARD.md").read_text().endswith("## Limits\n\n* two clips\n")
    assert "validation" in (engine / "CARD.md").read_text() and b"CMU" in (engine / "CARD.md").read_bytes()
    lifter = Lifter(open_engine(engine, "cpu", 1), LiftConfig(), CameraConfig(), "learned")
    for i in range(30):
        (pose,) = lifter.lift(seen(i))
    assert np.isfinite(pose.people[0].xyz).all() and 0 < pose.people[0].sigma.min() < 1


def test_a_killed_run_ends_with_the_same_weights(config, motion, tmp_path, monkeypatch):
    whole, again, killed = tmp_path / "whole", tmp_path / "again", tmp_path / "killed"
    config.write_text(TINY.replace("steps: 150", "steps: 20"))
    train(config, motion, whole)
    train(config, motion, again)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        kill_at(patch, step=14)
        settings = load(str(config))
        run(settings, recipe_module("live").recipe(settings.settings, [str(motion)], "cpu", 20), killed, 20)
    assert checkpoint.metadata(killed / checkpoint.FILE)["step"] == "10"
    train(config, motion, killed)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(killed)[name]), name
        assert torch.equal(value, weights(again)[name]), f"seed: {name}"


def kill_at(patch: pytest.MonkeyPatch, step: int) -> None:
    from trainers.training import train
    from trainers.training.step import one_step as whole_step

    def one_step(recipe, optimizers, rates, now, *rest):
        if now == step:
            raise KeyboardInterrupt
        return whole_step(recipe, optimizers, rates, now, *rest)

    patch.setattr(train, "one_step", one_step)


def test_a_checkpoint_of_other_settings_is_refused(config, motion, tmp_path, capsys):
    config.write_text(TINY.replace("steps: 150", "steps: 2"))
    train(config, motion, tmp_path / "run")
    config.write_text(TINY.replace("steps: 150", "steps: 4").replace("rate: 0.003", "rate: 0.001"))
    assert train(config, motion, tmp_path / "run") == 2
    assert "--fresh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TINY + "chanels: 3\n", "nearest is channels"),
        (TINY.replace("channels: 32", "channels: wide"), "channels"),
        (TINY.replace("recipe: live", "recipe: magic"), "magic"),
        (TINY.replace("  steps: 150", "  stepz: 150"), "loop.stepz"),
    ],
)
def test_bad_settings_name_the_file_the_line_and_the_key(config, motion, tmp_path, capsys, text, said):
    config.write_text(text)
    assert train(config, motion, tmp_path / "run") == 2
    told = capsys.readouterr().err
    assert str(config) in told and said in told and "Traceback" not in told
    assert not (tmp_path / "run").exists()


def test_no_data_and_wrong_data_are_one_line(config, tmp_path, capsys):
    assert cli.main(["train", str(config), "--out", str(tmp_path / "run")]) == 2
    assert "--data" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert train(config, tmp_path / "empty", tmp_path / "run") == 2
    assert "trainers prepare" in capsys.readouterr().err


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, capsys):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x80\x04not safe")
    assert cli.main(["export", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "not a checkpoint" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_data_that_an_export_would_not_use_is_refused(tmp_path, capsys):
    assert cli.main(["export", str(tmp_path), "--data", "people", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "--data people" in told and "hold" in told and not (tmp_path / "out").exists()


ROWS = (
    TINY
    + """variants:
  narrow:
    channels: 8
    loop:
      seed: 9
  broken:
    chanels: 8
"""
)


def test_a_row_changes_what_it_names_and_names_the_run(config):
    from trainers.config import load
    from trainers.errors import UserError

    config.write_text(ROWS)
    plain, row = load(str(config)), load(str(config), "narrow")
    assert (plain.name, row.name) == ("tiny", "tiny.narrow") and row.command.endswith(
        "trainers train tiny --variant narrow"
    )
    assert (plain.settings.channels, row.settings.channels, row.settings.batch) == (32, 8, 8)
    assert (row.loop.seed, row.loop.steps) == (9, 150) and row.fingerprint() != plain.fingerprint()
    with pytest.raises(UserError, match="no variant 'wide'; it has narrow, broken"):
        load(str(config), "wide")
    with pytest.raises(UserError, match=r"tiny.yaml:2[0-9]: variants.broken.chanels: unknown key"):
        load(str(config), "broken")
