"""Replay: the same poses at the same distances, as a stream of now; every client works on it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from realtime import clock
from realtime.cli.main import main
from realtime.client.pose_client import PoseClient
from realtime.recording.file_format import RecordingWriter
from realtime.recording.reader import Recorded, hello_and_poses
from realtime.recording.replay import Restamper, moments
from realtime.wire.messages import replace
from tests.realtime.cli.test_export import record, two_people
from tests.support.live import Peer
from tests.support.people import walker as fake
from tests.support.publisher import free_address


@pytest.fixture
def recording(tmp_path):
    return record(tmp_path / "walk.poses", two_people(60))


@contextmanager
def replaying(path, *flags):
    bind = free_address()
    command = [sys.executable, "-m", "realtime.cli.main", "replay", str(path), "--bind", bind, *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    process.bind = bind
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_every_pose_comes_with_what_came_before_it():
    poses = fake.walk(3)
    both = [fake.HELLO] + [m for p in poses for m in (fake.keypoints(p.stamp.seq, p.people, p.stamp), p)]
    found = list(moments(both))
    assert [m.pose for m in found] == poses and len(found[0].hellos) == 1 and len(found[1].keypoints) == 1
    assert found[0].after_ns == 0 and found[1].after_ns == pytest.approx(1e9 / 30, rel=1e-6)


def test_a_hole_in_the_recording_is_not_waited_for():
    poses = fake.walk(200)
    found = list(moments([poses[0], poses[150], poses[0]]))
    assert [m.after_ns for m in found] == [0, 10**9, 0]


def test_a_pose_keeps_its_age_and_gets_a_new_stream():
    pose, restamper = fake.walk(1)[0], Restamper(77)
    again = restamper.pose(pose, 5 * 10**12, 6 * 10**18)
    assert again.t_publish_ns == 5 * 10**12 and again.stamp.seq == 0 and again.stamp.stream == 77
    assert again.t_publish_ns - again.stamp.t_capture_ns == pose.t_publish_ns - pose.stamp.t_capture_ns
    restamper.begin()
    assert restamper.pose(pose, 6 * 10**12, 0).stamp.stream == 78


def test_poses_from_a_film_are_paced_by_media_time():
    slow = [replace(p, live=False, t_publish_ns=p.stamp.t_capture_ns + i * 10**9) for i, p in enumerate(fake.walk(3))]
    found = list(moments(slow))
    assert found[2].after_ns == pytest.approx(1e9 / 30, rel=1e-6)
    again = Restamper(1).pose(slow[2], 10**13, 0)
    assert not again.live and again.stamp.t_capture_ns == 10**13


def test_a_replay_is_no_live_stream_and_keeps_the_distances_of_capture():
    poses, restamper = fake.walk(30), Restamper(1)
    again = [restamper.pose(p, 10**13 + i * 10**7, 0) for i, p in enumerate(poses)]  # played faster than it was filmed
    assert not any(p.live for p in again)
    wanted = np.diff([p.stamp.t_capture_ns for p in poses])
    assert np.array_equal(np.diff([p.stamp.t_capture_ns for p in again]), wanted)


def test_nobody_is_given_a_stale_pose_even_if_the_recording_was_slow():
    late = replace(fake.walk(1)[0], t_publish_ns=fake.walk(1)[0].stamp.t_capture_ns + 10**9)
    again = Restamper(1, max_age_ms=150).pose(late, 10**13, 0)
    assert again.t_publish_ns - again.stamp.t_capture_ns <= 150e6


def test_clients_hear_a_stream_that_says_it_is_a_recording(recording):
    with replaying(recording, "--loop") as process, PoseClient(process.bind) as client:
        hello = client.hello(20)
        assert hello.joints == fake.HELLO.joints and hello.clock == clock.identity() and hello.boot.startswith("replay")
        assert hello.medium == "recording"
        fresh = [pose for pose, _ in zip(client, range(90)) if pose.status == "OK"]
        assert len(fresh) > 60 and len({p.stamp.stream for p in fresh}) >= 2
        wanted = {p.stamp.seq: p.people[0].xyz for p in two_people(60)}
        assert all(np.array_equal(p.people[0].xyz, wanted[p.stamp.seq]) for p in fresh)
        assert not any(p.live for p in fresh) and all(clock.age_ms(p.stamp.t_capture_ns) >= 0 for p in fresh)


def test_speed_changes_the_distances_and_the_end_is_exit_0(recording):
    took = {}
    for speed in ("1", "4"):
        with replaying(recording, "--speed", speed) as process:
            peer = Peer(process.bind)
            assert process.wait(30) == 0
            times = [at for at, m in peer.poses if m["status"] == "OK"]
            peer.close()
        took[speed] = times[-1] - times[0]
        assert len(times) > 40
    assert took["4"] < 0.5 * took["1"] < 1.5


def test_a_second_replay_on_the_port_is_refused(recording):
    with replaying(recording, "--loop") as process:
        peer = Peer(process.bind)
        peer.fresh_pose(20)
        done = subprocess.run(
            [sys.executable, "-m", "realtime.cli.main", "replay", str(recording), "--bind", process.bind],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        peer.close()
    assert done.returncode == 3 and "Traceback" not in done.stderr


def test_bad_flags_and_files_are_explained(recording, tmp_path, capsys):
    assert main(["replay", str(recording), "--speed", "0"]) == 2
    assert "--speed is 0.01 to 100" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "none")]) == 2
    with RecordingWriter(tmp_path / "empty.poses"):
        pass
    assert main(["replay", str(tmp_path / "empty.poses")]) == 2


def test_a_replay_can_be_recorded_again(recording, tmp_path):
    again = tmp_path / "again.poses"
    with replaying(recording, "--loop") as process:
        peer = Peer(process.bind)
        peer.fresh_pose(20)
        peer.close()
        assert main(["record", str(again), "--connect", process.bind, "--seconds", "2.5"]) == 0
    hello, poses = hello_and_poses(Recorded(again))
    assert hello.joints == fake.HELLO.joints and len(poses) > 40
    wanted = {p.stamp.seq: p.people[1].xyz for p in two_people(60)}
    assert all(np.array_equal(p.people[1].xyz, wanted[p.stamp.seq]) for p in poses)
