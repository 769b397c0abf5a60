"""The site: what the code holds is written from it, every question has its place, the whole builds strictly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location

import pytest

import realtime
from realtime.wire import messages
from tests.support.paths import ROOT

tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

DOCS = ROOT / "docs"


def generator():
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = generator()
PROTOCOL = sys.modules[GENERATOR.protocol.__module__]


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GENERATOR.PAGES)
def test_pages_made_from_the_code_are_as_the_code_is(name):
    assert text(name) == GENERATOR.page(name), f"docs/{name} is old: python docs/generate.py"


@pytest.mark.parametrize("kind", ["Pose3D", "Person3D", "Keypoints2D", "Person2D", "Health", "Hello", "Truth", "Stamp"])
def test_every_field_of_a_message_is_explained(kind):
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", PROTOCOL.message_table(
        getattr(messages, kind), PROTOCOL.comments(messages)), re.M))  # fmt: skip
    expected = [f.name for f in fields(getattr(messages, kind)) if f.name not in ("stamp", "joints") or kind == "Hello"]
    assert list(rows) == expected and all(rows.values())


def test_types_on_the_wire_are_named():
    page = text("protocol.md")
    assert "| `world` | float32 (J, 3) or null |" in page and "| `root_cam` | float32 (3) or null |" in page
    assert "| `state` | uint8 (J) |" in page and "| `hidden` | list of P: uint8 (J) |" in page


def test_the_architecture_shows_the_layers_that_are_checked():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    page = text("architecture.md")
    for contract in declared["tool"]["importlinter"]["contracts"]:
        for number, row in enumerate(contract.get("layers", []), 1):
            line = f"{number}. " + ", ".join(f"`{room.strip()}`" for room in row.split("|"))
            assert f"\n{line}\n" in page, line


def test_files_that_pages_name_exist():
    named = set()
    for path in DOCS.rglob("*.md"):
        named |= set(re.findall(r"`((?:realtime|engines|trainers|configs|examples|tests)/[\w/.-]+)`", path.read_text()))
    built = {"realtime/config/defaults", "realtime/config/defaults/", "trainers/recipes/defaults"}
    assert len(named) > 20 and sorted(one for one in named - built if not (ROOT / one).exists()) == []


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.stem for path in (tmp_path / "site").rglob("*.html")}
    assert {"index", "protocol", "cli", "concepts", "blender", "architecture", "faults"} <= pages


def test_the_citation_is_of_this_version():
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {realtime.__version__}\n" in cited and "\nlicense: Apache-2.0\n" in cited
