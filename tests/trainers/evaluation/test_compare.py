"""Lifters side by side: the same clips for all, what a checkpoint's folder is beside an engine of the store."""

import json

import pytest

pytest.importorskip("torch")

from tests.support.people.walkers import walkers
from trainers import cli
from trainers.data import motion
from trainers.data.motion import MotionSegment
from trainers.deploy.run_engine import labels
from trainers.evaluation.compare import COLUMNS, CONDITIONS, PICTURES, SIDES, SIGMA, behind


def test_a_row_a_lifter_with_what_decides(tmp_path, capsys):
    for subject, clip in zip(("01", "05"), walkers(2, 120)):
        motion.save(tmp_path, subject, [MotionSegment(clip.numpy(), 60.0, f"{subject}_01", subject)])
    out = tmp_path / "table.json"
    names = ["detector", "last-observed", "hold", "causal-small", "causal-37"]
    assert cli.main(["compare", *names, "--data", str(tmp_path), "--out", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert list(rows) == names
    assert rows["last-observed"]["hidden, mm"] != rows["detector"]["hidden, mm"] and rows["detector"]["open, mm"] < 1000
    for row in (rows["hold"], rows["causal-small"], rows["causal-37"]):
        assert set(row) == {*COLUMNS, SIDES, *SIGMA, PICTURES, CONDITIONS, "look-ahead, ms", "ms a frame"}
        assert row["look-ahead, ms"] == 0 and 0 < row["ms a frame"] < 100 and 0 < row["open, mm"] < 1000
        assert row[PICTURES]["all inside"] == {
            k: row[k] for k in (*COLUMNS, SIDES, *SIGMA)
        }  # this view cuts nothing off
    assert rows["hold"]["open, mm"] != rows["causal-small"]["open, mm"]
    said = capsys.readouterr().out
    assert json.loads(said.splitlines()[-1]) == rows
    assert set(rows["hold"][CONDITIONS]) == set(rows["detector"][CONDITIONS]) > {"picture: whole"}
    assert "| open, aligned" in said and "| picture: whole" in said
    assert "| hold" in said and "| all inside |" in said and "cut off" not in said


def test_where_a_lifter_is_behind_the_detector_is_said_by_condition():
    rows = {
        name: {CONDITIONS: {"facing: side": side, "facing: back": back}}
        for name, side, back in (("detector", 90.0, 80.0), ("a", 91.0, 70.0), ("b", 80.0, 80.0))
    }
    assert behind(rows) == ["behind the detector: a, facing: side: 91.0 against 90.0 mm"]
    assert behind({"a": rows["a"]}) == []


def test_a_run_is_named_without_its_folder_unless_two_are_alike():
    assert labels(["hold", "runs/mine"]) == ["hold", "mine"]
    assert labels(["a/mine", "b/mine"]) == ["a/mine", "b/mine"]


def test_an_unknown_lifter_is_named(tmp_path, capsys):
    motion.save(tmp_path, "05", [MotionSegment(walkers(1, 90)[0].numpy(), 60.0, "05_01", "05")])
    assert cli.main(["compare", "nobody", "--data", str(tmp_path), "--subjects", "05"]) == 2
    assert "no engine 'nobody'" in capsys.readouterr().err
