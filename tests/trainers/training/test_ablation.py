"""Experiments in equal processor time: what a budget buys, what is done stays done, one table."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.support.walkers import walkers
from trainers import cli
from trainers.data import motion
from trainers.data.motion import Segment

TINY = """recipe: pavllo
layers: 2
channels: 8
batch: 8
epoch: 2
validation_clips: 2
loop: {steps: 4}
rows:
  wide: {channels: 16}
  blind: {zero_hidden: true}
"""


@pytest.fixture
def command(tmp_path) -> list[str]:
    for subject, clip in zip(("01", "05"), walkers(2, 120)):
        motion.save(tmp_path, subject, [Segment(clip.numpy(), 60.0, f"{subject}_01", subject)])
    (tmp_path / "tiny.yaml").write_text(TINY)
    out = ["--data", str(tmp_path), "--minutes", "0.01", "--out", str(tmp_path / "rows")]
    return ["rows", str(tmp_path / "tiny.yaml"), *out]


def done(out: Path) -> dict[str, dict]:
    return {p.parent.name: json.loads(p.read_text()) for p in out.glob("*/*/row.json")}


def test_each_row_gets_the_same_time_and_says_what_it_got(command, tmp_path, capsys):
    assert cli.main([*command, "--rows", "base,wide"]) == 0
    rows = done(tmp_path / "rows")
    assert set(rows) == {"base", "wide"} and rows["wide"]["parameters"] > 2 * rows["base"]["parameters"]
    for row in rows.values():
        assert row["steps"] > 4 and 0 < row["processor minutes"] < 0.2 and row["figures"]["open"] > 0
    assert f"--row wide --steps {rows['wide']['steps']}" in rows["wide"]["command"]
    assert "| base" in capsys.readouterr().out


def test_what_is_done_is_not_done_again_and_the_file_itself_comes_first(command, tmp_path):
    assert cli.main([*command, "--rows", "blind"]) == 0
    before = (tmp_path / "rows" / "tiny" / "blind" / "row.json").stat().st_mtime_ns
    assert cli.main(command) == 0
    assert set(done(tmp_path / "rows")) == {"base", "wide", "blind"}
    assert (tmp_path / "rows" / "tiny" / "blind" / "row.json").stat().st_mtime_ns == before


def test_an_unknown_row_is_named(command, capsys):
    assert cli.main([*command, "--rows", "narrow"]) == 2
    assert "no row 'narrow'; it has wide, blind" in capsys.readouterr().err
