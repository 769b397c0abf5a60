from __future__ import annotations

import math
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from realtime.capture.grabber import BAD_IN_A_ROW, Grabber
from realtime.capture.source import BadPicture, Picture
from realtime.capture.source_watchdog import SourceWatchdog
from realtime.config.schema import SourceConfig
from realtime.config.source_spec import SourceError
from realtime.wire.messages import Stamp

S = 1_000_000_000


class Script:
    """A source that plays what it is given: pictures, BadPicture, an error, None; then it blocks until closed."""

    live, fps, size = True, 30.0, (16, 8)

    def __init__(self, *steps: object) -> None:
        self.steps, self.closed, self.released = list(steps), False, threading.Event()

    def read(self) -> Picture | None:
        if not self.steps:
            self.released.wait(20)
            raise BadPicture
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step  # type: ignore[return-value]

    def close(self) -> None:
        self.closed = True


def picture(seq: int, t_s: float = 0.0, shade: int | None = None, size=(16, 8)) -> Picture:
    image = np.full((size[1], size[0], 3), seq % 250 if shade is None else shade, np.uint8)
    return Picture(image, Stamp("cam0", 1, seq, int(t_s * S), 0))


def test_only_the_newest_is_handed_over_and_only_once():
    source = Script(*(picture(n) for n in range(5)))
    with closing(Grabber(source).start()) as grabber:
        while source.steps:
            time.sleep(0.005)
        time.sleep(0.05)
        assert grabber.take(1).stamp.seq == 4
        assert grabber.take(0.01) is None
        source.released.set()


def test_what_ended_the_source_is_raised_behind_its_last_picture():
    with closing(Grabber(Script(picture(0), ValueError("driver"))).start()) as grabber:
        time.sleep(0.1)
        assert grabber.take(1).stamp.seq == 0
        with pytest.raises(ValueError, match="driver"):
            grabber.take(1)


def test_the_end_of_a_live_source_is_a_loss():
    with closing(Grabber(Script(None)).start()) as grabber, pytest.raises(SourceError, match="has ended"):
        grabber.take(1)


def test_single_damaged_pictures_are_counted_and_passed_over():
    source = Script(picture(0), BadPicture(), BadPicture(), picture(3))
    with closing(Grabber(source).start()) as grabber:
        seen = [grabber.take(1).stamp.seq]
        while seen[-1] != 3:
            seen.append(grabber.take(1).stamp.seq)
        assert grabber.damaged == 2
        source.released.set()


def test_nothing_but_damage_is_a_loss(monkeypatch):
    monkeypatch.setattr("realtime.capture.grabber.BAD_PAUSE_S", 0.0)
    source = Script(*(BadPicture() for _ in range(BAD_IN_A_ROW)))
    with closing(Grabber(source).start()) as grabber, pytest.raises(SourceError, match="damaged pictures in a row"):
        grabber.take(5)


def test_a_driver_that_blocks_is_left_alone():
    source = Script()
    grabber = Grabber(source).start()
    began = time.monotonic()
    grabber.close()
    assert time.monotonic() - began < 2 and not source.closed
    source.released.set()


def watch(config: SourceConfig | None = None, **source) -> SourceWatchdog:
    made = Script()
    for name, value in source.items():
        setattr(made, name, value)
    return SourceWatchdog(config or SourceConfig(spec="http://camera/"), made, 0)


def play(judge: SourceWatchdog, seconds: float, hz: float = 30.0, start_s: float = 0.0, **how) -> str:
    reason = ""
    for n in range(int(seconds * hz)):
        t_s = start_s + n / hz
        reason = judge.look(picture(n, t_s, **how), int(t_s * S))
    return reason


def wait(judge: SourceWatchdog, from_s: float, to_s: float) -> str:
    """No picture, looked at every 50 ms as the capture stage does."""
    reason = ""
    for n in range(int((to_s - from_s) / 0.05) + 1):
        reason = judge.look(None, int((from_s + n * 0.05) * S))
    return reason


def test_a_healthy_source_has_no_reason():
    judge = watch()
    assert play(judge, 3) == ""
    assert judge.rate_hz == pytest.approx(30, rel=0.02)


def test_silence_is_stalled_then_lost():
    judge = watch()
    play(judge, 1)
    assert wait(judge, 1.0, 1.4) == ""
    assert wait(judge, 1.4, 1.8) == "stalled"
    with pytest.raises(SourceError, match="no picture for 2"):
        wait(judge, 1.8, 4)


def test_the_first_picture_may_take_longer():
    judge = watch()
    wait(judge, 0, 9.9)
    with pytest.raises(SourceError, match="no picture for 10"):
        wait(judge, 9.9, 10.2)


def test_the_same_picture_is_frozen_then_lost():
    judge = watch()
    play(judge, 1)
    assert play(judge, 1.9, start_s=1, shade=7) == ""
    assert play(judge, 0.5, start_s=2.9, shade=7) == "frozen"
    assert play(judge, 0.2, start_s=3.4) == ""
    with pytest.raises(SourceError, match="the same picture for"):
        play(judge, 13, start_s=3.6, shade=7)


def test_a_machine_that_slept_does_not_blame_the_source():
    judge = watch()
    play(judge, 1)
    assert judge.look(None, 61 * S) == ""


@pytest.mark.parametrize(("fps", "told"), [(0.0, "declares 0 Hz"), (math.nan, "declares nan Hz"), (120.0, "gives 30")])
def test_a_declared_rate_that_is_wrong_is_a_mismatch(fps, told):
    judge = watch(fps=fps)
    assert play(judge, 2) == "mismatch"
    assert told in judge.mismatch()


def test_a_declared_size_that_is_wrong_is_a_mismatch():
    judge = watch(size=(1280, 720))
    assert play(judge, 1) == "mismatch"
    assert judge.mismatch() == "declares 1280x720, gives 16x8"


def test_a_camera_is_held_against_what_it_was_asked_for():
    asked = SourceConfig(spec="0", width=1280, height=720)
    judge = watch(asked)
    assert play(judge, 1) == "mismatch"
    assert judge.mismatch() == "was asked for 1280x720, gives 16x8"
    assert play(watch(SourceConfig(spec="0", width=16, height=8)), 1) == ""


def test_a_turned_picture_is_no_mismatch():
    assert play(watch(), 1, size=(8, 16)) == ""
