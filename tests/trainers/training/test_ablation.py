"""Variants in equal steps: several at once, seeds with their spread, what is done stays done, what fails says why."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.support.networks.trying import motion_folder
from trainers import cli
from trainers.training import ablation
from trainers.training.ablation import spread

TINY = """recipe: pavllo
layers: 1
channels: 8
batch: 8
epoch: 2
validation_clips: 2
loop: {steps: 4}
variants:
  wide: {channels: 16}
  blind: {zero_hidden: true}
  broken: {variant: none}
"""


@pytest.fixture
def command(tmp_path) -> list[str]:
    data = motion_folder(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return ["ablate", str(tmp_path / "tiny.yaml"), "--data", data, "--out", str(tmp_path / "out")]


def done(out: Path) -> dict[tuple[str, str], dict]:
    return {(p.parent.parent.name, p.parent.name): json.loads(p.read_text()) for p in out.rglob("variant.json")}


def test_variants_take_equal_steps_two_at_once_with_two_seeds(command, tmp_path, capsys):
    assert cli.main([*command, "--variants", "base,wide", "--steps", "3", "--seeds", "2", "--parallel", "2"]) == 0
    found = done(tmp_path / "out")
    assert set(found) == {(v, s) for v in ("base", "wide") for s in ("seed1", "seed2")}
    assert {one["steps"] for one in found.values()} == {3}
    wide, base = found["wide", "seed1"], found["base", "seed1"]
    assert wide["parameters"] > 1.5 * base["parameters"] and base["figures"]["open"] > 0
    assert found["base", "seed2"]["figures"] != base["figures"]
    assert "--variant wide" in wide["command"] and "--seed 2" in found["wide", "seed2"]["command"]
    printed = capsys.readouterr().out
    assert "| base" in printed and printed.count(" ± ") >= 2 * len(base["figures"])
    before = (tmp_path / "out/tiny/base/seed1/variant.json").stat().st_mtime_ns
    assert cli.main([*command, "--variants", "base", "--steps", "3"]) == 0  # nothing is trained twice
    assert (tmp_path / "out/tiny/base/seed1/variant.json").stat().st_mtime_ns == before


def test_a_variant_that_fails_says_why_and_ends_the_table(command, capsys):
    assert cli.main([*command, "--variants", "broken", "--steps", "2"]) == 2
    assert "broken, seed 1: exit code 2" in (error := capsys.readouterr().err) and "expected one of causal" in error


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--variants", "narrow"], "no variant 'narrow'; it has wide, blind, broken"),
     (["--steps", "2", "--minutes", "1"], "expected one of them"), (["--parallel", "0"], "at least 1")],
)  # fmt: skip
def test_what_cannot_be_is_refused(command, capsys, words, says):
    assert cli.main([*command, *words]) == 2
    assert says in capsys.readouterr().err


def test_a_terminated_ablation_leaves_no_run_behind(command, monkeypatch):
    going = []

    def started(run, args):
        going.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return going[-1]

    monkeypatch.setattr(ablation, "started", started)
    monkeypatch.setattr(ablation.time, "sleep", lambda _: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        cli.main([*command, "--variants", "base,wide", "--parallel", "2"])
    assert len(going) == 2 and all(one.poll() is not None for one in going)


def test_minutes_of_one_core_buy_steps(command, tmp_path):
    assert cli.main([*command, "--variants", "base", "--minutes", "0.005"]) == 0
    assert done(tmp_path / "out")["base", "seed1"]["steps"] > 1


def test_spread_is_the_standard_deviation_over_seeds():
    assert spread([10.0, 14.0]) == "12 ± 2.8" and spread([10.0]) == "10" and spread([]) == ""
