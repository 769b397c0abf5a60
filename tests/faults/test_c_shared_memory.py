"""FAULTS, group C: too little shared memory, segments cut off, readers and owners that die, torn and lapped reads."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from realtime import clock
from realtime.transport import shared_memory
from realtime.transport.address import memory_key
from realtime.transport.bus import Bus
from realtime.transport.frame_ring import FrameReader, FrameWriter
from realtime.transport.pose_ring import SLOTS, PoseRingReader, name_of
from realtime.transport.runtime_dir import run_directory
from tests.faults.test_b_transport import ends_with
from tests.faults.test_d_processes import command, linux_only, peer_of
from tests.support.camera import OTHER_SIZE, SIZE, Camera
from tests.support.live import live
from tests.support.peer import free_address, python, stamp, until

pytestmark = linux_only
KINDS = ["file", "named"]
FULL = """
import errno, os
def posix_fallocate(handle, offset, size):
    raise OSError(errno.ENOSPC, "No space left on device")
os.posix_fallocate = posix_fallocate
"""


def segments(bind: str, what: str = "") -> list[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"{memory_key(bind)}-{what}")]


def test_c1_too_little_memory_ends_the_start_with_both_numbers(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(FULL)
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    bind = free_address()
    said, _ = ends_with(4, {"PYTHONPATH": path}, **{"publish.bind": bind})
    assert "needs" in said and "has" in said and "MB" in said
    assert not segments(bind)


def test_c1_a_ring_beyond_the_memory_there_is_is_an_error_not_a_signal():
    name = f"{memory_key(free_address())}-poses"
    with pytest.raises(shared_memory.NoRoom, match="needs"):
        shared_memory.create(name, 2 * shutil.disk_usage("/dev/shm").total)
    assert name not in os.listdir("/dev/shm")


def test_c2_pictures_cut_off_under_their_writer_cost_two_seconds(monkeypatch):
    with live(monkeypatch) as run:
        run.peer.fresh_pose(20)
        before = run.pids()
        (name,) = segments(run.bind, "frames")
        os.truncate(f"/dev/shm/{name}", 0)
        cut = clock.now_ns()
        run.peer.wait(lambda: run.pids()["capture"] not in (None, before["capture"]), 10, "another capture")
        run.peer.wait(lambda: captured_after(run.peer, cut), 10, "a pose")
        assert clock.age_ms(cut) <= 2000
        assert run.row("capture")["restarts"] == 1
        assert segments(run.bind, "frames") not in ([], [name])


def test_c2_poses_cut_off_under_their_writer_cost_two_seconds(monkeypatch):
    with live(monkeypatch) as run:
        run.peer.fresh_pose(20)
        before = run.pids()["publish"]
        os.truncate(f"/dev/shm/{name_of(run.bind)}", 0)
        cut = clock.now_ns()
        run.peer.wait(lambda: run.pids()["publish"] not in (None, before), 10, "another publisher")
        run.peer.wait(lambda: captured_after(run.peer, cut), 10, "a pose")
        assert clock.age_ms(cut) <= 2000
        with closing(PoseRingReader(run.bind)) as ring:
            until(ring.drain)


def test_c2_removed_segments_are_made_anew_without_a_restart(monkeypatch):
    with live(monkeypatch) as run:
        run.peer.fresh_pose(20)
        before, (name,) = run.pids(), segments(run.bind, "frames")
        for gone in (name, name_of(run.bind)):
            os.unlink(f"/dev/shm/{gone}")
        removed = time.monotonic()
        run.peer.wait(lambda: segments(run.bind, "frames") and segments(run.bind, "poses"), 2, "new segments")
        assert time.monotonic() - removed <= 2
        run.peer.fresh_pose(5)
        with closing(PoseRingReader(run.bind)) as ring:
            until(ring.drain)
        assert run.pids() == before


def captured_after(peer, moment_ns: int):
    return next((m for _, m in reversed(peer.poses) if m["status"] == "OK" and m["t_capture_ns"] > moment_ns), None)


ATTACH = """
import sys
from realtime.transport import shared_memory
segment = shared_memory.attach(sys.argv[1], sys.argv[2])
assert segment.memory[0] == 7
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["exit", "killed"])
def test_c3_a_reader_that_goes_takes_nothing_with_it(kind, end):
    """Python before 3.13 would delete the owner's segment when an unrelated reader ends."""
    name = f"{memory_key(free_address())}-poses"
    owner = shared_memory.create(name, 4096, kind)
    owner.memory[0] = 7
    with python(ATTACH, name, kind) as reader:
        reader.kill() if end == "killed" else reader.communicate("")
        reader.wait(10)
    trackers_end = 0.2  # the reader's resource tracker, if it has one, outlives it for a moment
    time.sleep(trackers_end)
    assert owner.exists()
    again = shared_memory.attach(name, kind)
    assert again.memory[0] == 7
    again.close()
    shared_memory.unlink(name, kind)
    owner.close()


