from __future__ import annotations

import gc

import pytest

from realtime.supervise import garbage
from realtime.supervise.garbage import Garbage


@pytest.fixture(autouse=True)
def as_before():
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def collections(monkeypatch):
    counted = []
    monkeypatch.setattr(garbage.gc, "collect", lambda: counted.append(1))
    return counted


def test_the_collector_rests_once_every_stage_has_started(collections):
    process = Garbage(("detect", "lift"))
    process.settled("lift")
    process.collect_when_due("lift")
    assert gc.isenabled() and not collections
    process.settled("detect")
    assert not gc.isenabled() and gc.get_freeze_count() > 1000


def test_only_the_last_stage_collects_and_only_now_and_then(collections):
    process = Garbage(("detect", "lift"))
    for stage in ("detect", "lift"):
        process.settled(stage)
    for _ in range(3):
        process.collect_when_due("detect")
    assert not collections
    for _ in range(3):
        process.collect_when_due("lift")
    assert len(collections) == 1


def test_a_stage_that_says_again_that_it_is_ready_changes_nothing(collections):
    process = Garbage(("capture",))
    process.settled("capture")
    gc.enable()
    process.settled("capture")
    assert gc.isenabled()
