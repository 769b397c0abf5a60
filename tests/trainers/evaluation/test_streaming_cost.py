"""What a tick costs: the exponent is that of the figures, every way runs, bad words are refused."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from trainers.cli import main
from trainers.evaluation.streaming_cost import exponents, field_of


def test_exponents_are_the_slopes_of_the_figures():
    rows = {n: {"linear": 0.5 * n, "flat": 3.0, "square": n * n / 7} for n in (1, 4, 16)}
    assert exponents(rows) == {"linear": 1.0, "flat": 0.0, "square": 2.0}
    assert exponents({1: rows[1]}) == {}


def test_receptive_fields_are_those_of_the_blocks():
    assert [field_of(blocks) for blocks in (2, 3, 4)] == [27, 81, 243]


@pytest.mark.slow
def test_every_way_is_timed_and_the_last_line_is_json(capsys):
    assert main(["streaming", "--people", "2", "--blocks", "1,2", "--seconds", "0"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found["people"]) == {"2"}
    assert set(found["receptive field"]) == {"9", "27"}
    assert all(ms > 0 for row in found["people"].values() for ms in row.values())


def test_nonsense_is_refused(capsys):
    assert main(["streaming", "--people", "none"]) == 2
    assert "--people takes whole numbers" in capsys.readouterr().err
