"""The 30 Hz grid: every frame is answered, the state moves once a tick."""

import itertools

import pytest

from realtime.engine_io.time_grid import TICK_NS, TimeGrid

SECOND = 1_000_000_000


def played(rate: float, seconds: float = 4.0, phase: int = 0):
    grid = TimeGrid(SECOND)
    return [(t, grid.steps(t)) for t in (phase + round(i * SECOND / rate) for i in range(int(seconds * rate)))]


@pytest.mark.parametrize("rate", [12, 15, 24, 25, 29.97, 30, 50, 60, 120])
def test_states_kept_a_second_are_thirty_at_every_rate(rate):
    kept = sum(step.commit for _, steps in played(rate) for step in steps)
    assert abs(kept - 4 * 30) <= 3


@pytest.mark.parametrize("rate", [15, 24, 30, 60])
def test_the_last_call_is_the_frame_itself(rate):
    for t, steps in played(rate):
        assert steps[-1].t_ns == t
        assert all(step.commit for step in steps[:-1])


def test_thirty_hertz_with_a_jittering_clock_meets_every_tick_once():
    grid, jitter = TimeGrid(SECOND), itertools.cycle((0, 9_000_000, -8_000_000, 4_000_000))
    plans = [grid.steps(i * TICK_NS + j + 50_000_000) for i, j in zip(range(90), jitter)]
    assert all(len(p) == 1 and p[0].commit for p in plans)


def test_dt_adds_up_to_the_time_that_passed():
    plans = played(24)
    assert sum(s.dt_s for _, steps in plans for s in steps if s.commit) == pytest.approx(
        (plans[-1][0] - plans[0][0]) / SECOND, abs=0.05
    )


def test_a_long_gap_and_time_running_back_start_anew():
    grid = TimeGrid(SECOND)
    grid.steps(0)
    assert grid.goes_on(SECOND) and not grid.goes_on(SECOND + 1) and not grid.goes_on(-1)
    steps = grid.steps(10 * SECOND)
    assert len(steps) == 1 and steps[0].commit and steps[0].dt_s == 0
