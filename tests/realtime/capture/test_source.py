from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from realtime import clock
from realtime.capture import source
from realtime.capture.open_source import open_source
from realtime.capture.source import Stamper
from realtime.config.redact import without_secret
from realtime.config.schema import DemoConfig, RunConfig, SourceConfig
from realtime.config.source_spec import SourceError, check, is_file_run, kind_of


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("0", "camera"),
        ("12", "camera"),
        ("/dev/video2", "camera"),
        ("clip.mp4", "file"),
        ("/videos/my clip.mp4", "file"),
        ("demo", "demo"),
        ("./demo", "file"),
        ("rtsp://camera/1", "stream"),
        ("http://camera/stream.mjpg", "stream"),
    ],
)
def test_specs_name_their_kind(spec, kind):
    assert kind_of(spec) == kind


def test_files_and_the_demo_with_every_frame_are_file_runs():
    assert is_file_run(SourceConfig(spec="clip.mp4"))
    assert is_file_run(SourceConfig(spec="demo", every_frame=True))
    assert not is_file_run(SourceConfig(spec="demo"))
    assert not is_file_run(SourceConfig(spec="0", every_frame=True))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nowhere.mp4", "No such file"),
        ("/", "is a folder"),
        ("ftp://camera/1", "ftp:// is not read; expected rtsp"),
        ("concat://a|b", "concat:// is not read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(spec, words):
    with pytest.raises(SourceError) as error:
        check(SourceConfig(spec=spec))
    assert words in str(error.value) and "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_passwords_are_not_shown():
    assert without_secret("rtsp://me:secret@camera:554/1") == "rtsp://camera:554/1"
    with pytest.raises(SourceError) as error:
        check(SourceConfig(spec="ftp://me:secret@camera/1"))
    assert "secret" not in str(error.value)


def test_checking_opens_nothing_and_loads_no_opencv():
    code = (
        "import sys; from realtime.config.source_spec import check; from realtime.config.schema import SourceConfig; "
        "check(SourceConfig(spec='rtsp://x/1')); sys.exit('cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_stamps_count_and_a_new_shape_is_a_new_stream():
    stamper = Stamper("cam0")
    a = [stamper.stamp((8, 8, 3), t, t) for t in (1, 2)]
    stamper.skip()
    a.append(stamper.stamp((8, 8, 3), 4, 4))
    b = stamper.stamp((16, 8, 3), 5, 5)
    assert [s.seq for s in a] == [0, 1, 3] and b.seq == 0
    assert {s.stream for s in a} == {a[0].stream} and b.stream != a[0].stream
    assert Stamper("cam0").stream != Stamper("cam0").stream


def test_streams_can_be_given_for_replays():
    stamper = Stamper("cam0", stream=7)
    assert stamper.stamp((8, 8, 3), 1, 1).stream == 7
    assert stamper.stamp((9, 8, 3), 1, 1).stream == 8


def demo(**source) -> source.Source:
    settings = SourceConfig(spec="demo", width=64, height=48, **source)
    return open_source(RunConfig(source=settings, demo=DemoConfig(seed=3)))


def test_the_live_demo_comes_at_its_rate_with_its_truth():
    source = demo(fps=20)
    began = time.monotonic()
    pictures = [source.read() for _ in range(6)]
    assert time.monotonic() - began >= 5 / 20 - 0.01
    assert [p.stamp.seq for p in pictures] == list(range(6))
    assert all(p.truth.stamp == p.stamp for p in pictures)
    assert all(0 <= clock.now_ns() - p.stamp.t_capture_ns < 20e9 for p in pictures)


def test_a_slow_reader_of_the_live_demo_sees_the_present():
    source = demo(fps=100)
    source.read()
    time.sleep(0.3)
    behind_ms = clock.age_ms(source.read().stamp.t_capture_ns)
    assert behind_ms < 150


def test_the_demo_with_every_frame_is_the_same_film_in_media_time():
    films = [demo(every_frame=True, fps=50) for _ in range(2)]
    a, b = ([film.read() for _ in range(4)] for film in films)
    assert all(np.array_equal(x.image, y.image) for x, y in zip(a, b))
    assert [(p.stamp.t_capture_ns - a[0].stamp.t_capture_ns) // 1000 for p in a] == [0, 20_000, 40_000, 60_000]
