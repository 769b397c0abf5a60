"""`trainers bench`: every recipe takes steps on the machine at hand, and says how many."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from trainers import cli
from trainers.recipe import RECIPES
from trainers.training.bench import CONFIGS, config_of


def test_it_prints_steps_and_windows_of_the_demos_people(capsys):
    assert cli.main(["bench", "--configs", "roy2024", "--batch", "4", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "| roy2024 | 4" in printed
    row = json.loads(printed.splitlines()[-1])["rows"]["roy2024"]
    assert row["windows a second"] == pytest.approx(4 * row["steps a second"]) and row["steps a second"] > 0.1


def test_every_recipe_that_learns_from_motion_is_measured():
    assert {config_of(name, 0).recipe for name in CONFIGS} == set(RECIPES) - {"reliability", "corrector"}
