"""FAULTS G8: the disk is full, the folder read-only: the recording stops with one error, the stream goes on."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from realtime.cli.main import main
from realtime.pipeline import LAYOUTS, RECORD
from realtime.recording.file_format import RecordingError, RecordingReader, RecordingWriter, check_target
from realtime.recording.recorder import StreamRecorder
from realtime.wire.messages import encode
from tests.support.fakes.run import faked
from tests.support.live import live
from tests.support.people import walker as fake
from tests.support.publisher import FakePipeline

LIMITED = """
import resource, sys
from realtime.recording.file_format import RecordingError, RecordingWriter
from tests.realtime.recording.test_file_format import wire
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
errors = []
with RecordingWriter(sys.argv[1]) as writer:
    for i in range(100):
        try:
            writer.write(wire(i))
        except RecordingError as error:
            errors.append(str(error))
            break
print(writer.records, *errors, sep="|")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_g8_a_full_disk_is_one_error_with_the_file_in_it():
    with pytest.raises(RecordingError, match=r"recording /dev/full stopped: No space left on device; the stream goes"):
        RecordingWriter("/dev/full")


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
def test_g8_a_file_that_may_not_grow_ends_behind_a_whole_record(tmp_path):
    path = tmp_path / "small.poses"
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=60)
    records, error = done.stdout.strip().split("|")
    assert "stopped: File too large; the stream goes on" in error
    reader = RecordingReader(path)
    assert len(list(reader)) == int(records) > 5 and reader.damage.places == 0


@pytest.mark.skipif(sys.platform != "linux", reason="a disk that is full for one process")
def test_g8_a_run_whose_recording_fails_goes_on_and_says_so_once(monkeypatch, layout, tmp_path, capfd):
    path = tmp_path / "run.poses"
    monkeypatch.setenv("FAKES_DISK_BYTES", "20000")
    table = faked(LAYOUTS[layout]) | {"record": replace(RECORD["record"], main="tests.support.fakes.small_disk:main")}
    with live(monkeypatch, {"record.file": str(path)}, table) as run:
        run.peer.fresh_pose(20)
        pids = run.pids()
        run.peer.stage("record", "DEGRADED", "recording stopped", 20)
        run.peer.fresh_pose(3)
        assert run.pids() == pids and run.health()["record"].restarts_1h == 0
    assert capfd.readouterr().err.count("stopped: File too large") == 1
    assert len(list(RecordingReader(path))) > 5


def test_g8_a_missing_folder_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(RecordingError, match="mkdir -p"):
        check_target(tmp_path / "none" / "a.poses")


@pytest.mark.skipif(os.access("/proc/1/mem", os.W_OK), reason="this user may write everywhere")
def test_g8_a_read_only_folder_is_refused_before_anything_starts(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(RecordingError, match="is not writable"):
        check_target(tmp_path / "a.poses")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no files, not even from root")
def test_g8_recording_from_outside_to_where_no_file_can_be_says_why_and_exits_2(capsys):
    with FakePipeline() as stream:
        recorder = StreamRecorder(stream.address, Path("/proc/none.poses"))
        with closing(recorder):
            recorder.start()
            recorder.join(10)
        assert "recording /proc/none.poses cannot be opened" in recorder.error
        assert main(["record", "/proc/none.poses", "--connect", stream.address]) == 2
    assert "/proc/none.poses" in capsys.readouterr().err


def test_g8_what_was_written_before_the_disk_was_full_can_be_exported(tmp_path):
    path = tmp_path / "a.poses"
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", fake.HELLO))
        for pose in fake.walk(30):
            writer.write(encode("pose3d", "cam0", pose))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    assert main(["export", str(path), "--to", "csv"]) == 0
    assert (tmp_path / "a.csv").read_text().count("\n") == 29 * 17 + 1
