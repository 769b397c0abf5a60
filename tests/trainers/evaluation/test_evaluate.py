"""From a folder to a report: engines driven as live, flips, rates, recorded views; what cannot be judged is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from engines.skeleton import H36M_17
from tests.support.networks.echo import Echo
from tests.support.people.walkers import walkers
from tests.trainers.evaluation.test_scores import trial
from trainers import cli
from trainers.data import motion, views
from trainers.data.motion import MotionSegment
from trainers.data.views import RecordedView
from trainers.deploy import run_engine
from trainers.errors import UserError
from trainers.evaluation import evaluate
from trainers.evaluation.scores import Scores
from trainers.test_clips.from_motion import SUITES, flipped, from_motion, noisier, recorded

J = H36M_17.index


def clips(count: int, frames: int = 50):
    made = []
    for k in range(count):
        one = trial(frames + 7 * k)
        made.append(type(one)(**{**vars(one), "clip": str(k), "world": one.pose * (k + 1), "pose": one.pose * (k + 1)}))
    return made


@pytest.mark.parametrize("ahead", [0, 3])
def test_every_clip_gets_its_own_answers_whatever_shares_the_batch(ahead):
    found = {t.clip: xyz for t, (xyz, _) in run_engine.predict(Echo(4, ahead), clips(7))}
    for one in clips(7):
        last = len(one.pose) - ahead
        np.testing.assert_allclose(found[one.clip][:last], one.pose[:last], atol=1e-6)


def test_the_flip_is_mirrored_back_before_the_mean():
    (one,) = clips(1)
    ((_, (xyz, sigma)),) = run_engine.predict(Echo(), [one], flip=True)
    np.testing.assert_allclose(xyz, one.pose, atol=1e-6)
    assert sigma == pytest.approx(np.exp(-3.0))
    twice = flipped(flipped(one, H36M_17.mirror()), H36M_17.mirror())
    assert np.array_equal(twice.world, one.world) and np.array_equal(twice.x, one.x)


@pytest.fixture
def folder(tmp_path):
    for subject, turn in (("01", 1), ("05", 2), ("06", 3)):
        walk = walkers(4, 200)[turn].numpy()
        motion.save(tmp_path, subject, [MotionSegment(walk, 60.0, f"{subject}_01", subject)])
    motion.write_index(tmp_path, [{"clip": "05_01", "desc": "walk"}, {"clip": "06_01", "desc": "run"}])
    return tmp_path


def use(monkeypatch, engine) -> None:
    monkeypatch.setattr(evaluate, "opened", lambda folder: engine)


def test_the_command_writes_a_table_a_plot_and_a_json(folder, monkeypatch, capsys):
    use(monkeypatch, Echo())
    argv = ["evaluate", "echo", "--data", str(folder), "--out", str(folder / "out"), "--protocol", "2"]
    assert cli.main([*argv, "--occlusion", "limbs"]) == 0
    found = json.loads((folder / "out" / "report.json").read_text())
    assert set(found["actions"]) == {"walk", "run"} and found["clips"] == 2  # validation subjects alone
    assert found["settings"]["occlusion"] == "limbs" and found["sha256"] == "0" * 64
    assert found["parts"]["limbs hidden"]["joints"] > 0 and set(found["after reset"]) == {"1", "5", "15", "30", "90"}
    assert (folder / "out" / "report.png").read_bytes().startswith(b"\x89PNG")
    assert "p_mpjpe, mm" in capsys.readouterr().out


def test_trials_are_the_same_for_a_seed_and_differ_with_it(folder):
    found = motion.load(folder)
    first, again, other = (list(from_motion(found, "mixed", seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.x, b.x) and np.array_equal(a.hidden, b.hidden) for a, b in zip(first, again))
    assert not np.array_equal(first[0].x, other[0].x)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0])
def test_one_motion_at_any_rate_is_the_same_motion(folder, fps):
    found = motion.load(folder).only(["05"])
    (one,) = from_motion(found, "none", fps=fps, perfect=True)
    (half,) = from_motion(found, "none", fps=fps / 2, perfect=True)
    assert len(one.pose) == pytest.approx(200 / 60 * fps, abs=2)
    assert np.array_equal(one.reliability > 0.5, ~one.hidden)
    np.testing.assert_allclose(one.pose[: 2 * len(half.pose) : 2], half.pose[: len(one.pose[::2])], atol=1e-4)


def test_exact_rays_point_at_the_joints(folder):
    for one in from_motion(motion.load(folder), "none", perfect=True):
        wide = np.ptp(one.x.reshape(-1, 2), axis=0)
        assert wide.max() > 0.05
        straight = np.corrcoef(one.x[:, J("head"), 0] - one.x[:, 0, 0], one.pose[:, J("head"), 0])[0, 1]
        assert np.isfinite(one.x).all() and (straight > 0 or np.ptp(one.pose[:, J("head"), 0]) < 0.1)


def view(frames: int = 40) -> RecordedView:
    pose = walkers(1, frames)[0].numpy() * np.array([1, -1, 1], np.float32)
    xyz = pose - pose[:, :1] + np.array([0, 0, 4], np.float32)
    xy = xyz[..., :2] / xyz[..., 2:] * 900 + np.array([500, 400], np.float32)
    valid = np.arange(frames) < 30
    return RecordedView(
        xyz, xy, np.ones((frames, 17), np.float32), valid, 50.0, (1000, 800), (900, 900), (500, 400), "S9/Eat 1", "S9",
        "Eat", "7",
    )  # fmt: skip


def test_recorded_views_are_saved_loaded_and_become_trials(tmp_path):
    known = np.arange(17) != J("nose")
    views.save(tmp_path, "S9", [view(), view(25)], known)
    found = views.load(tmp_path)
    assert [len(v.xyz) for v in found.views] == [40, 25] and found.views[0].camera == "7"
    one = recorded(found.views[0], found.known, SUITES["none"], torch.Generator())
    np.testing.assert_allclose(one.x * 4, one.pose[..., :2], atol=0.6)  # rays times distance, about
    assert one.counts[:30].sum() == 30 * 16 and not one.counts[30:].any() and not one.counts[:, J("nose")].any()
    hid = recorded(found.views[0], found.known, SUITES["limbs"], torch.Generator().manual_seed(0))
    assert (hid.reliability[hid.hidden] == 0).all() and hid.hidden.any()


def test_views_without_intrinsics_are_seen_by_the_guessed_camera():
    guessed = RecordedView(**{**vars(view()), "focal": (np.nan, np.nan), "centre": (np.nan, np.nan)})
    assert guessed.rays()[0, 0] == pytest.approx([0, 0], abs=1e-6)
    assert guessed.rays()[..., 0].max() == pytest.approx(view().rays()[..., 0].max() * 900 / 815.9, rel=0.01)


def test_a_folder_of_views_is_evaluated_by_its_actions(tmp_path, monkeypatch):
    views.save(tmp_path, "S9", [view()], np.ones(17, bool))
    use(monkeypatch, Echo())
    assert cli.main(["evaluate", "echo", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--flip"]) == 0
    assert list(json.loads((tmp_path / "o" / "report.json").read_text())["actions"]) == ["eat"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["nothing", "--data", "{}"], "nothing"),
        (["hold", "--data", "{}/none"], "no subject_"),
        (["hold", "--data", "{}", "--subjects", "99"], "no motion of 99; it has 01, 05, 06"),
    ],
)
def test_what_cannot_be_judged_is_one_line_and_exit_2(folder, capsys, argv, says):
    assert cli.main(["evaluate", *(a.format(folder) for a in argv), "--limit", "1"]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_joint_sets_that_do_not_fit_are_named():
    one = trial()
    other = type(one)(**{**vars(one), "joints": "coco17"})
    with pytest.raises(UserError, match="the network takes h36m17, the clips hold coco17"):
        list(run_engine.predict(Echo(), [other]))


def test_no_clip_is_refused():
    with pytest.raises(UserError, match="no clip to evaluate"):
        evaluate.evaluate(Echo(), [])
    assert Scores().clips == []


def test_more_noise_is_so_many_pixels_of_the_papers_camera_and_the_same_for_a_seed():
    (one,) = clips(1)
    found = noisier(one, 10.0, 3)
    assert np.std(found.x - one.x) * 1145 == pytest.approx(10, rel=0.1)
    np.testing.assert_array_equal(found.x, noisier(one, 10.0, 3).x)
    assert noisier(one, 0.0, 3) is one and not np.array_equal(found.x, noisier(one, 10.0, 4).x)
