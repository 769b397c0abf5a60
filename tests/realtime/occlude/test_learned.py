"""A learned reliability sees everybody's cues on the 30 Hz grid, in a slot of their own, and only its own kind."""

from dataclasses import replace

import numpy as np
import pytest

from engines.contract import Contract
from engines.errors import EngineError
from engines.skeleton import BLAZEPOSE_33
from realtime.config.schema import OcclusionConfig
from realtime.occlude.features import FEATURES
from realtime.occlude.learned import LearnedReliability
from realtime.occlude.occlusion_filter import OcclusionFilter
from realtime.occlude.rule_based import SEEN, same_threshold
from tests.realtime.occlude import test_occlusion_filter as stream

CONTRACT = Contract(
    "reliability", "step", "blazepose33", "blazepose33", 30, features=FEATURES, reliability_source="learned",
    state=(("count", (33,)),),
)  # fmt: skip
TICK_NS = 33_333_333


class Counting:
    """Reliability is the number of kept steps since the reset, / 100; features and dt are noted."""

    name, sha256, provider, reason, degraded = "counting", "0" * 64, "cpu", "", ""

    def __init__(self, batch=4, contract=CONTRACT):
        self.contract, self.batch, self.calls = contract, batch, []
        self.count = np.zeros(batch)

    def run(self, inputs, commit=True):
        assert set(inputs) == {"features", "dt", "reset"}
        self.calls.append((inputs["features"].copy(), float(inputs["dt"][0]), commit))
        now = np.where(inputs["reset"] > 0, 0, self.count) + 1
        if commit:
            self.count = now
        return {"reliability": np.repeat(now[:, None] / 100, 33, 1).astype(np.float32)}

    def zero_state(self):
        self.count[:] = 0


def rows(*values):
    return {i: np.full((33, len(FEATURES)), v, np.float32) for i, v in enumerate(values)}


def test_state_is_kept_once_a_tick_whatever_the_rate():
    for hz in (15, 30, 60):
        engine = Counting()
        learned = LearnedReliability(engine, BLAZEPOSE_33)
        for i in range(2 * hz):
            answer = learned.judge(10**9 + i * 10**9 // hz, rows(1.0))
        assert abs(float(answer[0][0]) * 100 - 60) <= 2


def test_a_skipped_tick_sees_cues_in_between():
    engine = Counting()
    learned = LearnedReliability(engine, BLAZEPOSE_33)
    learned.judge(10**9, rows(0.0))
    learned.judge(10**9 + 2 * TICK_NS, rows(1.0))
    values = [float(features[0, 0, 0]) for features, _, _ in engine.calls]
    assert values[0] == 0 and values[-1] == 1 and values[1] == pytest.approx(0.5, abs=0.02)


def test_everybody_has_a_slot_and_a_newcomer_starts_anew():
    learned = LearnedReliability(Counting(), BLAZEPOSE_33)
    for i in range(5):
        learned.judge(10**9 + i * TICK_NS, rows(1.0))
    answer = learned.judge(10**9 + 5 * TICK_NS, rows(1.0, 2.0))
    assert (answer[0] == np.float32(0.06)).all() and (answer[1] == np.float32(0.01)).all()


def test_a_long_gap_forgets():
    learned = LearnedReliability(Counting(), BLAZEPOSE_33)
    for t in (0, TICK_NS, 5 * 10**9):
        answer = learned.judge(10**9 + t, rows(1.0))
    assert (answer[0] == np.float32(0.01)).all()


def test_more_people_than_slots_keep_the_rule():
    engine = Counting(batch=1)
    occlusion = OcclusionFilter(OcclusionConfig(), LearnedReliability(engine, BLAZEPOSE_33))
    answer = occlusion.update(stream.found(0, ids=(7, 8)), stream.picture(0), 1.0)
    reliable = sorted(float(p.reliability[0]) for p in answer.people)
    assert reliable[0] < 0.05 and reliable[1] == pytest.approx(
        float(same_threshold(np.float32(0.95 * 0.99), 0.3, SEEN))
    )


def test_filter_answers_with_the_learned_value_at_its_own_threshold_and_nothing_outside():
    """The engine says 0.5, its threshold, whatever the threshold of the rules."""
    engine = Counting(batch=1)
    occlusion = OcclusionFilter(OcclusionConfig(threshold=0.3), LearnedReliability(engine, BLAZEPOSE_33))
    for i in range(50):
        told = stream.found(i)
        told.people[0].xy[3] = (-20, 100)
        answer = occlusion.update(told, stream.picture(i % 5), 1.0).people[0]
    assert answer.reliability[5] == pytest.approx(0.5, abs=0.01) and answer.reliability[3] == 0
    assert engine.calls[-1][0].any()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"task": "lift", "joints_out": "h36m17"}, "task is 'lift', expected 'reliability'"),
        ({"features": FEATURES[::-1]}, "features is .*, expected"),
        ({"joints_in": "coco17"}, "joints_in is 'coco17', expected 'blazepose33'"),
    ],
)
def test_another_engine_is_refused_with_both_values(change, found):
    with pytest.raises(EngineError, match=f"occlusion.engine counting: {found}"):
        LearnedReliability(Counting(contract=replace(CONTRACT, **change)), BLAZEPOSE_33)
