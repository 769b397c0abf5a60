"""The clock: the same in every process, never the wall's; paces and deadlines."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from realtime import clock


@pytest.fixture
def hand(monkeypatch):
    """A clock moved by hand."""
    now = [1_000_000_000]
    monkeypatch.setattr(clock, "now_ns", lambda: now[0])
    return lambda ms: now.__setitem__(0, now[0] + int(ms * 1e6))


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_stamps_of_two_processes_compare(platform):
    code = f"from realtime.clock import clock_of; print(clock_of({platform!r})())"
    before = clock.clock_of(platform)()
    there = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert before < there < clock.clock_of(platform)()


def test_windows_gets_the_fine_clock():
    assert clock.clock_of("win32") is time.perf_counter_ns
    assert clock.clock_of("linux") is time.monotonic_ns


def test_the_clock_is_named_alike_in_every_process_of_a_machine():
    code = "from realtime import clock; print(clock.identity())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert there == clock.identity() and len(there) == 16


def test_without_the_kernels_word_the_machine_names_the_clock(monkeypatch, tmp_path):
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "absent")
    by_kernel = clock.identity()
    by_machine = clock.identity.__wrapped__()
    assert by_machine == clock.identity.__wrapped__() != by_kernel


def test_age(hand):
    then = clock.now_ns()
    hand(40)
    assert clock.age_ms(then) == pytest.approx(40)


def test_deadline(hand):
    deadline = clock.Deadline(100)
    hand(60)
    assert deadline.left_ms() == pytest.approx(40) and not deadline.passed()
    hand(50)
    assert deadline.left_ms() == 0 and deadline.passed()


def test_pace_is_due_at_most_once_in_a_period(hand):
    pace, due = clock.Pace(1.0), 0
    for _ in range(100):
        due += pace.due()
        hand(50)
    assert due == 5


def test_pace_makes_no_burst_after_a_pause(hand):
    pace = clock.Pace(1.0)
    pace.due()
    hand(60_000)
    assert [pace.due() for _ in range(3)] == [True, False, False]
