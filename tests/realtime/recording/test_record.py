"""Recording a run from inside and from outside: in order, complete, losses counted, the same file after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest

from realtime.cli.main import main
from realtime.pipeline import LIVE, RECORD
from realtime.recording.file_format import RecordingWriter
from realtime.recording.reader import Recorded, summarize
from realtime.recording.recorder import Copier, NetworkIntake, StreamRecorder
from realtime.recording.stage import go_on
from realtime.transport.pose_ring import PoseRingReader, PoseRingWriter
from realtime.wire.messages import Hello, Keypoints2D, Pose3D, encode
from tests.realtime.recording.test_file_format import wire
from tests.support.fakes.run import faked
from tests.support.fakes.run import settings as run_settings
from tests.support.live import SMALL, live
from tests.support.peer import free_address, hello, keypoints, pose
from tests.support.publisher import FakePipeline

TABLE = faked(LIVE) | RECORD


def seqs(path, kind=Pose3D):
    return [m.stamp.seq for m in Recorded(path) if isinstance(m, kind) and getattr(m, "status", "OK") != "STALE"]


def wait_for(done, limit_s=15.0):
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def size(path):
    return path.stat().st_size if path.exists() else 0


def test_the_record_stage_keeps_every_published_message(monkeypatch, tmp_path):
    path = tmp_path / "run.poses"
    with live(monkeypatch, {"record.file": str(path)}, TABLE) as run:
        run.peer.fresh_pose(20)
        run.peer.wait(lambda: len(run.peer.poses) > 60, 20)
        published = [m["seq"] for _, m in run.peer.poses if m["status"] == "OK"]
    recorded, summary = seqs(path), summarize(path)
    assert set(published) <= set(recorded) and recorded == sorted(set(recorded))
    assert set(recorded) <= set(seqs(path, Keypoints2D)) and isinstance(summary.hello, Hello)
    assert summary.losses.at_writing == 0 and not summary.damage.places


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_record_stage_goes_on_with_the_same_file(monkeypatch, tmp_path):
    path = tmp_path / "run.poses"
    with live(monkeypatch, {"record.file": str(path)}, TABLE) as run:
        run.peer.fresh_pose(20)
        wait_for(lambda: size(path) > 20_000)
        others = {k: v for k, v in run.pids().items() if k != "record"}
        os.kill(run.pids()["record"], signal.SIGKILL)
        before = size(path)
        wait_for(lambda: size(path) > before + 20_000)
        assert {k: v for k, v in run.pids().items() if k != "record"} == others
        assert run.health()["record"].restarts_1h == 1
    found = seqs(path)
    assert found == sorted(set(found)) and summarize(path).damage.bytes_skipped < 8192


def test_a_run_does_not_write_over_a_recording(tmp_path):
    path = tmp_path / "run.poses"
    path.write_bytes(b"something")
    command = [sys.executable, "-m", "tests.support.fakes.run", json.dumps(SMALL | {"record.file": str(path)})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "a recording is never written over" in done.stderr
    assert path.read_bytes() == b"something" and "Traceback" not in done.stderr


def test_nothing_is_recorded_unless_asked():
    assert run_settings(SMALL).record.file is None


def test_from_outside_on_this_machine_the_ring_gives_all(tmp_path):
    path = tmp_path / "a.poses"
    with FakePipeline() as stream:
        recorder = StreamRecorder(stream.address, path)
        recorder.start()
        wait_for(lambda: recorder.records > 90)
        recorder.close()
    found = seqs(path)
    assert found == list(range(found[0], found[0] + len(found))) and recorder.lost == 0 and not recorder.error


def test_from_outside_over_the_network_losses_are_counted(tmp_path):
    with FakePipeline(hz=60) as stream:
        intake = NetworkIntake(stream.address)
        got = []
        wait_for(lambda: got.extend(intake.drain()) or len(got) > 60)
        last = stream.seq
        stream.muted = True  # frames go on, nobody hears them, and `dropped` hardly grows
        wait_for(lambda: stream.seq > last + 60)
        stream.muted = False
        wait_for(lambda: intake.drain() and intake.lost > 0)
        intake.close()
    assert 50 < intake.lost < 120


def test_the_command_records_for_a_while(tmp_path, capsys):
    path = tmp_path / "a.poses"
    with FakePipeline() as stream:
        assert main(["record", str(path), "--connect", stream.address, "--seconds", "1.5"]) == 0
    assert len(seqs(path)) > 20 and "messages, 0 lost" in capsys.readouterr().err
    assert main(["info", str(path)]) == 0


def test_the_command_says_when_nothing_came(tmp_path, capsys):
    assert main(["record", str(tmp_path / "a"), "--connect", "tcp://127.0.0.1:1", "--seconds", "0.5"]) == 0
    assert "nothing was published yet" in capsys.readouterr().err


def test_a_lapped_reader_says_so_in_the_file(tmp_path):
    class Lapped:
        lost = restarts = 0

        def drain(self):
            self.lost += 5
            return [wire(1)]

        def close(self):
            pass

    with RecordingWriter(tmp_path / "a") as writer:
        Copier(Lapped(), writer).turn()
    assert summarize(tmp_path / "a").losses.at_writing == 5


def test_a_recorder_that_was_killed_behind_a_hello_goes_on_there_and_not_behind_the_next_one(tmp_path):
    """Every Hello of a run is byte for byte the same: only messages with a stamp say where a recording ended."""
    path, address = tmp_path / "a.poses", free_address()
    said = [encode("hello", "cam0", hello()), *(m for seq in range(90) for m in frame_messages(seq))]
    said[61:61] = [said[0]]  # a second and two seconds later
    said[121:121] = [said[0]]
    with RecordingWriter(path) as writer, closing(PoseRingWriter(address)) as ring:
        for data in said:
            ring.write(data)
        for data in said[:62]:
            writer.write(data)
        with closing(PoseRingReader(address)) as intake:
            copier = Copier(intake, writer)
            go_on(copier, intake, path)
            copier.turn()
    assert seqs(path) == list(range(90)) == seqs(path, Keypoints2D)
    assert summarize(path).losses.at_writing == 0


def test_what_a_killed_recorder_missed_is_counted_between_poses(tmp_path):
    """The ring no longer holds its last message; keypoints do not say how many frames were dropped, poses do."""
    path, address = tmp_path / "a.poses", free_address()
    with RecordingWriter(path) as writer, closing(PoseRingWriter(address)) as ring:
        for seq in range(10):
            for data in frame_messages(seq):
                writer.write(data)
        for seq in range(40, 50):
            for data in frame_messages(seq, dropped=7):
                ring.write(data)
        with closing(PoseRingReader(address)) as intake:
            copier = Copier(intake, writer)
            go_on(copier, intake, path)
            copier.turn()
    assert summarize(path).losses.at_writing == 30 - 7


def frame_messages(seq, dropped=0):
    return [
        encode("pose3d", "cam0", replace(pose(seq), dropped=dropped)),
        encode("keypoints2d", "cam0", replace(keypoints(seq), dropped=0)),
    ]
