"""`realtime process`: every recorded frame gets a new pose, by the engine that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.cli.main import main
from realtime.recording.file_format import RecordingWriter
from realtime.recording.reader import Recorded, summarize
from realtime.wire.messages import Keypoints2D, Person2D, Pose3D, encode, replace
from tests.realtime.cli.test_export import two_people
from tests.support.networks.models import put_step, put_window
from tests.support.people import walker as fake

HELLO = replace(fake.HELLO, joints2d=H36M_17.joints, parents2d=H36M_17.parents)  # what the small engines take


@pytest.fixture
def recording(tmp_path):
    return record(tmp_path / "walk.poses", two_people(30))


def record(path, poses, hello=HELLO):
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", hello))
        for pose in poses:
            people = tuple(
                Person2D(p.id, p.xy, p.reliability, p.reliability, reliability=p.reliability) for p in pose.people
            )
            writer.write(encode("keypoints2d", "cam0", Keypoints2D(pose.stamp, pose.width, pose.height, people)))
            writer.write(encode("pose3d", "cam0", pose))
    return path


def seqs(path, kind):
    return [m.stamp.seq for m in Recorded(path) if isinstance(m, kind)]


@pytest.mark.parametrize("put", [put_step, put_window])
def test_every_frame_gets_a_new_pose(recording, tmp_path, put, capsys):
    folder = put(tmp_path / "small")
    out = tmp_path / "new.poses"
    assert main(["process", str(recording), "--engine", str(folder), "--out", str(out)]) == 0
    assert "30 poses by small (cpu)" in capsys.readouterr().out
    assert seqs(out, Pose3D) == seqs(out, Keypoints2D) == list(range(30))
    summary = summarize(out)
    assert summary.hello.engine == "small" and summary.hello.joints == fake.HELLO.joints
    assert summary.people == {1: 30, 2: 30} and summary.statuses == {"OK": 30}


def test_the_answer_is_the_lifters_own_and_stands_in_a_file_beside(recording, tmp_path):
    folder = put_step(tmp_path / "small")
    assert main(["process", str(recording), "--engine", str(folder)]) == 0
    poses = [m for m in Recorded(tmp_path / "walk.small.sp") if isinstance(m, Pose3D)]
    old = two_people(30)
    assert all(not np.allclose(a.people[0].xyz, b.people[0].xyz, atol=1e-3) for a, b in zip(poses, old))
    assert all(not p.live and p.t_publish_ns == p.stamp.t_capture_ns for p in poses)
    assert main(["export", str(tmp_path / "walk.small.sp"), "--to", "npz"]) == 0


def test_a_new_stream_starts_anew(tmp_path):
    folder, twice = put_step(tmp_path / "small"), tmp_path / "twice.poses"
    once = two_people(20)
    again = [replace(p, stamp=replace(p.stamp, stream=2, t_capture_ns=p.stamp.t_capture_ns + 10**11)) for p in once]
    record(twice, once + again)
    assert main(["process", str(twice), "--engine", str(folder)]) == 0
    poses = [m for m in Recorded(tmp_path / "twice.small.sp") if isinstance(m, Pose3D)]
    assert len(poses) == 40
    assert all(np.allclose(a.people[0].xyz, b.people[0].xyz, atol=1e-5) for a, b in zip(poses[:20], poses[20:]))


def test_errors_say_what_and_why(recording, tmp_path, capsys):
    folder = put_step(tmp_path / "small")
    assert main(["process", str(recording), "--engine", str(folder), "--out", str(recording)]) == 2
    assert "never written over" in capsys.readouterr().err
    other = record(tmp_path / "other.poses", two_people(3), replace(HELLO, joints2d=("a", "b"), parents2d=(-1, 0)))
    assert main(["process", str(other), "--engine", str(folder)]) == 2
    assert "lifts h36m17 (17 joints), the recording holds 2 joints" in capsys.readouterr().err
    with RecordingWriter(tmp_path / "empty.poses") as writer:
        writer.write(encode("hello", "cam0", fake.HELLO))
    assert main(["process", str(tmp_path / "empty.poses")]) == 2
    assert "nothing to lift" in capsys.readouterr().err
    assert main(["process", str(recording), "--engine", str(tmp_path / "none")]) == 6
