"""Over settings: one change at a time; growth is a slope; the last line is JSON of every row."""

from __future__ import annotations

import json

import pytest

from realtime.bench import sweep
from realtime.bench.hand_over import lines, measure
from realtime.bench.hand_over_ways import WAYS


def test_one_thing_changes_at_a_time():
    made = dict(sweep.settings(["--people", "--fps"]))
    assert list(made) == ["start", "people 2", "people 4", "fps 15", "fps 60"]
    assert all(sum(s[flag] != sweep.START[flag] for flag in s) == (name != "start") for name, s in made.items())


def test_growth_is_the_slope_of_the_logarithms():
    rows = {"start": {"cpu_beyond_detector": 0.1}, "people 2": {"cpu_beyond_detector": 0.2}}
    assert sweep.exponent(rows | {"people 4": {"cpu_beyond_detector": 0.4}}, "--people") == 1.0
    assert sweep.exponent(rows | {"people 4": {"cpu_beyond_detector": -0.1}}, "--people") == 1.0  # no logarithm


def test_the_table_has_every_setting_and_the_last_line_is_json(monkeypatch, capsys):
    figures = {"latency": {"detector": {"p50_ms": 20.0}}, "machine": "this one", "cpu_share": 0.5}
    figures |= {key: 1.0 for key in sweep.COLUMNS.values() if key not in ("detector_ms", "cpu_s_a_minute")}
    asked = []

    class Ended:
        returncode = 0

        def __init__(self, command, **_):
            asked.append(command)

        def communicate(self):
            return "a table\n" + json.dumps(figures | {"cpu_share": 0.5}), None

    monkeypatch.setattr(sweep.subprocess, "Popen", Ended)
    assert sweep.main(["--over", "people,sources"]) == 0
    out = capsys.readouterr().out.splitlines()
    rows = json.loads(out[-1])["rows"]
    assert list(rows) == ["start", "people 2", "people 4", "sources 2", "sources 4"]
    assert len(asked) == 3 + 2 + 4 and len({command[-1] for command in asked}) == len(asked)  # each its own port
    assert (rows["start"]["live_hz"], rows["sources 4"]["live_hz"], rows["sources 4"]["added_p50_ms"]) == (1, 4, 1)


@pytest.mark.parametrize("way", ["frame ring", "plain ZeroMQ"])
def test_a_picture_is_handed_over_and_its_age_is_measured(way):
    found = measure(way, (64, 48), 0.7, 30.0)
    assert 0 < found["p50_ms"] <= found["p99_ms"] < 1000 and found["hz"] > 5
    assert lines([{"way": way, "size": "64x48", **found}])[1].startswith(way)


def test_what_another_package_does_is_named():
    assert [name for name, way in WAYS.items() if way.needs] == ["imagezmq"]
