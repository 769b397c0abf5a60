"""Run a script in Blender, without a window."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def blender() -> list[str]:
    """The command that runs a script in Blender: STEADYPOSE_BPY names a Python that has bpy."""
    python = os.environ.get("STEADYPOSE_BPY") or (sys.executable if importlib.util.find_spec("bpy") else "")
    if python:
        return [python]
    program = shutil.which("blender")
    if program:
        return [program, "--background", "--factory-startup", "--python"]
    pytest.skip("neither blender nor bpy is here: apt install blender, or STEADYPOSE_BPY=/path/to/python with bpy")


def told_by_blender(code: str, script: Path, *words: str, timeout_s: float = 110) -> str:
    """What the script prints; it lies in the file `script` and finds the words last in sys.argv."""
    command = blender()
    script.write_text(code)
    told = [*command, str(script), *(["--"] if "--background" in command else []), *words]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(told, capture_output=True, text=True, check=True, env=clean, timeout=timeout_s).stdout
