"""Slots, ticks, windows and look-ahead between people and an engine."""

import numpy as np
import pytest

from engines.contract import Contract, Kind
from realtime.engine_io.batch_slots import BatchSlots
from realtime.engine_io.engine_feed import LifterInput, feed_for, interpolate
from realtime.engine_io.time_grid import TICK_NS

JOINTS = 17
GAP = 1_000_000_000


class Echo:
    """Answers what it was given: x as xyz's first two coordinates, a count of kept calls as the third."""

    name, sha256, provider, reason, degraded = "echo", "0" * 64, "cpu", "", ""

    def __init__(self, kind: Kind, batch: int = 1, window: int = 1, look_ahead: int = 0) -> None:
        self.contract = Contract("lift", kind, "h36m17", "h36m17", max(window, look_ahead + 1), look_ahead, window)
        self.batch, self.kept = batch, 0
        self.calls: list[dict] = []

    def run(self, inputs, commit=True):
        self.calls.append({k: v.copy() for k, v in inputs.items()} | {"commit": commit})
        self.kept += commit
        x = inputs["x"]
        if self.contract.kind == "window":
            x = x[:, self.contract.window - 1 - self.contract.look_ahead]
        xyz = np.concatenate([x, np.full((*x.shape[:-1], 1), self.kept, np.float32)], -1)
        return {"xyz": xyz, "log_sigma": np.zeros(xyz.shape[:-1], np.float32)}

    def zero_state(self):
        self.kept = 0


def someone(value: float, reliability: float = 1.0) -> LifterInput:
    return LifterInput(
        np.full((JOINTS, 2), value, np.float32),
        np.full(JOINTS, reliability, np.float32),
        np.zeros((JOINTS, 3), np.float32),
    )


def x_of(lifted) -> float:
    return float(lifted.xyz[0, 0])


def test_every_frame_is_answered_at_sixty_hertz_and_half_of_them_are_kept():
    engine = Echo("step")
    feed = feed_for(engine, GAP)
    for i in range(120):
        t = i * TICK_NS // 2
        ((answered, people),) = feed.feed(t, {7: someone(i)})
        assert answered == t and x_of(people[7]) == i
    assert engine.kept == pytest.approx(60, abs=1) and len(engine.calls) == 120


def test_a_frame_over_two_ticks_commits_the_one_between_first():
    engine = Echo("step")
    feed = feed_for(engine, GAP)
    feed.feed(0, {1: someone(0.0)})
    feed.feed(2 * TICK_NS, {1: someone(2.0)})
    values = [float(call["x"][0, 0, 0]) for call in engine.calls]
    assert values == pytest.approx([0.0, 1.0, 2.0]) and engine.kept == 3
    assert [float(c["dt"][0]) for c in engine.calls] == pytest.approx([0, 1 / 30, 1 / 30], abs=1e-6)


def test_a_slot_starts_with_a_reset_that_is_repeated_until_it_is_kept():
    engine = Echo("step", batch=4)
    feed = feed_for(engine, GAP)
    feed.feed(0, {1: someone(0)})
    feed.feed(TICK_NS // 3, {1: someone(0), 2: someone(0)})  # not kept: the newcomer is reset again
    feed.feed(TICK_NS, {1: someone(0), 2: someone(0)})
    feed.feed(2 * TICK_NS, {1: someone(0), 2: someone(0)})
    assert [call["reset"][:2].tolist() for call in engine.calls] == [[1, 1], [0, 1], [0, 1], [0, 0]]
    assert all((call["reset"][2:] == 1).all() for call in engine.calls)


def test_an_id_keeps_its_slot_and_a_freed_slot_serves_the_next():
    slots = BatchSlots(2)
    slots.settle({5: 0, 6: 0})
    first = dict(slots.rows)
    slots.settle({6: 0, 9: 0, 10: 0})
    assert slots.rows == {6: first[6], 9: first[5]} and slots.fresh == {6, 9} | slots.fresh - {10}


def test_a_long_gap_forgets_everything():
    engine = Echo("step")
    feed = feed_for(engine, GAP)
    for i in range(5):
        feed.feed(i * TICK_NS, {1: someone(0)})
    feed.feed(5 * TICK_NS + GAP, {1: someone(0)})
    assert engine.calls[-1]["reset"][0] == 1 and engine.kept == 1


@pytest.mark.parametrize("rate", [24, 30, 60])
@pytest.mark.parametrize("kind", ["step", "window"])
def test_a_lifter_that_looks_ahead_answers_every_frame_once_in_order(kind, rate):
    engine = Echo(kind, window=9 if kind == "window" else 1, look_ahead=4)
    feed = feed_for(engine, GAP)
    times = [round(i * 1e9 / rate) for i in range(2 * rate)]
    answers = [(now, a) for now in times for a in feed.feed(now, {1: someone(now)})]
    late = [now - t for now, (t, _) in answers]
    answers += [(None, a) for a in feed.flush()]
    assert [t for _, (t, _) in answers] == times
    assert all(3 * TICK_NS < wait < 6 * TICK_NS for wait in late)


def test_a_window_is_interpolated_at_the_ticks_around_the_answered_frame():
    engine = Echo("window", window=5, look_ahead=1)
    feed = feed_for(engine, GAP)
    times = [i * TICK_NS * 2 // 3 for i in range(20)]
    answers = [a for t in times for a in feed.feed(t, {1: someone(t / TICK_NS)})]
    t, people = answers[-1]
    assert x_of(people[1]) == pytest.approx(t / TICK_NS, abs=1e-5)
    window = engine.calls[-1]["x"][0, :, 0, 0]
    assert np.diff(window) == pytest.approx([1, 1, 1, 1], abs=0.02)


def test_between_two_frames_trust_is_the_lesser():
    middle = interpolate(someone(0, 0.9), someone(4, 0.2), 0.25)
    assert middle.x[0, 0] == pytest.approx(1.0) and middle.reliability[0] == pytest.approx(0.2)
