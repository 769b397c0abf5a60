"""`detector.model: auto`: what is measured decides, once a run, and is told."""

from types import SimpleNamespace

import pytest

from realtime import clock
from realtime.config.schema import DetectorConfig, RunConfig, SourceConfig
from realtime.detect import model_choice, stage
from realtime.detect.model_choice import choose, chosen, measured_ms

ALL = ("lite", "full", "heavy")


@pytest.mark.parametrize(
    ("took", "rate_hz", "there", "model", "measured"),
    [
        ({"full": 26, "heavy": 60}, 30, ALL, "full", ["full"]),  # heavy would need 60 of 28 ms: not even tried
        ({"full": 8, "heavy": 19}, 30, ALL, "heavy", ["full", "heavy"]),
        ({"full": 12, "heavy": 40}, 30, ALL, "full", ["full", "heavy"]),  # likely, but too slow when tried
        ({"full": 35, "lite": 24}, 30, ALL, "lite", ["full", "lite"]),
        ({"full": 35, "lite": 24}, 60, ALL, "lite", ["full", "lite"]),  # neither keeps up: the quickest
        ({"full": 35, "lite": 24}, 15, ALL, "full", ["full"]),
        ({"full": 35}, 30, ("full",), "full", ["full"]),  # what is not in the cache is not tried
        ({"full": 8}, 30, ("lite", "full"), "full", ["full"]),
        ({"full": 28, "lite": 29}, 30, ALL, "full", ["full", "lite"]),  # lite that is no quicker is not taken
    ],
)
def test_the_best_that_is_sustained_is_taken_and_no_more_is_measured(took, rate_hz, there, model, measured):
    choice = choose(rate_hz, there, lambda name: float(took[name]))
    assert choice.model == model and list(choice.took_ms) == measured


def test_the_choice_is_said_with_rate_and_figures():
    words = choose(30.0, ALL, {"full": 35.2, "lite": 24.4}.__getitem__).words
    assert words == "auto took lite for 30 Hz (full 35 ms, lite 24 ms a frame)"


@pytest.fixture
def slow_detectors(monkeypatch):
    """Detectors that take so many ms a frame, on a clock that only they move; answers what was opened and closed."""
    now, log = [0], []
    took = {"lite": 20, "full": 40, "heavy": 90}
    monkeypatch.setattr(clock, "now_ns", lambda: now[0])
    monkeypatch.setattr(model_choice, "fault", lambda path: "")

    def opener(config):
        def detect(image, t_ms):
            assert image.shape == (120, 160, 3)
            now[0] += took[config.model] * clock.NS_PER_MS
            return []

        log.append(("open", config.model, config.people))
        return SimpleNamespace(detect=detect, close=lambda: log.append(("close", config.model)))

    monkeypatch.setattr(model_choice, "open_detector", opener)
    return log


SMALL = SourceConfig(spec="demo", width=160, height=120)


def test_it_is_measured_on_people_with_the_runs_own_settings_and_alive_meanwhile(slow_detectors):
    beats = []
    choice = chosen(DetectorConfig(model="auto", people=2), SMALL, lambda: beats.append(1))
    assert choice.took_ms == {"full": 40.0, "lite": 20.0} and choice.model == "lite"
    assert slow_detectors == [("open", "full", 2), ("close", "full"), ("open", "lite", 2), ("close", "lite")]
    assert len(beats) == 1000 / 40 + 1000 / 20


def test_a_detector_that_fails_is_closed(slow_detectors):
    def broken():
        raise RuntimeError("no sign of life")

    with pytest.raises(RuntimeError):
        measured_ms("full", DetectorConfig(), SMALL, broken)
    assert slow_detectors[-1] == ("close", "full")


class Ctx:
    """As a stage sees its run: what it told before a restart is still there."""

    def __init__(self, model, told):
        self.config = RunConfig(detector=DetectorConfig(model=model), source=SMALL)
        self._told = told

    def info(self):
        return self._told

    def set_info(self, **info):
        self._told.update(info)

    def beat(self): ...


def test_a_run_measures_once_and_tells(slow_detectors):
    told = {}
    assert stage.settled(Ctx("auto", told)).model == "lite"
    assert told["model_choice"].startswith("auto took lite for 30 Hz") and len(slow_detectors) == 4
    assert stage.settled(Ctx("auto", told)).model == "lite" and len(slow_detectors) == 4  # a restart keeps to it


@pytest.mark.parametrize(("camera_hz", "model"), [(15.0, "full"), (30.0, "lite"), (0.0, "lite"), (None, "lite")])
def test_the_rate_to_keep_up_with_is_what_the_camera_gives(slow_detectors, camera_hz, model):
    told = {} if camera_hz is None else {"camera_hz": camera_hz}
    assert stage.settled(Ctx("auto", told)).model == model
    assert told["model_choice"].startswith(f"auto took {model} for {camera_hz or 30:g} Hz")


def test_a_named_model_is_not_measured(slow_detectors):
    assert stage.settled(Ctx("heavy", {})).model == "heavy" and slow_detectors == []
