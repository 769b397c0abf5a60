"""The page of benchmarks is what their commands printed; what is kept of a run is all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import SimpleNamespace

import pytest

from tests.support.paths import ROOT


@pytest.fixture
def module(tmp_path):
    spec = spec_from_file_location("benchmarks", ROOT / "docs" / "benchmarks.py")
    made = module_from_spec(spec)
    sys.modules["benchmarks"] = made  # dataclasses look their module up
    spec.loader.exec_module(made)
    yield made
    del sys.modules["benchmarks"]


def test_the_page_is_what_was_kept(module):
    assert (ROOT / "docs" / "BENCHMARKS.md").read_text() == module.page(), "python docs/benchmarks.py --page"


def test_every_section_has_words_and_a_command_that_exists(module):
    for name, section in module.SECTIONS.items():
        assert module.words(name), name
        words = [word for word in section.command[1:] if not word.startswith("{")]
        where = words[1] if words[1].count(".") else f"{words[1]}.__main__"
        assert (ROOT / (where.replace(".", "/") + ".py")).exists(), section.command


@pytest.mark.parametrize("code", [0, 1])
def test_what_a_command_prints_is_kept_with_its_figures(module, tmp_path, monkeypatch, code):
    line = json.dumps({"ms": 3})
    program = f"import sys; print('a table'); print({line!r}); sys.exit({code})"
    section = module.Section("A title", (module.PYTHON, "-c", program))
    monkeypatch.setattr(module, "KEPT", tmp_path)
    monkeypatch.setattr(module, "SECTIONS", {"latency": section})
    module.measure("latency", SimpleNamespace(views=[], data="", runs=[]))
    kept = json.loads((tmp_path / "latency.json").read_text())
    assert (kept["table"], kept["figures"], kept["exit_code"]) == (["a table"], {"ms": 3}, code)
    assert ("exit code 1" in module.section_text(section, kept, "words")) == bool(code)


def test_a_section_that_is_none_is_refused():
    done = subprocess.run([sys.executable, ROOT / "docs" / "benchmarks.py", "--only", "nothing"], capture_output=True)
    assert done.returncode == 2 and b"expected some of views" in done.stderr
