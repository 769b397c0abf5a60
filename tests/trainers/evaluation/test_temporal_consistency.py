"""`trainers steadiness`: a calm stream beside a detector that trembles and exchanges sides, with known amounts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engines.skeleton import H36M_17, mapping
from realtime.recording.file_format import RecordingWriter
from realtime.wire import messages
from realtime.wire.messages import replace
from tests.support.people import walker as fake
from trainers.cli import main
from trainers.evaluation.temporal_consistency import bone_variation, trembling, turns

PICK = np.argmax(mapping("blazepose33", "h36m17"), axis=0)
MIRROR = np.asarray(H36M_17.mirror())


def recording(path, count=90, shake=0.0, exchanged=(), with_3d=True):
    """A walk; the detector's own 3D is the same, trembling, with left and right exchanged in some frames."""
    rng = np.random.default_rng(0)
    with RecordingWriter(path) as writer:
        writer.write(messages.encode("hello", "cam0", fake.HELLO))
        for i, pose in enumerate(fake.walk(count)):
            flat = fake.keypoints(i, pose.people, pose.stamp)
            said = pose.people[0].xyz[MIRROR if i in exchanged else slice(None)]
            world = (said[np.minimum(PICK, 16)] + rng.normal(0, shake, (33, 3))).astype(np.float32)
            if with_3d:
                flat = replace(flat, people=(replace(flat.people[0], world=world),))
            writer.write(messages.encode("pose3d", "cam0", pose))
            writer.write(messages.encode("keypoints2d", "cam0", flat))
    return path


def measured(tmp_path, **how):
    path, out = recording(tmp_path / "walk.sp", **how), tmp_path / "figures.json"
    assert main(["steadiness", str(path), "--out", str(out)]) == 0
    return json.loads(out.read_text())[str(path)]


def test_both_are_alike_where_the_detector_says_the_same(tmp_path):
    found = measured(tmp_path)
    assert found["people"] == 1 and found["seconds"] == pytest.approx(89 / 30, abs=0.01)
    assert found["stream"]["turns a minute"] == found["detector"]["turns a minute"] == 0
    assert found["stream"]["bones, %"] < 1 and found["stream"]["trembling, mm"] < 20


def test_a_detector_that_trembles_and_exchanges_sides_is_told(tmp_path, capsys):
    found = measured(tmp_path, shake=0.02, exchanged=(30, 31, 60))
    calm, wild = found["stream"], found["detector"]
    assert wild["turns a minute"] == pytest.approx(4 / found["seconds"] * 60)  # there and back, twice
    assert wild["bones, %"] > 4 * calm["bones, %"] and wild["trembling, mm"] > 3 * calm["trembling, mm"]
    assert "walk.sp" in capsys.readouterr().out


def test_a_recording_without_the_detectors_3d_is_refused(tmp_path, capsys):
    path = recording(tmp_path / "flat.sp", with_3d=False)
    assert main(["steadiness", str(path)]) == 2
    assert "flat.sp" in capsys.readouterr().err


def test_a_recording_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["steadiness", str(tmp_path / "none.spz")]) == 2
    assert "none.spz" in (said := capsys.readouterr().err) and len(said.splitlines()) == 1


def test_only_what_is_seen_or_there_counts():
    pose = np.random.default_rng(1).normal(size=(40, 17, 3))
    nothing = np.zeros((40, 17), bool)
    assert len(bone_variation(pose, nothing)) == 0 and len(trembling(pose, nothing)) == 0
    assert len(bone_variation(pose, ~nothing)) == 8 and len(trembling(pose, ~nothing)) == 38 * 17


def test_a_slow_turn_is_no_exchange():
    angle = np.linspace(0, 4 * np.pi, 120)
    pose = np.zeros((120, 17, 3))
    for side, sign in (("left", 1), ("right", -1)):
        for part in ("hip", "shoulder"):
            pose[:, H36M_17.index(f"{side}_{part}")] = sign * np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    assert turns(pose) == 0
