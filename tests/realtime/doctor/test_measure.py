"""`doctor --measure`: a machine's cost of a frame becomes one line and, where it is slow, one command."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from realtime import clock
from realtime.cli import main as cli
from realtime.config.schema import RunConfig
from realtime.detect.model_download import ModelError
from realtime.doctor import command, measure
from realtime.doctor.machine import Finding


@pytest.fixture
def chain_of(monkeypatch):
    """Opens a chain whose detector takes so many ns a pixel, on a clock that only it moves."""
    now = [0]
    monkeypatch.setattr(clock, "now_ns", lambda: now[0])
    monkeypatch.setattr(measure, "fault", lambda path: "")

    def opener_of(ns_a_pixel, closed):
        def answer(picture):
            took_ns = round(ns_a_pixel * picture.image.shape[0] * picture.image.shape[1])
            now[0] += took_ns
            took = {"detect": took_ns // 1000, "occlude": 1000, "lift": 500}
            return [SimpleNamespace(pose=SimpleNamespace(stage_us=took))]

        return lambda config: SimpleNamespace(answer=answer, close=lambda: closed.append(True))

    return opener_of


def only(monkeypatch, *names):
    """Of the models, these are there."""
    monkeypatch.setattr(measure, "fault", lambda path: "" if any(name in str(path) for name in names) else "missing")


def test_a_fast_machine_is_told_its_rate_and_nothing_to_change(chain_of, monkeypatch):
    closed = []
    only(monkeypatch, "_full")
    one, advice = measure.measured(RunConfig(), chain_of(13.5e6 / (640 * 480), closed), seconds=0.05)
    assert (one.level, advice.level, advice.fix, closed) == ("good", "good", "", [True])
    assert one.what == "speed full"
    assert one.found == "sustains 66.7 Hz at 640x480 (detector 13.5 ms, occlusion 1.0 ms, lifter 0.5 ms)"
    assert advice.found == "full is the best model that keeps up with a 30 Hz camera"


def test_a_slow_machine_is_tried_with_small_pictures_and_told_what_to_run(chain_of, monkeypatch):
    closed = []
    only(monkeypatch, "_full")
    one, advice = measure.measured(RunConfig(), chain_of(480e6 / (640 * 480), closed), seconds=0.5)
    assert advice.level == "note" and len(closed) == 2
    assert "sustains 2.1 Hz at 640x480" in one.found and "6.2 Hz at 424x240" in advice.found
    assert advice.fix == "realtime run --size 424x240 --max-age 350"  # twice 160.5 ms, in steps of 50


def cost(detect_ms, size=(640, 480)):
    return measure.StageCosts(size, detect_ms, 2.0, 1.0, 1.5 * detect_ms)


@pytest.mark.parametrize(
    ("lite", "full", "heavy", "fix"),
    [
        (8, 10, 23, "realtime run --model heavy"),
        (20, 26, 60, ""),
        (28, 35, 80, "realtime run --model lite"),
    ],
)
def test_the_best_model_that_keeps_up_is_recommended(lite, full, heavy, fix):
    costs = {"lite": cost(lite), "full": cost(full), "heavy": cost(heavy)}
    assert measure.recommended(costs, ("lite", costs["lite"]), 30.0).fix == fix


def test_where_none_keeps_up_the_quickest_is_named_with_size_and_age():
    costs = {"lite": cost(40), "full": cost(50)}
    found = measure.recommended(costs, ("lite", cost(35, (424, 240))), 30.0)
    assert found.level == "note" and "lite sustains 26.3 Hz at 424x240" in found.found
    assert found.fix == "realtime run --model lite --size 424x240 --max-age 150"


def test_small_pictures_are_not_recommended_where_they_do_not_help():
    costs = {"full": cost(40.0)}
    found = measure.recommended(costs, ("full", cost(45.0, (424, 240))), 30.0)
    assert found.fix == "realtime run --size 640x480 --max-age 150"


def test_every_model_that_is_there_is_timed_and_none_fetched(chain_of, monkeypatch):
    only(monkeypatch, "_lite", "_heavy")
    found = measure.measured(RunConfig(), chain_of(13.5e6 / (640 * 480), []), seconds=0.05)
    assert [one.what for one in found] == ["speed lite", "speed heavy", "speed"]


def test_without_a_model_nothing_is_fetched_and_the_next_command_is_named(monkeypatch):
    monkeypatch.setattr(measure, "fault", lambda path: "missing")
    (found,) = measure.measured(RunConfig(), opener=pytest.fail)
    assert (found.level, found.fix) == ("note", "realtime fetch-model")


def test_what_cannot_be_opened_is_a_note_with_its_own_words(chain_of):
    def refuses(config):
        raise ModelError("broken bundle")

    assert measure.measured(RunConfig(), refuses)[0].found == "not measured: broken bundle"


@pytest.mark.parametrize(("flags", "asked"), [([], 0), (["--measure"], 1)])
def test_it_is_measured_only_when_asked(flags, asked, monkeypatch, capsys):
    monkeypatch.setattr(command, "findings", lambda config: iter(()))
    monkeypatch.setattr(measure, "measured", lambda config: [Finding("good", "speed", "sustains 66.7 Hz")])
    assert cli.main(["doctor", "--json", *flags]) == 0
    assert capsys.readouterr().out.count("sustains") == asked
