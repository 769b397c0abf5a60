"""The reliability network: its two forms, its mirror, and what it learns from shards in half a minute."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines import open_engine
from engines.skeleton import BLAZEPOSE_33
from realtime.occlude.features import FEATURES
from realtime.occlude.learned import LearnedReliability
from tests.support.people.made_up_clips import TICKS, WRIST, made_up
from trainers import cli
from trainers.data.shards.clip_shards import write_shard
from trainers.metrics import area_under_roc
from trainers.models.causal.reliability import ReliabilityNet, mirrored
from trainers.recipes.reliability import telling


def test_e13_steps_equal_the_clip():
    model = ReliabilityNet(24, 2).eval()
    features = torch.randn(2, TICKS, 33, len(FEATURES))
    state = {name: torch.zeros(2, *shape) for name, shape in model.contract().state}
    found = []
    with torch.no_grad():
        whole = torch.sigmoid(model.clip(features))
        for t in range(TICKS):
            given = {"features": features[:, t], "dt": torch.zeros(2), "reset": torch.full((2,), float(t == 0))}
            (answer,), state = model.run(given, state)
            found.append(answer)
    assert (torch.stack(found, 1) - whole).abs().max() < 1e-5


def test_a_mirror_is_its_own_inverse_and_changes_signed_cues_only():
    features = torch.randn(4, 33, len(FEATURES))
    assert torch.equal(mirrored(mirrored(features)), features)
    middle = BLAZEPOSE_33.index("nose")
    changed = (mirrored(features)[0, middle] != features[0, middle]).nonzero().flatten().tolist()
    assert [FEATURES[i] for i in changed] == ["speed_x", "parent_x", "body_x"]


def test_area_under_roc_of_known_rankings():
    positive = torch.tensor([True, True, False, False])
    assert area_under_roc(torch.tensor([4.0, 3.0, 2.0, 1.0]), positive) == 1.0
    assert area_under_roc(torch.tensor([1.0, 1.0, 1.0, 1.0]), positive) == 0.5
    assert np.isnan(area_under_roc(torch.ones(2), torch.ones(2) > 0))


def test_telling_counts_flags_against_covered_joints():
    found = telling(torch.tensor([0.1, 0.2, 0.9, 0.4]), torch.tensor([1, 0, 0, 1]) > 0, torch.tensor([1, 1, 0, 1]) > 0)
    assert found["precision"] == pytest.approx(2 / 3) and found["recall"] == 1.0
    assert found["precision, covered or wrong"] == 1.0


@pytest.mark.slow
def test_shards_become_an_engine_that_doubts_the_wandering_wrist(tmp_path):
    data = tmp_path / "shards"
    data.mkdir()
    write_shard(data, 0, [made_up(f"a{i}", "train", i) for i in range(6)])
    write_shard(data, 1, [made_up("b", "heldout", 99)])
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "recipe: reliability\nchannels: 16\nbatch: 12\nticks: 50\nrate: 0.01\n"
        "loop:\n  steps: 140\n  validate_every: 140\n"
    )
    assert cli.main(["train", str(config), "--data", str(data), "--out", str(tmp_path / "run")]) == 0
    assert cli.main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "engine")]) == 0
    from trainers.data.shards.detections import tracks

    (track,) = tracks(made_up("b", "heldout", 99))
    learned = LearnedReliability(open_engine(tmp_path / "engine", "cpu", 1), BLAZEPOSE_33)
    told = np.stack([learned.judge(int(t * 1e9), {1: row})[1] for t, row in zip(track.clip.t, track.cues)])
    assert told[24:38, WRIST].mean() < 0.45 < 0.8 < told[:18, WRIST].mean()


def test_an_empty_folder_is_refused(tmp_path, capsys):
    config = tmp_path / "tiny.yaml"
    config.write_text("recipe: reliability\n")
    (tmp_path / "none").mkdir()
    assert cli.main(["train", str(config), "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 2
    assert "trainers synthesize" in capsys.readouterr().err
