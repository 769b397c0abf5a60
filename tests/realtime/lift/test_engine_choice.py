"""Which engine `auto` is: the detector model's own where there is one."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from realtime.config.schema import DetectorConfig, LiftConfig, RunConfig
from realtime.lift import lifter
from realtime.lift.stage import settled

STORE = ("causal-37", "causal-37-heavy", "causal-small", "hold")


@pytest.mark.parametrize(
    ("detector", "engine"),
    [
        ("heavy", "causal-37-heavy"),
        ("full", "causal-37"),
        ("lite", "causal-37"),  # it has none of its own here
        ("auto", "causal-37"),
        ("/models/heavy/pose_landmarker_full.task", "causal-37"),
        ("pose_landmarker_heavy.task", "causal-37-heavy"),
        ("mediapipe pose_landmarker_heavy-0.5.1675469404", "causal-37-heavy"),  # as a recording's Hello has it
    ],
)
def test_auto_is_the_detector_models_own_engine(detector, engine, monkeypatch):
    monkeypatch.setattr(lifter, "names", lambda: STORE)
    assert lifter.chosen("auto", detector) == engine
    assert lifter.chosen("causal-small", detector) == "causal-small"


def test_a_store_without_any_of_ours_lifts_with_the_last(monkeypatch):
    monkeypatch.setattr(lifter, "names", lambda: ("mine",))
    assert lifter.chosen("auto", "heavy") == "hold"


class Ctx:
    """A stage's context whose detector chooses its model after some beats."""

    def __init__(self, config: RunConfig, known_after: int) -> None:
        self.config, self.known_after, self.beats = config, known_after, 0
        self.stop = SimpleNamespace(wait=lambda seconds: False)

    def info(self) -> dict[str, str]:
        return {"auto_model": "heavy"} if self.beats >= self.known_after else {}

    def beat(self) -> None:
        self.beats += 1


def test_the_lifter_waits_for_a_model_that_is_being_measured():
    ctx = Ctx(RunConfig(detector=DetectorConfig(model="auto")), known_after=3)
    assert settled(ctx).detector.model == "heavy"  # type: ignore[arg-type]
    assert ctx.beats == 3


@pytest.mark.parametrize(
    "config",
    [RunConfig(), RunConfig(detector=DetectorConfig(model="auto"), lift=LiftConfig(engine="hold"))],
    ids=["a model by name", "an engine by name"],
)
def test_nothing_is_waited_for_where_the_engine_is_clear(config):
    ctx = Ctx(config, known_after=10**9)
    assert settled(ctx) == config  # type: ignore[arg-type]
    assert ctx.beats == 0


def test_a_run_that_ends_meanwhile_waits_no_longer():
    ctx = Ctx(RunConfig(detector=DetectorConfig(model="auto")), known_after=10**9)
    stopped = threading.Event()
    stopped.set()
    ctx.stop = stopped  # type: ignore[assignment]
    assert settled(ctx).detector.model == "full"  # type: ignore[arg-type]
