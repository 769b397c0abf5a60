"""Figures of known errors; what is told apart is told apart rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.skeleton import H36M_17
from tests.support.people.walkers import walkers
from trainers.evaluation.scores import Scores, absent, report, verb
from trainers.test_clips.from_motion import TestClip

J = H36M_17.index


def trial(frames: int = 100, action: str = "walk", hidden=(), own=(), **conditions: str) -> TestClip:
    """`hidden`, `own`: (joint, first, last) triples."""
    pose = walkers(1, frames)[0].numpy()
    pose = pose - pose[:, :1]
    behind, itself = (np.zeros((frames, 17), bool) for _ in range(2))
    for flag, spans in ((behind, hidden), (itself, own)):
        for joint, first, last in spans:
            flag[first:last, J(joint)] = True
    nothing = np.zeros((frames, 17, 3), np.float32)
    return TestClip(
        "c", "01", action, 30.0, "h36m17", nothing[..., :2], nothing[..., 0], nothing, pose, behind, itself,
        np.ones((frames, 17), bool), conditions or {"place": "centre"},
    )  # fmt: skip


def scored(*pairs: tuple[TestClip, np.ndarray]) -> dict:
    scores = Scores()
    for one, xyz in pairs:
        scores.add(one, xyz.astype(np.float32), np.full(xyz.shape[:2], 0.05, np.float32))
    return report(scores)


def test_the_truth_itself_has_no_error():
    one = trial(hidden=[("left_wrist", 20, 40)])
    found = scored((one, one.pose))
    assert found["parts"]["all joints"]["mpjpe"] == 0 and found["parts"]["limbs hidden"]["p_mpjpe"] < 0.01
    assert found["parts"]["all joints"]["pck150"] == found["parts"]["all joints"]["auc"] == 1


def test_hidden_seen_and_self_occluded_joints_are_apart_and_edges_are_left_out():
    one = trial(hidden=[("left_wrist", 20, 40)], own=[("right_wrist", 50, 60)])
    xyz = one.pose.copy()
    xyz[22:38, J("left_wrist")] += [0.3, 0, 0]
    xyz[20:22, J("left_wrist")] += [9, 0, 0]  # edges
    xyz[50:60, J("right_wrist")] += [0, 0.1, 0]
    parts = scored((one, xyz))["parts"]
    assert parts["limbs hidden"]["mpjpe"] == pytest.approx(300, rel=1e-3) and parts["limbs hidden"]["joints"] == 16
    assert parts["limbs behind the own body"]["mpjpe"] == pytest.approx(100, rel=1e-3)
    assert parts["limbs seen"]["mpjpe"] == pytest.approx(0, abs=1e-3)


def test_pictures_that_show_everybody_whole_are_apart_from_those_that_cut_limbs_off():
    one = replace(trial(), outside=np.zeros((100, 17), bool))
    one.outside[60:, J("left_ankle")] = True
    one.outside[:10, J("head")] = True  # no limb
    xyz = one.pose.copy()
    xyz[60:, J("right_knee")] += [0.12, 0, 0]
    pictures = scored((one, xyz))["pictures"]
    assert {name: part["frames"] for name, part in pictures.items()} == {"all inside": 60, "cut off": 40}
    assert pictures["all inside"]["parts"]["limbs seen"]["mpjpe"] == pytest.approx(0, abs=1e-3)
    assert pictures["cut off"]["parts"]["limbs seen"]["mpjpe"] == pytest.approx(120 / 12, rel=1e-3)
    assert scored((trial(), trial().pose))["pictures"] == {}  # nobody said where the picture ends


def test_what_was_hidden_for_two_seconds_or_always_is_absent():
    one = trial(200, hidden=[("left_wrist", 20, 150), ("left_ankle", 0, 10)])
    gone = absent(one)
    assert gone[:, J("left_wrist")].nonzero()[0].tolist() == list(range(80, 150))
    assert gone[:, J("left_ankle")].nonzero()[0].tolist() == list(range(10))
    xyz = one.pose.copy()
    xyz[80:150, J("left_wrist")] += 9
    parts = scored((one, xyz))["parts"]
    assert parts["limbs hidden"]["mpjpe"] == 0 and parts["limbs absent"]["mpjpe"] > 1000


def test_actions_conditions_joints_and_resets():
    walk, dance = trial(action="walk"), trial(action="dance - rond de jambe, turn", place="edge")
    wrong = dance.pose.copy()
    wrong[:, J("head")] += [0.17, 0, 0]
    wrong[0, J("left_knee")] += [0, 0, 1.2]
    found = scored((walk, walk.pose), (dance, wrong))
    assert found["actions"]["walk"]["mpjpe"] == 0
    assert found["actions"]["dance"]["mpjpe"] == pytest.approx(170 / 17 + 1200 / 1700)
    place = found["conditions"]["place"]
    assert place["seen"]["edge"]["mpjpe"] == pytest.approx(1200 / 1200) and place["seen"]["centre"]["mpjpe"] == 0
    assert place["hidden"]["edge"]["joints"] == 0
    assert found["joints"]["head"]["mpjpe"] == pytest.approx(85)
    assert found["after reset"]["1"] == pytest.approx(1200 / 12 / 2) and found["after reset"]["90"] == 0
    assert verb("dance - rond de jambe, turn") == "dance" and verb("") == "?"


def test_velocity_and_acceleration_leave_the_first_frames_out():
    one = trial()
    drift = one.pose + 0.001 * np.arange(100)[:, None, None] * np.array([1, 0, 0])
    row = scored((one, drift))["parts"]["all joints"]
    assert row["mpjve"] == pytest.approx(1.0, rel=1e-3) and row["acceleration"] == pytest.approx(0, abs=1e-2)


def test_coverage_counts_coordinates_and_not_the_root():
    one = trial(300, hidden=[("left_wrist", 20, 60)])
    noise = np.random.default_rng(0).normal(0, 0.05, one.pose.shape) * (np.arange(17) > 0)[:, None]
    found = scored((one, one.pose + noise))["coverage"]
    assert found["seen"]["1.0"] == pytest.approx(0.683, abs=0.02) and found["seen"]["1.96"] == pytest.approx(
        0.95, abs=0.02
    )
    assert found["hidden"]["1.0"] == pytest.approx(0.683, abs=0.1)


def test_nan_answers_are_refused_with_clip_and_frame():
    one = trial()
    xyz = one.pose.copy()
    xyz[42, 3, 1] = np.nan
    with pytest.raises(ValueError, match="c: the network answered NaN or inf in frame 42"):
        scored((one, xyz))


def test_joints_that_a_data_set_lacks_are_not_judged():
    one = trial()
    one.counts[:, J("nose")] = False
    xyz = one.pose.copy()
    xyz[:, J("nose")] += 5
    found = scored((one, xyz))
    assert found["parts"]["all joints"]["mpjpe"] == 0 and found["parts"]["all joints"]["p_mpjpe"] < 0.01
    assert found["joints"]["nose"] == {"joints": 0}
