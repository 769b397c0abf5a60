"""`trainers evaluate MODEL... --views DIR` on the rendered man before two cameras: figures known beforehand."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from realtime.config.schema import OcclusionConfig, RunConfig
from realtime.lift.camera_model import camera_model_for
from tests.support.people.two_cameras import FRAMES, JOINTS, SeeingDetector, rendered
from trainers import cli
from trainers.data.multiview import load_views, pictures
from trainers.evaluation.occluders.occluder_cases import CASES, cases_of
from trainers.evaluation.run_films import LiftedFilm, detector_3d
from trainers.evaluation.views import evaluate_views
from trainers.evaluation.views.judge_views import OPEN, behind, judge, run_films


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("views") / "man")


def evaluated(stage, monkeypatch, tmp_path, detector, *more):
    monkeypatch.setattr(evaluate_views, "open_detector", lambda config: detector)
    asked = ["evaluate", "hold", "--views", str(stage.folder), "--reliability", "eq2", "--out", str(tmp_path / "out")]
    assert cli.main([*asked, *more]) == 0
    return json.loads((tmp_path / "out/views.json").read_text())


def test_a_perfect_detector_is_without_error_where_it_sees(stage, monkeypatch, tmp_path, capsys):
    detector = SeeingDetector(stage.world)
    report = evaluated(stage, monkeypatch, tmp_path, detector)
    assert list(report["cameras"]) == ["man/cam_a", "man/cam_b"]
    assert list(report["together"]) == ["man", "man, cameras fused"]
    assert report["together"]["man, cameras fused"]["hold"]["visible"]["unaligned_mm"] < 1, "two perfect views"
    assert list(report["cameras"]["man/cam_a"]) == ["detector", "last-observed", "hold"]
    for rows in report["cameras"].values():
        seen = rows["detector"]["visible"]
        assert seen["unaligned_mm"] < 0.1 and seen["aligned_mm"] < 0.1 and seen["bones_deg"] < 0.1
        assert seen["swaps"] == 0 and seen["answered"] == 1 and seen["length_variation"] < 0.01
        assert rows["detector"]["occluded"]["unaligned_mm"] == pytest.approx(220, abs=40)  # 300 where it invents
        cases = [rows["detector"][f"occluded, {case}"]["bones_deg"] for case in CASES]
        assert rows["detector"]["occluded"]["bones_deg"] == pytest.approx(np.mean(cases)) and min(cases) > 10
        assert rows["last-observed"]["occluded"]["unaligned_mm"] < 60
    assert report["flags"]["man"]["area"] > 0.95 and report["flags"]["man"]["recall"] > 0.9
    assert detector.pictures == 2 * 6 * FRAMES  # once per film and case, however many models
    said = capsys.readouterr().out
    assert "man/cam_b" in said and "last-observed" in said and (tmp_path / "out/views.md").read_text() in said
    last = json.loads(said.splitlines()[-1])
    assert last["man"]["detector"]["mm"] == report["together"]["man"]["detector"]["visible"]["unaligned_mm"]


@pytest.fixture(scope="module")
def runs(stage):
    config = RunConfig(occlusion=OcclusionConfig(engine=""))
    return list(run_films(load_views(stage.folder), SeeingDetector(stage.world), config))


def test_the_film_is_run_open_and_with_every_occluder(runs):
    assert [case.name for case in runs[0].cases] == [OPEN, *CASES]
    assert not runs[0].cases[0].occluded.any() and all(case.occluded.any() for case in runs[0].cases[1:])


def test_an_offset_joint_is_told_in_millimetres(runs):
    def predict(observed, config, joints):
        xyz = detector_3d(observed, joints)
        xyz[:, joints.index("left_wrist"), 2] += 0.12
        return LiftedFilm(xyz, np.full(xyz.shape[:2], 0.1))

    figures = judge(runs[0], predict, RunConfig(), "guessed")
    seen = figures["visible"]
    assert seen["unaligned_mm"] == pytest.approx(120 / len(JOINTS), abs=0.2) and seen["bones_deg"] > 1
    assert seen["velocity_mm"] < 0.1 and seen["answered"] == 1
    off = 1 / len(JOINTS) / 3  # one coordinate of one joint is 1.2 sigma off
    assert seen["within_sigma"] == pytest.approx(1 - off, abs=0.005) and seen["within_1.96_sigma"] == 1


def test_a_model_without_answers_is_no_error_of_zero(runs):
    figures = judge(
        runs[0], lambda o, c, joints: LiftedFilm(np.full((FRAMES, len(joints), 3), np.nan)), RunConfig(), "guessed"
    )
    assert figures["visible"]["answered"] == 0 and np.isnan(figures["visible"]["aligned_mm"])


@pytest.mark.parametrize("lens", evaluate_views.LENSES)
def test_lifters_know_the_lens_only_where_it_was_asked_for(runs, lens):
    given = []

    def predict(observed, config, joints):
        given.append(camera_model_for(config.camera, *runs[0].view.camera.size))
        return LiftedFilm(detector_3d(observed, joints))

    judge(runs[0], predict, RunConfig(), lens)
    right = {one.fx == pytest.approx(runs[0].view.camera.K[0, 0], abs=0.01) for one in given}
    assert right == {one.calibrated for one in given} == {lens == "calibrated"}


def test_every_case_hides_its_joints_in_the_middle_of_the_film(stage):
    views = load_views(stage.folder)
    camera, reference = views.views[0].camera, views.reference
    made = cases_of(reference.joints, reference.xyz, camera, reference.fps)
    assert list(made) == list(CASES)
    for name, occluder in made.items():
        hidden = occluder.hides(camera.pixels(reference.xyz))
        covered = [reference.joints.index(joint) for joint in CASES[name]]
        assert hidden[occluder.first : occluder.last, covered].all()
        assert occluder.last - occluder.first == round(0.5 * reference.fps)
        assert not hidden[: occluder.first].any() and not hidden[occluder.last :].any()
        image = next(pictures(views.views[0].film, 1))
        assert occluder.over(image, 0) is image
        left, top, right, bottom = occluder.box
        pasted = occluder.over(image, occluder.first)
        assert np.array_equal(pasted[top:bottom, left:right], occluder.picture) and not np.array_equal(pasted, image)


def test_a_column_behind_the_detector_is_named():
    better = {"visible": {"aligned_mm": 80.0, "bones_deg": 16.0, "swaps": 0.0}}
    worse = {"visible": {"aligned_mm": 86.0, "bones_deg": 15.0, "swaps": 0.5}}
    assert behind(worse, better) == ["aligned_mm 86.0 against 80.0"]


@pytest.mark.parametrize(("asked", "said"), [
    (["hold"], "expected one of --data DIR"),
    (["hold", "--data", "x", "--views", "y"], "expected one of --data DIR"),
    (["hold", "causal-small", "--data", "x"], "side by side: trainers compare"),
    (["hold", "--views", "nowhere"], "nowhere: no such folder"),
    (["reliability", "--views", "STAGE"], "reliability: task reliability, expected a lifter"),
    (["hold", "--views", "STAGE", "--detector", "nothing.task"], "--detector: detector.model: nothing.task is no"),
    (["hold", "--views", "STAGE", "--reliability", "hold"], "--reliability: occlusion.engine hold: task is 'lift'"),
])  # fmt: skip
def test_what_cannot_be_judged_is_one_line(stage, monkeypatch, capsys, asked, said):
    if "--detector" not in asked:
        monkeypatch.setattr(evaluate_views, "open_detector", lambda config: SeeingDetector(stage.world))
    assert cli.main(["evaluate", *(str(stage.folder) if word == "STAGE" else word for word in asked)]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


@pytest.mark.mediapipe
def test_the_real_detector_on_the_rendered_man(stage, tmp_path):
    asked = ["evaluate", "causal-small", "--views", str(stage.folder), "--out", str(tmp_path / "out")]
    assert cli.main(asked) == 0
    rows = json.loads((tmp_path / "out/views.json").read_text())["together"]["man"]
    assert set(rows) == {"detector", "last-observed", "hold", "causal-small"}
    for row in rows.values():
        assert row["visible"]["answered"] > 0.8 and 10 < row["visible"]["aligned_mm"] < 200
        assert row["occluded"]["aligned_mm"] > row["visible"]["aligned_mm"] * 0.5
