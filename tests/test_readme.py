"""The README holds what is true: a line for every file, every field of every message, every flag of `run`.

`python -m tests.test_readme` writes the tree anew from the files' own first lines.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from realtime import messages
from realtime.commands import run

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "README.md"
START, END = "<!-- tree -->", "<!-- end of tree -->"
ROOMS = ("realtime", "engines", "trainers", "configs")
OUTSIDE = {  # files that cannot say it themselves
    "engines/pretrained": "shipped networks: model.onnx, manifest.json, golden.npz, CARD.md each",
    "tests": "test_<module>.py mirrors the tree; faults/ one test per row of FAULTS.md; fakes/, timing/, replay/",
    "pyproject.toml": "dependencies, extras, checks",
    "Makefile": "demo, test, check, bench",
}


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def first_line(path: Path) -> str:
    """What the file says of itself: the docstring's first sentence, a comment's or a page's first line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].replace("\n", " ")
    else:
        said = next((line.lstrip("# ") for line in text.splitlines() if line.startswith(("#", "<title>"))), "")
    said = re.sub(r"</?title>", "", said).strip()
    return said.split(".  ")[0].rstrip(".")


def listed(path: str) -> bool:
    return path.split("/")[0] in ROOMS and path.endswith((".py", ".yaml", ".html")) and "/pretrained/" not in path


def tree() -> str:
    lines = ["```"]
    folder = ""
    for path in sorted(filter(listed, tracked()), key=lambda p: (ROOMS.index(p.split("/")[0]), p.rsplit("/", 1))):
        said = first_line(ROOT / path)
        here, name = path.rsplit("/", 1)
        if not said:
            continue
        if here != folder:
            folder = here
            lines.append(f"{here}/")
        lines.append(f"  {name:<22} {said}")
    lines += [f"{name:<24} {said}" for name, said in OUTSIDE.items()]
    return "\n".join([*lines, "```"])


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def paths(block: str) -> set[str]:
    """folder/name of every line of a tree."""
    found, folder = set(), ""
    for line in block.splitlines():
        if line.startswith("  "):
            found.add(f"{folder}{line.split()[0]}")
        else:
            folder = line
    return found


def test_every_file_of_the_rooms_is_in_the_tree():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the list of files is git's")
    block = page().split(START)[1].split(END)[0]
    assert paths(block) == paths(tree()), "run: python -m tests.test_readme"


@pytest.mark.parametrize(
    "message", ["Pose3D", "Person3D", "Keypoints2D", "Person2D", "Health", "Hello", "Truth", "Stamp"]
)
def test_every_field_of_a_message_is_explained(message):
    schema = page().split("## What a message holds")[1].split("\n## ")[0]
    for one in fields(getattr(messages, message)):
        if one.name != "stamp":
            assert f"`{one.name}`" in schema or f"`people[].{one.name}`" in schema or one.name == "people"


def test_every_flag_of_run_is_mentioned():
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    mentioned = page()
    for action in parser._actions:
        flag = action.option_strings[-1]
        assert flag in mentioned or flag in ("--help", "--seed", "--http"), flag


def test_the_two_set_up_commands_are_targets_of_make():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make (\w+) ", page(), re.M):
        assert f"\n{command}:" in targets, command


if __name__ == "__main__":
    before, rest = page().split(START)
    after = rest.split(END)[1] if END in rest else rest.removeprefix("\n")
    PAGE.write_text(f"{before}{START}\n{tree()}\n{END}\n\n{after.lstrip()}", encoding="utf-8")
