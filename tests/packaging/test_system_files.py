"""What a system is given beside the package: manual page, unit, launcher, container; each held against the program."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from realtime.cli.main import COMMANDS, parser_for
from tests.support.paths import ROOT

PACKAGING = ROOT / "packaging"


def load(path: Path):
    spec = spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


MAN, TRY = load(ROOT / "docs" / "man_page.py"), load(PACKAGING / "try_dockerfile.py")
STEPS = TRY.instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))


def understood(words: list[str]) -> bool:
    """Does the command line take these words?"""
    assert words[0] == "realtime"
    parser_for(words[1]).parse_args(words[1:])
    return True


def test_the_manual_page_is_as_the_program_is():
    assert (PACKAGING / "realtime.1").read_text(encoding="utf-8") == MAN.man_page(), "python docs/generate.py"


@pytest.mark.skipif(shutil.which("man") is None, reason="no man here")
def test_the_manual_page_is_shown_without_a_warning():
    command = ["man", "--warnings", "--encoding=utf-8", "--local-file", str(PACKAGING / "realtime.1")]
    place = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANPAGER": "cat"}
    done = subprocess.run(command, capture_output=True, text=True, env=place, check=False)
    assert done.returncode == 0 and done.stderr == ""
    for name in COMMANDS:
        assert f"realtime {name}" in done.stdout
    assert "--keys DIR" in done.stdout and "already running or port taken" in " ".join(done.stdout.split())


def unit() -> dict[str, list[str]]:
    lines = (PACKAGING / "steadypose.service").read_text(encoding="utf-8").splitlines()
    found: dict[str, list[str]] = {}
    for key, _, value in (line.partition("=") for line in lines if "=" in line and not line.startswith("#")):
        found.setdefault(key, []).append(value)
    return found


def test_the_unit_starts_a_run_that_the_command_line_takes_and_that_ends_on_sigterm():
    (start,) = unit()["ExecStart"]
    env, *words = shlex.split(start)
    assert env == "/usr/bin/env" and words[-1] == "$STEADYPOSE_ARGUMENTS" and understood(words[:-1])
    example = re.search(r"STEADYPOSE_ARGUMENTS=(--.+)", (PACKAGING / "steadypose.service").read_text())[1]
    assert understood([*words[:-1], *shlex.split(example)])
    assert "%h/.local/bin" in unit()["Environment"][0] and unit()["UMask"] == ["0077"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_takes_the_unit(tmp_path):
    place = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    command = ["systemd-analyze", "verify", "--user", "--man=no", str(PACKAGING / "steadypose.service")]
    done = subprocess.run(command, capture_output=True, text=True, env=place, check=False)
    assert done.returncode == 0 and "steadypose" not in done.stderr, done.stderr


def test_the_launcher_has_what_a_desktop_wants():
    entry = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    entry.optionxform = str
    entry.read(PACKAGING / "steadypose.desktop", encoding="utf-8")
    found = entry["Desktop Entry"]
    assert found["Type"] == "Application" and found["Terminal"] == "true" and understood(shlex.split(found["Exec"]))
    assert found["TryExec"] == "realtime" and (PACKAGING / f"{found['Icon']}.svg").exists()
    assert found["Categories"].endswith(";") and found["Keywords"].endswith(";")
    if checker := shutil.which("desktop-file-validate"):
        assert subprocess.run([checker, str(PACKAGING / "steadypose.desktop")], check=False).returncode == 0


def test_the_container_runs_as_a_user_of_the_camera_s_group_and_its_commands_are_ours():
    words = [word for word, _ in STEPS]
    last = dict(STEPS)
    assert last["FROM"].endswith("-slim") and last["USER"] == "steadypose"
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert any("useradd" in rest and "video" in rest for word, rest in STEPS if word == "RUN")
    assert understood(TRY.json.loads(last["ENTRYPOINT"]) + TRY.json.loads(last["CMD"]))
    assert understood(TRY.json.loads(last["HEALTHCHECK"].partition("CMD ")[2]))
    assert understood(["realtime", *TRY.TRIALS[2]]) and "fetch-model" in "".join(rest for _, rest in STEPS)


def test_the_container_is_given_what_the_package_is_built_from():
    ignored = (ROOT / ".dockerignore").read_text().split()
    for needed in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "configs", "realtime", "engines", "packaging"):
        assert (ROOT / needed).exists() and needed not in ignored


@pytest.mark.slow
def test_the_wheel_brings_them_along(tmp_path):
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    copy = tmp_path / "src"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "build", "tests", "__pycache__", "*.egg-info")
    )
    subprocess.run([*wheel, str(tmp_path), str(copy)], check=True, capture_output=True)
    (found,) = tmp_path.glob("*.whl")
    names = {name.partition(".data/data/")[2] for name in zipfile.ZipFile(found).namelist()}
    assert {
        "share/man/man1/realtime.1", "share/applications/steadypose.desktop", "share/systemd/user/steadypose.service",
        "share/icons/hicolor/scalable/apps/steadypose.svg",
    } <= names  # fmt: skip
