"""What docs/papers.md says would decide a claim can be run: its variants exist, its minutes are theirs."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")

from tests.support.paths import ROOT
from trainers.config import load

STEPS, SEEDS = 20_000, 2
LIKE = {"pavllo-single": "pavllo-causal", "pavllo-symmetric": "pavllo-causal"}  # measured once for the three
OPTIMISED = "trainers weigh"  # inference stage optimisation needs no training of its own


def table(head: str) -> list[list[str]]:
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    lines = page.split(head)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def rows() -> list[list[str]]:
    return table("| claim | status |")


def pace() -> dict[str, float]:
    """Steps a second of each config, as the page has them of one GPU."""
    return {name: float(steps) for name, _, steps, _ in table("| recipe | batch | steps/s |")}


def named(cell: str) -> list[tuple[str, str]]:
    """(config, variant) of 'roy2024 `base`, `mask-none`'; what stands in brackets is none."""
    found, config = [], ""
    for variant, word in re.findall(r"`([\w.-]+)`|([\w-]+)", re.sub(r"\(.*?\)", "", cell)):
        config = word if (ROOT / "configs" / "train" / f"{word}.yaml").exists() else config
        found += [(config, variant)] if variant else []
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_a_claim_says_what_would_decide_it(row):
    _, status, variants, minutes = row
    assert status.startswith(("shown", "not shown", "undecided"))
    runs = named(variants)
    for config, variant in runs:
        load(config, "" if variant == "base" else variant)
    if OPTIMISED in variants:
        assert minutes.startswith("0 ")
        return
    seeds = 3 if "three seeds" in variants else SEEDS
    seconds = sum(seeds * STEPS / pace()[LIKE.get(config, config)] for config, _ in runs)
    assert runs and int(minutes) == pytest.approx(seconds / 60, abs=2)


def test_every_paper_has_a_claim():
    claimed = {config.split("-")[0] for row in rows() for config, _ in named(row[2])}
    assert {"pavllo", "cheng2019", "cheng2020", "roy2024", "zhang2021"} <= claimed
