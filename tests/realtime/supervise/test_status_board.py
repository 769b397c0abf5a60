from __future__ import annotations

from multiprocessing import get_context

import pytest

from realtime.supervise import status_board
from tests.support.fakes.stages import child_writes

STAGES = ("detect", "lift")


@pytest.fixture
def table():
    return status_board.open_board(STAGES, get_context("spawn"))


def test_a_row_is_seen_as_health(table):
    row = table.row("lift")
    row["state"], row["reason"], row["rate_hz"], row["dropped"] = status_board.DEGRADED, b"lagging", 29.5, 3
    row["restarts"], row["reconnects"], row["p50_ms"], row["p99_ms"] = 1, 2, 4.5, 9.5
    told = table.health()[1]
    assert (told.stage, told.state, told.reason, told.rate_hz) == ("lift", "DEGRADED", "lagging", 29.5)
    assert (told.dropped, told.restarts_1h, told.reconnects_1h, told.p50_ms, told.p99_ms) == (3, 1, 2, 4.5, 9.5)
    assert table.health()[0].state == "STARTING"


def test_a_child_writes_into_the_same_memory(table):
    child = get_context("spawn").Process(target=child_writes, args=(table, "detect"))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert table.row("detect")["beat"] == 7 and table.row("lift")["beat"] == 0
    assert table.info() == {"detector": "written by a child"}


def test_info_of_all_stages_are_one_dict(table):
    status_board.write_info(table.row("detect"), {"detector": "d", "joints2d": ["nose"]})
    status_board.write_info(table.row("lift"), {"engine": "e"})
    assert table.info() == {"detector": "d", "joints2d": ["nose"], "engine": "e"}


def test_half_written_info_are_none(table):
    table.row("lift")["info"] = b'{"engine": "e'
    assert table.info() == {}


def test_info_that_do_not_fit_are_refused(table):
    with pytest.raises(ValueError, match="the board holds 4096"):
        status_board.write_info(table.row("lift"), {"engine": "e" * 5000})


def test_a_long_reason_is_cut_and_a_broken_character_shown(table):
    table.row("lift")["reason"] = ("é" * 40).encode()[:63]
    assert table.health()[1].reason.startswith("éé")


def test_states_change_with_any_state_or_reason_and_with_nothing_else(table):
    before = table.states()
    table.row("detect")["beat"] += 1
    assert table.states() == before
    table.row("lift")["state"] = status_board.READY
    ready = table.states()
    table.row("detect")["reason"] = b"lagging"
    assert before != ready != table.states() != before
