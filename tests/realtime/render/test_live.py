"""A running stream as a film: pictures with the poses of their own frame, in the stream's own time, ended whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import cv2
import numpy as np
import pytest

from realtime.cli import main as cli
from realtime.render.live import Following, NothingHeard, Pairing, at_a_constant_rate
from realtime.render.overlay import empty_picture
from realtime.render.style import LEFT
from tests.support.people import walker
from tests.support.publisher import FakePipeline, free_address

PICTURE = empty_picture(8, 8)


def pose(seq):
    return walker.pose(seq, [], walker.stamp(seq))


def seqs(ready):
    return [(stamp.seq, found and found.stamp.seq) for stamp, _, found in ready]


def test_frames_wait_for_their_pose_and_go_without_once_overtaken():
    pairing = Pairing()
    for seq in range(3):
        pairing.frame(walker.stamp(seq), PICTURE)
    assert seqs(pairing.ready()) == []
    pairing.pose(pose(0))
    assert seqs(pairing.ready()) == [(0, 0)]
    pairing.pose(pose(2))
    assert seqs(pairing.ready()) == [(1, None), (2, 2)]
    pairing.frame(walker.stamp(3), PICTURE)
    assert seqs(pairing.ready()) == [] and seqs(pairing.ready(all_of_them=True)) == [(3, None)]
    assert not pairing.poses and not pairing.waiting


def test_pictures_do_not_pile_up_where_no_poses_come():
    pairing, shown = Pairing(), []
    for seq in range(100):
        pairing.frame(walker.stamp(seq), PICTURE)
        shown += seqs(pairing.ready())
    assert len(pairing.waiting) <= 12 and [s for s, _ in shown] == list(range(len(shown))) and len(shown) >= 88


def test_the_film_runs_in_the_streams_own_time():
    frames = [(walker.stamp(i, 10.0), PICTURE, pose(i)) for i in (0, 1, 2, 9, 10)]
    shown = list(at_a_constant_rate(iter(frames), 30.0))
    assert [times for _, times in shown] == [1, 3, 3, 21, 3]
    fast = [(walker.stamp(i, 120.0), PICTURE, pose(i)) for i in range(120)]
    assert sum(times for _, times in at_a_constant_rate(iter(fast), 30.0)) == 30


def test_a_stream_that_stood_still_for_hours_does_not_fill_the_disk():
    frames = [(walker.stamp(0), PICTURE, pose(0)), (walker.stamp(30 * 7200), PICTURE, pose(1))]
    assert sum(times for _, times in at_a_constant_rate(iter(frames), 30.0)) == 301


def test_nobody_there_is_one_line():
    address = free_address()
    stream = Following(address, threading.Event())
    with closing(stream), pytest.raises(NothingHeard, match="nothing is published on tcp://"):
        stream.start(address, 0.3)


def frames_of(path):
    capture, found = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        found.append(got[1])
    capture.release()
    return found


@pytest.mark.slow
def test_a_stream_becomes_a_film(tmp_path, capsys):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with FakePipeline(video=True) as pipeline:
            assert cli.main(["render", pipeline.address, "-o", str(tmp_path / "o.mp4"), "--seconds", "2"]) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    frames = frames_of(tmp_path / "o.mp4")
    assert 30 <= len(frames) <= 90 and frames[0].shape == (480, 640, 3)
    blue = [(np.abs(frame.astype(int) - LEFT).max(-1) < 60).sum() for frame in frames]
    assert np.median(blue) > 100, "no skeletons on the pictures"
    assert oct((tmp_path / "o.mp4").stat().st_mode)[-3:] == "600"


def test_sigterm_ends_the_film_whole(tmp_path):
    with FakePipeline(video=True) as pipeline:
        out = tmp_path / "o.mp4"
        command = [sys.executable, "-m", "realtime", "render", pipeline.address, "-o", str(out)]
        process = subprocess.Popen(command, env=os.environ)
        part, deadline = tmp_path / ".o.part.mp4", time.monotonic() + 60
        while not part.exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert len(frames_of(out)) > 5 and not part.exists()
