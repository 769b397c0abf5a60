"""The house keeps its order: vendors behind one door, sizes, names that say nothing."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

MIB = 1024 * 1024
DOORS = {  # a vendor's package -> the only files of the rooms that may import it
    "mediapipe": {"realtime/detect/mediapipe_detector.py", "realtime/detect/task_bundle.py"},
    "onnxruntime": {"engines/backends/ort.py"},
    "tensorrt": {"engines/backends/tensorrt.py"},
    "tensorrt_rtx": {"engines/backends/tensorrt.py"},
    "pycuda": {"engines/backends/cuda.py"},
}
MODULES_MAX = 20  # a folder, its __init__ counted
EMPTY_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}


def tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the list of files is git's")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).exists()]


@cache
def modules(*rooms: str) -> dict[str, ast.Module]:
    paths = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def on_loading(tree: ast.Module) -> set[str]:
    """What importing the file imports: not what its functions do when they are called."""
    return imported(ast.Module([node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], []))


@pytest.mark.parametrize("vendor", DOORS)
def test_each_vendor_has_its_door(vendor):
    found = {path for path, tree in modules("realtime", "engines").items() if vendor in imported(tree)}
    assert found <= DOORS[vendor]


def test_heavy_vendors_load_when_they_are_used():
    heavy = {"mediapipe", "onnxruntime", "tensorrt", "tensorrt_rtx", "pycuda", "onnx", "torch"}
    found = {path: heavy & on_loading(tree) for path, tree in modules("realtime", "engines").items()}
    assert {path: names for path, names in found.items() if names} == {}


def test_what_is_tracked_stays_small():
    sizes = {name: (ROOT / name).stat().st_size for name in tracked()}
    assert sum(sizes.values()) < 48 * MIB
    assert sum(size for name, size in sizes.items() if name.startswith("engines/pretrained/")) <= 25 * MIB
    assert sum(size for name, size in sizes.items() if name.startswith("tests/data/")) <= MIB


def test_no_folder_holds_more_than_twenty_modules():
    widths = Counter(str(Path(name).parent) for name in tracked() if name.endswith(".py"))
    assert {folder: width for folder, width in widths.items() if width > MODULES_MAX} == {}


def test_a_class_name_means_one_thing():
    classes = Counter(
        node.name
        for tree in modules("realtime", "engines", "trainers").values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in classes.items() if count > 1] == []


def test_names_say_something():
    assert [name for name in tracked() if Path(name).name in EMPTY_NAMES] == []


def test_every_file_says_what_it_is():
    silent = [
        path
        for path, tree in modules("realtime", "engines", "trainers").items()
        if tree.body and not ast.get_docstring(tree) and not path.endswith("__init__.py")
    ]
    assert silent == []


def test_opencv_is_the_one_that_mediapipe_brings():
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert not re.search(r'"opencv', declared)
