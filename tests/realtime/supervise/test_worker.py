from __future__ import annotations

import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from realtime.config.schema import RunConfig, SourceConfig
from realtime.pipeline import Stage
from realtime.supervise import status_board
from realtime.supervise.stage_runner import ExitReport
from realtime.supervise.worker import PACING_MAX_S, Worker

CRASH, LOSS = ExitReport("capture", "crash", 1, "text"), ExitReport("capture", "lost", 75, "text")


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """Never started: only its bookkeeping."""
    table = {"capture": Stage("tests.support.fakes.stages:works", "capture", (), (), 1.0, 30.0)}
    context = get_context("spawn")
    config = RunConfig(source=SourceConfig(backoff_s=0.5, backoff_max_s=5))
    return Worker("capture", table, status_board.open_board(("capture",), context), config, tmp_path, context, table)


def waits(worker: Worker, words: ExitReport, times: int) -> list[float]:
    found = []
    for n in range(times):
        now = time.monotonic() + n * 1e-6
        worker.plan_restart(now, words)
        found.append(round(worker.due_s - now, 3))  # type: ignore[operator]
    return found


def test_crashes_are_paced(worker):
    assert waits(worker, CRASH, 6) == [0.0, 0.25, 0.5, 1.0, 2.0, PACING_MAX_S]
    assert worker.crashes_last_minute() == 6
    assert worker._rows["capture"]["restarts"] == 6
    assert worker._rows["capture"]["state"] == status_board.DOWN


def test_losses_back_off_up_to_the_greatest_and_are_no_crashes(worker):
    assert waits(worker, LOSS, 6) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert worker.crashes_last_minute() == 0
    row = worker._rows["capture"]
    assert row["state"] == status_board.DEGRADED and bytes(row["reason"]) == b"lost" and row["reconnects"] == 0


def test_a_source_that_was_found_again_is_one_reconnect_and_starts_the_backoff_anew(worker):
    waits(worker, LOSS, 4)
    worker._found_again(time.monotonic())
    assert worker._rows["capture"]["reconnects"] == 1
    assert waits(worker, LOSS, 1) == [0.5]


def test_crashes_of_an_hour_ago_are_forgotten(worker):
    worker._crashes.append(time.monotonic() - 4000)
    waits(worker, CRASH, 1)
    assert worker._rows["capture"]["restarts"] == 1 and worker.crashes_last_minute() == 1


def test_time_in_which_nobody_could_look_is_no_silence(worker):
    now = time.monotonic()
    worker._rows["capture"]["ready"] = 1
    worker._beats = {"capture": (0, now - 3.0)}
    assert worker._silent(now) == "capture"
    worker.forgive(2.5)
    assert worker._silent(now) is None
