"""The recording's file: what was written comes back, a kill costs one record at most, damage is skipped and counted."""

import os
import random
import signal
import stat
import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.recording import file_format
from realtime.recording.file_format import HEADER, MAGIC, RecordingError, RecordingReader, RecordingWriter


def wire(i, topic="pose3d/cam0", size=200):
    return topic.encode() + b"\0" + struct.pack("<I", i) + bytes(size)


def written(path, count=20):
    with RecordingWriter(path) as writer:
        for i in range(count):
            writer.write(wire(i))
    return path


def numbers(reader):
    return [struct.unpack_from("<I", r.payload, r.payload.find(b"\0") + 1)[0] for r in reader]


def test_what_was_written_comes_back_in_order(tmp_path):
    with RecordingWriter(tmp_path / "a.poses") as writer:
        assert all(
            writer.write(wire(i, topic)) for i, topic in enumerate(["hello/cam0", "keypoints2d/cam0", "pose3d/x"])
        )
    records = list(RecordingReader(tmp_path / "a.poses"))
    assert [r.type for r in records] == [file_format.HELLO, file_format.KEYPOINTS2D, file_format.POSE3D]
    assert records[1].payload == wire(1, "keypoints2d/cam0")


def test_only_the_three_topics_are_kept(tmp_path):
    with RecordingWriter(tmp_path / "a.poses") as writer:
        assert not writer.write(wire(0, "health/cam0")) and not writer.write(wire(0, "pose3dx/cam0"))
        assert not writer.write(b"no topic at all")
    assert list(RecordingReader(tmp_path / "a.poses")) == []


def test_losses_are_part_of_the_file(tmp_path):
    with RecordingWriter(tmp_path / "a.poses") as writer:
        writer.write(wire(0))
        writer.write_lost(7)
    last = list(RecordingReader(tmp_path / "a.poses"))[-1]
    assert last.type == file_format.LOST and file_format.COUNT.unpack(last.payload) == (7,)


def test_a_recording_is_for_its_user_only(tmp_path):
    path = written(tmp_path / "a.poses")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_writer_goes_on_behind_the_first(tmp_path):
    path = written(tmp_path / "a.poses", 3)
    with path.open("ab") as file:
        file.write(file_format.pack(file_format.POSE3D, wire(99))[:50])
    with RecordingWriter(path) as writer:
        writer.write(wire(3))
    reader = RecordingReader(path)
    assert numbers(reader) == [0, 1, 2, 3]
    assert (reader.damage.bytes_skipped, reader.damage.places, reader.damage.torn_tail) == (50, 1, False)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_bit_costs_one_record_at_most(tmp_path_factory, data):
    path = written(tmp_path_factory.mktemp("flip") / "a.poses", 8)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(len(MAGIC), len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    reader = RecordingReader(path)
    assert len(set(range(8)) - set(numbers(reader))) == 1
    assert reader.damage.places == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 230 * 6))
def test_a_cut_anywhere_leaves_all_whole_records(tmp_path_factory, cut):
    path = written(tmp_path_factory.mktemp("cut") / "a.poses", 5)
    raw = path.read_bytes()[: len(MAGIC) + cut]
    path.write_bytes(raw)
    size = HEADER.size + len(wire(0))
    reader = RecordingReader(path)
    assert numbers(reader) == list(range(min(5, cut // size)))
    assert reader.damage.torn_tail == (cut < 5 * size and cut % size > 0)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "an empty file"), (b"RIFF1234", "no recording"), (MAGIC[:-3], "no recording")]
)
def test_other_files_are_refused(tmp_path, content, words):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(RecordingError, match=words):
        RecordingReader(tmp_path / "a")


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        RecordingReader(tmp_path / "none.poses")


def test_a_record_beyond_the_limit_is_refused(tmp_path):
    with (
        RecordingWriter(tmp_path / "a.poses") as writer,
        pytest.raises(ValueError, match="at most 65536 bytes, found 70"),
    ):
        writer.write(wire(0, size=70000))


def test_a_file_full_of_lies_is_read_quickly(tmp_path):
    lie = HEADER.pack(file_format.SYNC, 3, file_format.MAX_PAYLOAD, 0)
    (tmp_path / "lies").write_bytes(MAGIC + lie * 5000)
    reader = RecordingReader(tmp_path / "lies")
    assert list(reader) == [] and reader.damage.bytes_skipped == len(lie) * 5000


def test_an_existing_recording_is_never_written_over(tmp_path):
    path = written(tmp_path / "a.poses")
    with pytest.raises(RecordingError, match="exists; a recording is never written over"):
        file_format.check_target(path)
    with pytest.raises(RecordingError, match="mkdir -p"):
        file_format.check_target(tmp_path / "none" / "a.poses")
    assert file_format.check_target(tmp_path / "new.poses") == tmp_path / "new.poses"


KILLED_WRITER = """
import sys
from realtime.recording.file_format import RecordingWriter
from tests.realtime.recording.test_file_format import wire
writer = RecordingWriter(sys.argv[1])
for i in range(10**9):
    print(i, flush=True)
    writer.write(wire(i, size=3000))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("moment", range(20))
def test_kill_9_loses_at_most_the_last_frame(tmp_path, moment):
    path = tmp_path / "killed.poses"
    child = subprocess.Popen([sys.executable, "-c", KILLED_WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    for _ in range(random.Random(moment).randrange(1, 2000)):
        last = child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split("\n")
    child.stdout.close()
    child.wait()
    begun = int(next((line for line in reversed(rest[:-1]) if line), last))
    found = numbers(RecordingReader(path))
    assert found == list(range(len(found)))
    assert len(found) >= begun  # frame `begun` is the one that may be missing
