"""The reliability network: its two forms, its mirror, and what it learns from shards in half a minute."""

from dataclasses import replace

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
from trainers.data.shards.detections import SHORTEST, collect, on_ticks, tracks
from trainers.metrics import area_under_roc
from trainers.models.causal.reliability import SIGNED, ReliabilityNet
from trainers.recipes.reliability import ReliabilityRecipe, ReliabilitySettings, judged, telling


def test_e13_steps_equal_the_clip():
    model = ReliabilityNet(24, 8).eval()
    model.odds.fill_(0.3)
    features = torch.randn(2, TICKS, 33, len(FEATURES))
    state = {name: torch.zeros(2, *shape) for name, shape in model.contract().state}
    found = []
    with torch.no_grad():
        whole = model.reliability(features)
        for t in range(TICKS):
            given = {"features": features[:, t], "dt": torch.zeros(2), "reset": torch.full((2,), float(t == 0))}
            (answer,), state = model.run(given, state)
            found.append(answer)
    assert (torch.stack(found, 1) - whole).abs().max() < 1e-5


def test_who_is_seen_in_a_mirror_is_judged_alike():
    torch.manual_seed(3)
    model, order = ReliabilityNet(24, 8).eval(), torch.from_numpy(BLAZEPOSE_33.mirror())
    features = torch.randn(2, 20, 33, len(FEATURES))
    mirrored = features[:, :, order].clone()
    mirrored[..., SIGNED] *= -1
    with torch.no_grad():
        plain, seen = model.clip(features), model.clip(mirrored)
    assert (plain - seen[..., order]).abs().max() < 1e-5 < (plain - seen).abs().max()


def test_a_joint_hears_its_neighbours_and_forgets_at_a_reset():
    torch.manual_seed(3)
    model = ReliabilityNet(24, 8).eval()
    features = torch.randn(1, 6, 33, len(FEATURES))
    elsewhere = features.clone()
    elsewhere[:, 2, BLAZEPOSE_33.index("left_elbow")] += 3
    state = {name: torch.randn(1, *shape) for name, shape in model.contract().state}
    given = {"features": features[:, 0], "dt": torch.zeros(1), "reset": torch.ones(1)}
    with torch.no_grad():
        moved = (model.clip(elsewhere) - model.clip(features)).abs()[0]
        (answer,), _ = model.run(given, state)
        (fresh,), _ = model.run(given, {name: 0 * value for name, value in state.items()})
    assert moved[:2].max() == 0 < moved[2:, BLAZEPOSE_33.index("left_wrist")].min()
    assert torch.equal(answer, fresh)


def test_area_under_roc_of_known_rankings():
    positive = torch.tensor([True, True, False, False])
    assert area_under_roc(torch.tensor([4.0, 3.0, 2.0, 1.0]), positive) == 1.0
    assert area_under_roc(torch.tensor([1.0, 1.0, 1.0, 1.0]), positive) == 0.5
    assert np.isnan(area_under_roc(torch.ones(2), torch.ones(2) > 0))


def test_telling_counts_flags_against_covered_joints():
    found = telling(torch.tensor([0.1, 0.2, 0.9, 0.4]), torch.tensor([1, 0, 0, 1]) > 0, torch.tensor([1, 1, 0, 1]) > 0)
    assert found["precision"] == pytest.approx(2 / 3) and found["recall"] == 1.0
    assert found["precision, covered or wrong"] == 1.0


def test_caution_is_taken_back_in_the_answers():
    track = next(tracks(made_up("a", "train", 1)))
    made = ReliabilityRecipe(ReliabilitySettings(width=8, memory=4, caution=3.0), [], "cpu", 1, [track])
    cues = collect([track])
    before = judged(made.model.eval(), cues)
    for _ in range(2):  # a run that goes on is calibrated again
        made.calibrate()
    after = judged(made.model, cues)
    assert torch.allclose(after / (1 - after), 3 * before / (1 - before), rtol=1e-3)


class KeptCues:
    """An engine that remembers the cues of every tick whose state it was told to keep."""

    def __init__(self) -> None:
        self.contract, self.batch = ReliabilityNet(8, 4).contract(), 1
        self.kept: list[np.ndarray] = []

    def run(self, inputs, commit=True):
        if commit:
            self.kept.append(inputs["features"][0].copy())
        return {"reliability": np.ones((1, 33), np.float32)}

    def zero_state(self): ...


@pytest.mark.parametrize("fps", [6.0, 10.0, 24.0, 30.0, 60.0])
def test_a_network_learns_from_the_ticks_that_the_runtime_shows_it(fps):
    clip = made_up("a", "train", 1)
    (track,) = tracks(replace(clip, t=np.arange(TICKS) / fps, fps=fps))
    engine = KeptCues()
    live = LearnedReliability(engine, BLAZEPOSE_33)
    for t, row in zip(track.clip.t, track.cues):
        live.judge(round(float(t) * 1e9), {1: row})
    cues, frames, own = on_ticks(track)
    assert np.allclose(np.stack(engine.kept), cues, atol=1e-5)
    assert abs(len(frames) - TICKS * 30 / fps) <= 1 + 30 / fps
    counted = collect([track]).counts
    assert np.array_equal(counted[own], torch.from_numpy(track.counts[frames[own]])) and not counted[~own].any()


def test_without_the_grid_each_frame_is_a_tick_and_short_tracks_teach_nothing():
    slow = [tracks(replace(made_up(name, "train", 1), t=np.arange(TICKS) / 10, fps=10.0)) for name in "ab"]
    whole, short = (next(found) for found in slow)
    short = replace(short, last=short.first + SHORTEST - 1)
    made = ReliabilityRecipe(ReliabilitySettings(width=8, memory=4, grid=False), [], "cpu", 1, [whole, short])
    assert made.train.length.tolist() == [TICKS] and torch.equal(made.train.counts, torch.from_numpy(whole.counts))
    assert torch.allclose(made.train.features.float(), torch.from_numpy(whole.cues), atol=0.01)
    assert collect([whole]).length.tolist()[0] > 2.5 * TICKS


@pytest.mark.slow
def test_shards_become_an_engine_that_doubts_the_wandering_wrist(tmp_path):
    data = tmp_path / "shards"
    data.mkdir()
    write_shard(data, 0, [made_up(f"a{i}", "train", i) for i in range(6)])
    write_shard(data, 1, [made_up("b", "heldout", 99)])
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "recipe: reliability\nwidth: 16\nmemory: 8\nbatch: 12\nticks: 50\nrate: 0.01\n"
        "loop:\n  steps: 140\n  validate_every: 140\n"
    )
    assert cli.main(["train", str(config), "--data", str(data), "--out", str(tmp_path / "run")]) == 0
    assert cli.main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "engine")]) == 0
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
