"""`trainers refine`: a recording goes in, one with better poses comes out, everything else byte for byte."""

from __future__ import annotations

import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.recording.file_format import HELLO, POSE3D, RecordingReader, RecordingWriter
from realtime.recording.reader import Recorded, summarize
from realtime.wire import messages
from realtime.wire.messages import ABSENT, INFERRED, replace
from tests.support.networks.trying import motion_folder
from tests.support.people import walker as fake
from trainers.cli import main

WRIST = H36M_17.index("left_wrist")
SHORT = replace(fake.HELLO, joints=fake.HELLO.joints[:16], parents=fake.HELLO.parents[:16])


def recording(path, count=70, shake=0.02, order=("pose", "keypoints"), hello=fake.HELLO, hidden=None):
    """A walk as `realtime record` keeps it; the poses' left wrist is 12 cm beside its keypoint, and all tremble."""
    rng = np.random.default_rng(0)
    with RecordingWriter(path) as writer:
        if hello:
            writer.write(messages.encode("hello", "cam0", hello))
        for i, pose in enumerate(fake.walk(count, hidden=hidden)):
            keypoints = fake.keypoints(i, pose.people, pose.stamp)
            off = np.zeros((17, 3), np.float32)
            off[WRIST, 0] = 0.12
            moved = pose.people[0].xyz + off + rng.normal(0, shake, (17, 3)) * (np.arange(17) > 0)[:, None]
            said = replace(pose, people=(replace(pose.people[0], xyz=moved.astype(np.float32)),))
            wires = {"pose": ("pose3d", said), "keypoints": ("keypoints2d", keypoints)}
            for name in order:
                writer.write(messages.encode(wires[name][0], "cam0", wires[name][1]))
        writer.write_lost(3)
    return path


def poses(path):
    return np.stack([m.people[0].xyz for m in Recorded(path) if isinstance(m, messages.Pose3D)])


def truth(count=70):
    there = np.stack([fake.in_camera(fake.walker(i / 30)) for i in range(count)])
    return there - there[:, :1]


@pytest.mark.parametrize("order", [("pose", "keypoints"), ("keypoints", "pose")])
def test_poses_come_nearer_to_the_truth_and_calmer(tmp_path, capsys, order):
    path = recording(tmp_path / "walk.rec", order=order)
    assert main(["refine", str(path), "--iterations", "80"]) == 0
    before, after = poses(path), poses(tmp_path / "walk.rec.refined")
    off = [np.abs(p - truth())[:, WRIST, 0].mean() for p in (before, after)]
    jerk = [np.linalg.norm(np.diff(p, 2, axis=0), axis=-1).mean() for p in (before, after)]
    assert off[1] < 0.75 * off[0] and jerk[1] < 0.8 * jerk[0]
    assert "70 poses of 1 people refined" in capsys.readouterr().out


def test_everything_else_is_copied(tmp_path):
    path, out = recording(tmp_path / "a.rec"), tmp_path / "b.rec"
    assert main(["refine", str(path), "--out", str(out), "--iterations", "2", "--weights", "hard"]) == 0
    old, new = list(RecordingReader(path)), list(RecordingReader(out))
    assert [r.type for r in old] == [r.type for r in new]
    assert all(a.payload == b.payload for a, b in zip(old, new) if a.type not in (HELLO, POSE3D))
    assert summarize(out).hello.engine == "walker refined" and summarize(out).losses.at_writing == 3
    (first, *_), (second, *_) = ([m for m in Recorded(p) if isinstance(m, messages.Pose3D)] for p in (path, out))
    assert replace(second, people=()) == replace(first, people=())
    assert np.array_equal(first.people[0].sigma, second.people[0].sigma)


def test_absent_joints_stay_and_people_without_keypoints_too(tmp_path):
    path = recording(tmp_path / "a.rec", hidden=lambda i: {"left_knee": ABSENT, "head": INFERRED})
    assert main(["refine", str(path), "--iterations", "5"]) == 0
    knee = H36M_17.index("left_knee")
    before, after = poses(path), poses(tmp_path / "a.rec.refined")
    assert np.array_equal(before[:, knee], after[:, knee]) and not np.allclose(before, after)


@pytest.mark.parametrize(
    ("options", "made", "said"),
    [
        (["--sigma", "0"], {}, "--sigma: expected 0.01 to 100, found 0"),
        (["--iterations", "0"], {}, "--iterations"),
        ([], {"order": ("pose",)}, "none of both of one frame"),
        ([], {"hello": None}, "joints of 0 kinds"),
        ([], {"hello": SHORT}, "poses of 16 joints (pelvis, ...), expected h36m17"),
        ([], {"hello": replace(fake.HELLO, joints2d=("nose",), parents2d=(-1,))}, "expected one of h36m17"),
        (["--run", "nowhere"], {}, "nowhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_refined_is_said_in_one_line(tmp_path, capsys, options, made, said):
    path = recording(tmp_path / "a.rec", count=5, **made)
    assert main(["refine", str(path), *options]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "a.rec.refined").exists()


def test_no_recording_and_one_in_the_way_are_refused(tmp_path, capsys):
    assert main(["refine", str(tmp_path / "none.rec")]) == 2
    path = recording(tmp_path / "a.rec", count=3)
    (tmp_path / "a.rec.refined").write_bytes(b"mine")
    assert main(["refine", str(path)]) == 2
    assert "a.rec.refined" in capsys.readouterr().err


def test_weigh_prints_a_row_for_every_weighting(tmp_path, capsys):
    folder = motion_folder(tmp_path, frames=60)
    out = tmp_path / "rows.json"
    asked = ["weigh", "hold", "--data", folder, "--iterations", "2", "--limit", "1", "--out", str(out)]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert (
        all(
            row in shown for row in ("no ISO", "constant", "hard 0.7", "soft 1", "w = 0", "lambda2 = 0", "open, change")
        )
        and out.exists()
    )
