"""One-Euro: less jitter for a delay that is measured and told, no memory across gaps, streams and absence."""

import numpy as np
import pytest

from realtime.client.one_euro import OneEuro, OneEuroOptions, PoseSmoother, delay, jitter
from realtime.wire.messages import ABSENT, OBSERVED, Person3D, Pose3D, Stamp

HZ = 30.0


def swing(seconds=10.0, hz=HZ, speed_hz=0.5, metres=0.4):
    t = np.arange(0, seconds, 1 / hz)
    track = np.zeros((len(t), 1, 3), np.float32)
    track[:, 0, 0] = metres * np.sin(2 * np.pi * speed_hz * t)
    return t, track


def run(track, times, options=None):
    euro = OneEuro(options)
    return np.stack([euro.update(points, t) for points, t in zip(track, times)]), euro


def test_a_still_joint_becomes_calm():
    noise = np.random.default_rng(0).normal(0, 0.005, (300, 17, 3)).astype(np.float32)
    smooth, _ = run(noise, np.arange(300) / HZ)
    assert jitter(smooth[30:]) < 0.25 * jitter(noise[30:])


def test_the_told_delay_is_the_measured_delay():
    times, track = swing()
    smooth, _ = run(track, times, OneEuroOptions(min_cutoff_hz=2.0, beta=0.0))
    told = 1 / (2 * np.pi * 2.0)
    assert delay(track, smooth, 1 / HZ) == pytest.approx(told, abs=0.02)


def test_fast_motion_is_delayed_less_than_slow_motion():
    slow, fast = swing(speed_hz=0.2, metres=0.1), swing(speed_hz=1.0, metres=0.6)
    slow_smooth, _ = run(slow[1], slow[0])
    fast_smooth, _ = run(fast[1], fast[0])
    assert delay(fast[1], fast_smooth, 1 / HZ) < 0.04 < delay(slow[1], slow_smooth, 1 / HZ)


def test_the_frame_rate_does_not_change_the_answer():
    ends = [run(*reversed(swing(hz=hz, seconds=4.0)))[0][-1, 0, 0] for hz in (30.0, 60.0)]
    times = [swing(hz=hz, seconds=4.0)[0][-1] for hz in (30.0, 60.0)]
    speed = 0.4 * 2 * np.pi * 0.5
    assert ends[0] - ends[1] == pytest.approx(speed * (times[0] - times[1]), abs=0.01)


def test_a_gap_starts_anew():
    euro = OneEuro()
    euro.update(np.zeros((1, 3), np.float32), 0.0)
    far = np.full((1, 3), 2.0, np.float32)
    assert np.array_equal(euro.update(far, 1.0), far)


def test_time_that_stands_still_or_runs_back_starts_anew():
    euro = OneEuro()
    euro.update(np.zeros((1, 3), np.float32), 5.0)
    there = np.ones((1, 3), np.float32)
    assert np.array_equal(euro.update(there, 5.0), there)
    assert np.array_equal(euro.update(there * 2, 4.0), there * 2)


def test_an_invalid_point_is_passed_on_and_forgotten():
    euro = OneEuro()
    euro.update(np.zeros((2, 3), np.float32), 0.0)
    euro.update(np.full((2, 3), [[0.0], [9.0]], np.float32), 1 / HZ, np.array([True, False]))
    back = euro.update(np.full((2, 3), [[0.0], [1.0]], np.float32), 2 / HZ)
    assert np.allclose(back[1], 1.0) and np.allclose(back[0], 0.0)


def test_a_nan_never_stays():
    euro = OneEuro()
    euro.update(np.zeros((1, 3), np.float32), 0.0)
    euro.update(np.full((1, 3), np.nan, np.float32), 1 / HZ)
    assert np.isfinite(euro.update(np.ones((1, 3), np.float32), 2 / HZ)).all()


def person(i, x, state=OBSERVED, root=None):
    j = 3
    return Person3D(
        i, "TRACKED", np.full((j, 3), x, np.float32), np.zeros(j, np.float32), np.full(j, state, np.uint8),
        np.zeros(j, np.float32), np.ones(j, np.float32), np.zeros((j, 2), np.float32),
        None if root is None else np.full(3, root, np.float32),
    )  # fmt: skip


def pose(seq, people, stream=1):
    return Pose3D(Stamp("cam0", stream, seq, int(seq / HZ * 1e9), 0), 640, 480, "OK", tuple(people))


def test_people_are_smoothed_apart_and_the_root_with_them():
    smoother = PoseSmoother()
    smoother.smooth(pose(0, [person(1, 0.0, root=3.0), person(2, 1.0)]))
    after = smoother.smooth(pose(1, [person(1, 0.1, root=3.1), person(2, 1.1)]))
    assert 0.0 < after.people[0].xyz[0, 0] < 0.1 and 1.0 < after.people[1].xyz[0, 0] < 1.1
    assert 3.0 < after.people[0].root_cam[0] < 3.1 and after.people[1].root_cam is None
    assert smoother.delay_ms > 0


def test_absent_joints_and_new_streams_are_not_blended():
    smoother = PoseSmoother()
    smoother.smooth(pose(0, [person(1, 0.0, ABSENT)]))
    assert np.allclose(smoother.smooth(pose(1, [person(1, 1.0)])).people[0].xyz, 1.0)
    assert np.allclose(smoother.smooth(pose(2, [person(1, 5.0)], stream=2)).people[0].xyz, 5.0)


def test_people_long_gone_leave_no_memory():
    smoother = PoseSmoother()
    smoother.smooth(pose(0, [person(1, 0.0)]))
    smoother.smooth(pose(300, [person(2, 0.0)]))
    assert set(smoother._bodies) == {2}


@pytest.mark.parametrize("bad", [{"min_cutoff_hz": 0.0}, {"beta": -1.0}, {"speed_cutoff_hz": -2.0}])
def test_options_outside_their_bounds_are_refused(bad):
    with pytest.raises(ValueError, match="cut-offs must be above 0 Hz"):
        OneEuroOptions(**bad)
