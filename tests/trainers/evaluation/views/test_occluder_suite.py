"""More is covered, for shorter and longer: every case is there, recovery is the time until it is as good as before."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.support.people.two_cameras import SeeingDetector, rendered
from tests.trainers.evaluation.views.test_evaluate_views import evaluated
from trainers.data.multiview import load_views
from trainers.evaluation.occluders.occluder_cases import cases_of
from trainers.evaluation.occluders.occluder_suite import LOWER_BODY, SUITE
from trainers.evaluation.views.judge_views import recovery_ms
from trainers.evaluation.views.view_measures import measure


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("views") / "man")


def test_each_case_lasts_as_long_as_it_says_and_one_lasts_throughout(stage):
    views = load_views(stage.folder)
    reference, frames = views.reference, len(views.reference.xyz)
    made = cases_of(reference.joints, reference.xyz, views.views[0].camera, reference.fps, SUITE)
    assert list(made) == [cover.name for cover in SUITE]
    for cover in SUITE:
        expected = frames if cover is LOWER_BODY else min(frames, round(cover.seconds * reference.fps))
        assert made[cover.name].last - made[cover.name].first == expected, cover


def test_of_half_a_body_what_is_known_is_covered(stage):
    views = load_views(stage.folder)
    upper = [k for k, joint in enumerate(views.reference.joints) if not joint.endswith(("hip", "knee", "ankle"))]
    joints = tuple(views.reference.joints[k] for k in upper)
    made = cases_of(joints, views.reference.xyz[:, upper], views.views[0].camera, views.reference.fps, SUITE)
    assert {name.split(",")[0] for name in made} == {"arm", "right half", "everything"}


def test_recovery_is_counted_from_the_last_frame_under_the_occluder():
    aligned, occluded = np.zeros((30, 2)), np.zeros((30, 2), bool)
    occluded[10:16, 1] = True
    aligned[10:19, 1] = 80.0  # three frames more than it was covered
    open_errors, case = SimpleNamespace(aligned=np.zeros((30, 2))), SimpleNamespace(aligned=aligned)
    assert recovery_ms(case, open_errors, occluded, 30.0) == pytest.approx(100.0)
    aligned[10:, 1] = 80.0
    assert np.isnan(recovery_ms(case, open_errors, occluded, 30.0))
    assert np.isnan(recovery_ms(case, open_errors, np.zeros((30, 2), bool), 30.0))


def test_jitter_sees_trembling_and_neither_an_offset_nor_a_drift():
    draw, joints = np.random.default_rng(0), ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle")
    truth = draw.normal(size=(20, 5, 3))
    drift = np.arange(20)[:, None, None] * 0.01 * (np.arange(5) > 1)[None, :, None]
    assert np.nanmax(measure(truth + drift, truth, joints).jitter) < 1e-6
    trembling = np.array(truth)
    trembling[::2, 4, 0] += 0.01
    assert measure(trembling, truth, joints).jitter[5, 4] == pytest.approx(20.0)


@pytest.mark.slow
def test_the_table_has_every_case(stage, monkeypatch, tmp_path, capsys):
    report = evaluated(stage, monkeypatch, tmp_path, SeeingDetector(stage.world), "--suite")
    row = report["together"]["man"]["detector"]
    assert all(f"occluded, {cover.name}" in row for cover in SUITE)
    assert row["visible"]["jitter"] < 1
    said = capsys.readouterr().out
    assert "recovery ms" in said
    (line,) = (line for line in said.splitlines() if "everything, 2 s" in line and "detector" in line)
    figures = [cell.strip() for cell in line.strip("| ").split("|")][2:]
    assert all(float(figure) >= 0 for figure in figures[:3]), "of the cameras, not of them fused"
