"""The README is short, shows the examples as they are run, and names what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGE = ROOT / "README.md"
SHOWN = {"subscribe.py": "python", "subscribe_raw.py": "python", "subscribe.mjs": "js"}  # file of examples/ -> fence


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_it_is_read_in_one_sitting():
    assert len(page().splitlines()) <= 150


@pytest.mark.parametrize("name", SHOWN)
def test_it_shows_the_examples_as_they_are(name):
    assert f"```{SHOWN[name]}\n{(ROOT / 'examples' / name).read_text(encoding='utf-8')}```" in page()


def test_the_two_set_up_commands_are_targets_of_make():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make ([\w-]+) ", page(), re.M):
        assert f"\n{command}:" in targets, command


def test_every_link_into_the_repository_leads_somewhere():
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page()) if not link.startswith("http")]
    assert len(links) > 10 and [link for link in links if not (ROOT / Path(link)).exists()] == []
