from __future__ import annotations

from dataclasses import replace

import pytest

from realtime import pipeline
from realtime.pipeline import APART, FILE, LIVE, MANY_CORES, RECORD, Stage, handed_over, live, processes
from realtime.supervise import stage_runner
from realtime.wire.topics import TOPICS


@pytest.mark.parametrize("table", [LIVE, APART, FILE, RECORD])
def test_every_main_exists_and_every_topic_is_declared(table):
    for stage in table.values():
        assert callable(stage_runner.load(stage.main))
        assert set(stage.consumes) | set(stage.produces) <= set(TOPICS)


def test_what_is_consumed_is_produced_by_another_stage():
    for name, stage in LIVE.items():
        made = {topic for other, one in LIVE.items() if other != name for topic in one.produces}
        assert set(stage.consumes) <= made


def test_three_processes_by_default_and_four_apart():
    assert {name: list(stages) for name, stages in processes(live("joined")).items()} == {
        "capture": ["capture"],
        "estimate": ["detect", "occlude", "lift"],
        "publish": ["publish"],
    }
    assert {name: list(stages) for name, stages in processes(live("apart")).items()} == {
        "capture": ["capture"],
        "detect": ["detect"],
        "estimate": ["occlude", "lift"],
        "publish": ["publish"],
    }


def test_auto_goes_by_the_cores_this_process_may_use(monkeypatch):
    for count, table in ((2, LIVE), (MANY_CORES, APART)):
        monkeypatch.setattr(pipeline, "cores", lambda count=count: count)
        assert live("auto") is table


def test_layouts_differ_in_processes_only():
    assert list(LIVE) == list(APART)
    assert all(replace(LIVE[name], process="") == replace(APART[name], process="") for name in LIVE)


def test_only_what_stays_inside_is_handed_over():
    assert handed_over(LIVE, "estimate") == {"taken", "keypoints_raw", "keypoints"}
    assert handed_over(APART, "estimate") == {"keypoints"}
    assert handed_over(LIVE, "publish") == handed_over(LIVE, "capture") == handed_over(APART, "detect") == frozenset()


@pytest.mark.parametrize("table", [LIVE, APART])
def test_what_is_handed_over_in_memory_nobody_else_waits_for(table):
    for process in processes(table):
        outside = {topic for stage in table.values() if stage.process != process for topic in stage.consumes}
        assert not handed_over(table, process) & outside


def test_a_stage_never_hands_over_to_itself():
    loop = {"echo": Stage("m:f", "p", ("truth",), ("truth",), 1, 1)}
    assert handed_over(loop, "p") == frozenset()


def test_beats_can_keep_up_with_the_declared_silence():
    for stage in (LIVE | FILE).values():
        assert stage.max_silence_s >= 1.0  # ten beats
        assert stage.start_grace_s > stage.max_silence_s
