"""Synthesized clips become trials; flags are counted; the video command uses the runs without boards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.skeleton import BLAZEPOSE_33, H36M_17, mapping
from tests.support.networks.echo import Echo
from tests.support.people.walkers import walkers
from trainers.data.shards.clip_shards import BOARD, OWN, DetectorClip, read_clips, write_shard
from trainers.data.shards.detections import tracks
from trainers.deploy.run_engine import predict
from trainers.errors import UserError
from trainers.evaluation.occluders import occluder_test
from trainers.geometry.joint_set_inverse import spread
from trainers.test_clips.from_detections import from_shards, judge_named

WRIST, WRIST33 = H36M_17.index("left_wrist"), BLAZEPOSE_33.index("left_wrist")
KNEE = H36M_17.index("right_knee")


def clip(kind: str = "rendered", pool: str = "heldout", frames: int = 60, **changes: Any) -> DetectorClip:
    """A walker 4 m away.  Its left wrist is behind a board in frames 20-40, where the detector invents it."""
    pose = (walkers(1, frames)[0].numpy() * np.array([1, -1, 1], np.float32)).astype(np.float32)
    pose -= pose[:, :1]
    points = spread(pose, "blazepose33")
    truth = (points + [0, 0, 4])[..., :2] / (points + [0, 0, 4])[..., 2:] * 800 + [320, 240]
    xy, hidden = truth.copy(), np.zeros((frames, 50), np.uint8)
    xy[20:40, WRIST33] += 80
    hidden[20:40, [WRIST, 17 + WRIST33]] = BOARD
    hidden[10:15, KNEE] = OWN
    ones, flat = np.ones((frames, 33), np.float32), np.zeros((frames, 33), np.float32)
    score = ones * 0.9
    score[25:45, WRIST33] = 0.1
    arrays = {
        "t": np.arange(frames) / 30,
        "detected": np.ones(frames, bool),
        "xy": xy,
        "score": score,
        "presence": ones * 0.9,
        "world": points,
        "moved": xy,
        "look": points[..., :2] * 0,
        "back_error": flat,
        "patch_error": flat,
        "flow_known": flat > 0,
        "truth_xy": truth,
        "root": pose[:, 0] + [0, 0, 4],
        "xyz": pose,
        "xyz33": points,
        "hidden": hidden,
        "trusted": ones > 0,
    }
    head: dict[str, Any] = {
        "name": "walk",
        "subject": "05",
        "kind": kind,
        "pool": pool,
        "fps": 30.0,
        "width": 640,
        "height": 480,
        "focal": 800.0,
        "cx": 320.0,
        "cy": 240.0,
    }
    return DetectorClip(**(head | arrays | changes))


def test_a_track_becomes_a_trial_with_truth_and_reasons(tmp_path):
    write_shard(tmp_path, 0, [clip()])
    (one,) = from_shards(tmp_path, reliability="truth")
    assert one.hidden[20:40, WRIST].all() and one.hidden.sum() == 20
    assert one.own[10:15, KNEE].all() and one.own.sum() == 5
    assert not one.reliability[20:40, WRIST33].any() and one.reliability[:20].all()
    back = mapping("blazepose33", "h36m17") @ one.world
    limbs = [j for j, name in enumerate(H36M_17.joints) if "_" in name]
    assert np.abs(back[:, limbs] - one.pose[:, limbs]).max() < 2e-3


def test_reliability_is_what_was_asked_for(tmp_path):
    write_shard(tmp_path, 0, [clip()])
    (seen,) = from_shards(tmp_path, reliability="visibility")
    assert seen.reliability[30, WRIST33] == pytest.approx(0.1, abs=0.01) and seen.reliability[5].min() > 0.85
    with pytest.raises(UserError, match="--reliability hold: task lift, expected reliability"):
        judge_named("hold")
    with pytest.raises(UserError, match="no engine 'nothing'"):
        judge_named("nothing")


def test_held_out_looks_are_judged_where_there_are_some(tmp_path):
    write_shard(tmp_path, 0, [clip(pool="train"), clip(subject="06")])
    assert [t.subject for t in from_shards(tmp_path, reliability="truth")] == ["06"]
    assert [t.subject for t in from_shards(tmp_path, ("05",), "truth")] == ["05"]


def test_a_lost_track_starts_another_trial(tmp_path):
    detected = np.ones(60, bool)
    detected[28:32] = False
    write_shard(tmp_path, 0, [clip(detected=detected)])
    assert [len(t.x) for t in from_shards(tmp_path, reliability="truth")] == [28, 28]


def test_points_of_footage_count_only_where_the_reference_is_sure(tmp_path):
    trusted = np.ones((60, 33), bool)
    trusted[:, WRIST33] = False
    write_shard(tmp_path, 0, [clip("boards", "footage", trusted=trusted)])
    (one,) = from_shards(tmp_path, reliability="truth")
    assert not one.counts[:, WRIST].any() and one.counts[:, KNEE].all()


def test_flags_count_what_is_told_and_what_is_wrong():
    (track,) = tracks(clip())
    visibility = judge_named("visibility")(track)
    found = occluder_test.flags([(visibility, track)], 0.5)
    assert found["precision"] == pytest.approx(15 / 20) and found["recall"] == pytest.approx(15 / 20)
    assert found["share wrong"] == pytest.approx(20 / (60 * 33))
    assert found["recall, settled"] == pytest.approx(13 / 16) and found["precision, settled"] == pytest.approx(13 / 16)
    nothing = occluder_test.flags([(visibility, track)], 0.0)
    assert nothing["precision"] == nothing["recall"] == 0


def test_a_video_is_judged_against_its_own_run_without_boards(monkeypatch, tmp_path):
    made: list[Path] = []

    def synthesize(videos, out, passes, **_):
        made.append(out)
        return [write_shard(out, 0, [clip("boards", "footage")])]

    monkeypatch.setattr(occluder_test, "synthesize_boards", synthesize)
    found = occluder_test.judge_video(Path("a.mp4"), Echo(16, joints="blazepose33"), "visibility", 1)
    assert found["flags"]["recall"] == pytest.approx(0.75) and found["parts"]["limbs hidden"]["joints"] == 16
    assert found["parts"]["limbs"]["mpjpe"] < 1.0 and not made[0].exists()


def test_footage_without_anybody_is_refused(monkeypatch):
    monkeypatch.setattr(occluder_test, "synthesize_boards", lambda videos, out, passes, **_: [write_shard(out, 0, [])])
    with pytest.raises(UserError, match=r"--boards a\.mp4: nobody could be followed"):
        occluder_test.judge_video(Path("a.mp4"), Echo(), "truth", 1)


def test_shards_drive_an_engine_of_the_detector_s_joints(tmp_path):
    write_shard(tmp_path, 0, [clip()])
    assert len(list(read_clips(tmp_path))) == 1
    trials = list(from_shards(tmp_path, reliability="truth"))
    ((_, (xyz, _)),) = predict(Echo(4, joints="blazepose33"), trials)
    assert np.abs(xyz[:, KNEE] - trials[0].pose[:, KNEE]).max() < 2e-3