def test_c4_what_a_killed_owner_left_goes_with_the_next_start():
    with command() as process, peer_of(process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        left = segments(process.bind)
        assert len(left) == 2
        with command({"publish.bind": process.bind, "terminal.seconds": 0.3}) as again:
            assert again.wait(30) == 0
        assert not segments(process.bind)


WRITE_PICTURES = """
import sys, itertools, time
from pathlib import Path
import numpy as np
from realtime.transport.bus import Bus
from realtime.transport.frame_ring import FrameWriter
from tests.support.peer import stamp
bus = Bus(Path(sys.argv[1]))
frames, ring = bus.publisher("frame"), FrameWriter(sys.argv[2], slots=3)
images = [np.full((240, 320, 3), n, np.uint8) for n in range(256)]
print("ready", flush=True)
for n in itertools.count():
    frames.send(ring.write(images[n % 256], stamp(n)))
    if n % 64 == 0:  # however fast the writer is here, some pictures live long enough to be read
        time.sleep(0.004)
"""
WRITE_MESSAGES = """
import sys, itertools
from realtime.transport.pose_ring import PoseRingWriter
ring = PoseRingWriter(sys.argv[1])
print("ready", flush=True)
for n in itertools.count():
    ring.write(bytes([n % 256]) * (4000 + 10 * (n % 256)))
"""


def test_c5_a_picture_is_whole_or_none(runtime_dir):
    bind = free_address()
    with run_directory(bind) as directory, closing(FrameReader()) as pixels:
        bus = Bus(directory)
        frames, whole, tried = bus.latest("frame"), 0, 0
        with python(WRITE_PICTURES, str(directory), bind):
            end = time.monotonic() + 20
            while (whole < 100 or pixels.lapped < 10) and time.monotonic() < end:
                frame = frames.get(200)
                tried += 1
                time.sleep(0.0003 * (tried % 7))
                image = frame and pixels.image(frame)
                if image is not None:
                    whole += 1
                    assert image.min() == image.max() == frame.stamp.seq % 256
        assert whole >= 100 and pixels.lapped >= 10
        bus.close()


def test_c5_a_message_is_whole_or_lost():
    bind, numbers = free_address(), []
    with run_directory(bind), python(WRITE_MESSAGES, bind), closing(PoseRingReader(bind)) as ring:
        end, awake = time.monotonic() + 20, clock.Pace(0.25)
        while (len(numbers) < 5000 or ring.lost == 0) and time.monotonic() < end:
            for data in ring.drain():
                assert len(set(data)) == 1 and len(data) == 4000 + 10 * data[0]
                numbers.append(data[0])
            if awake.due():
                time.sleep(0.1)  # lapped, however fast the writer is here
        assert len(numbers) >= 5000 and ring.lost > 0


def test_c6_a_reader_that_slept_a_second_goes_on_with_the_newest():
    bind = free_address()
    with run_directory(bind), python(WRITE_MESSAGES, bind), closing(PoseRingReader(bind)) as ring:
        until(ring.drain)
        time.sleep(1)
        lost, newest = ring.lost, ring._ring.written()
        assert newest - ring._read > SLOTS, "the writer has not lapped the reader"
        first = ring._read
        ring.drain()
        assert ring.lost - lost >= newest - first - SLOTS
        assert ring._read >= newest


def test_c6_a_picture_from_a_second_ago_is_gone_and_the_newest_is_there():
    with closing(FrameWriter(free_address())) as ring, closing(FrameReader()) as pixels:
        old = ring.write(np.zeros((48, 64, 3), np.uint8), stamp(0))
        for n in range(1, 31):
            newest = ring.write(np.full((48, 64, 3), n, np.uint8), stamp(n))
        assert pixels.image(old) is None and pixels.lapped == 1
        assert pixels.image(newest).max() == 30


def test_c7_after_a_change_of_size_nobody_looks_at_old_pictures(monkeypatch):
    with closing(Camera("resize", good=60)) as camera, live(monkeypatch, {"source.spec": camera.url}) as run:
        run.peer.wait(lambda: sized(run.peer, SIZE), 20, "a small picture's pose")
        before = run.pids()
        small = segments(run.bind, "frames")
        run.peer.wait(lambda: sized(run.peer, OTHER_SIZE), 20, "a large picture's pose")
        run.peer.fresh_pose(5)
        large = segments(run.bind, "frames")
        assert len(small) == len(large) == 1 and small != large
        until(lambda: not stale_mappings(run.pids(), small[0]))
        assert run.pids() == before and all(run.row(stage)["starts"] == 1 for stage in run.table)


def sized(peer, size: tuple[int, int]) -> bool:
    return bool(peer.poses) and (peer.poses[-1][1]["width"], peer.poses[-1][1]["height"]) == size


def stale_mappings(pids: dict[str, int], name: str) -> list[str]:
    return [process for process, pid in pids.items() if f"/dev/shm/{name}" in Path(f"/proc/{pid}/maps").read_text()]


def test_c7_a_larger_and_a_smaller_picture_are_read_right():
    with closing(FrameWriter(free_address())) as ring, closing(FrameReader()) as pixels:
        for n, (width, height) in enumerate([(64, 48), (320, 240), (64, 48), (640, 480), (1, 1)]):
            image = np.random.default_rng(n).integers(0, 256, (height, width, 3), np.uint8)
            frame = ring.write(image, stamp(n))
            assert (pixels.image(frame) == image).all()


def test_c1_memory_of_a_run_is_that_of_its_segments(monkeypatch):
    with live(monkeypatch) as run:
        run.peer.fresh_pose(20)
        reserved = sum(os.stat(f"/dev/shm/{name}").st_blocks * 512 for name in segments(run.bind))
        assert 16e6 < reserved <= 60e6
