from __future__ import annotations

import pytest

from realtime.pipeline import FILE, LIVE, RECORD, Stage, handed_over, processes
from realtime.supervise import stage_runner
from realtime.wire.topics import TOPICS


@pytest.mark.parametrize("table", [LIVE, FILE, RECORD])
def test_every_main_exists_and_every_topic_is_declared(table):
    for stage in table.values():
        assert callable(stage_runner.load(stage.main))
        assert set(stage.consumes) | set(stage.produces) <= set(TOPICS)


def test_what_is_consumed_is_produced_by_another_stage():
    for name, stage in LIVE.items():
        made = {topic for other, one in LIVE.items() if other != name for topic in one.produces}
        assert set(stage.consumes) <= made


def test_four_processes_by_default():
    assert {name: list(stages) for name, stages in processes(LIVE).items()} == {
        "capture": ["capture"],
        "detect": ["detect"],
        "estimate": ["occlude", "lift"],
        "publish": ["publish"],
    }


def test_only_what_stays_inside_is_handed_over():
    assert handed_over(LIVE, "estimate") == {"keypoints"}
    assert handed_over(LIVE, "publish") == handed_over(LIVE, "capture") == frozenset()


def test_a_stage_never_hands_over_to_itself():
    loop = {"echo": Stage("m:f", "p", ("truth",), ("truth",), 1, 1)}
    assert handed_over(loop, "p") == frozenset()


def test_beats_can_keep_up_with_the_declared_silence():
    for stage in (LIVE | FILE).values():
        assert stage.max_silence_s >= 1.0  # ten beats
        assert stage.start_grace_s > stage.max_silence_s
