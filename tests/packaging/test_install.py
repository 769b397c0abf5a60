"""What is built works where it is installed: a wheel and a source distribution, the oldest and the newest Python.

Each goes into a fresh environment, and the commands run outside the checkout, with its files out of sight.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import realtime
from realtime.lift.lifter import PREFERRED
from tests.support.paths import ROOT
from tests.support.peer import free_address

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OLDEST = (3, 10)  # requires-python
FORMATS = ("bvh", "glb", "trc", "c3d", "mot", "angles", "csv", "json", "npz")
NO_INDEX = ("No matching distribution", "Could not find a version", "Temporary failure", "Connection")
BUILD = "from setuptools import build_meta; import sys; print(build_meta.build_sdist(sys.argv[1]))"


def minor(python: Path) -> tuple[int, int]:
    code = "import ensurepip, sys, venv; print(*sys.version_info[:2])"
    asked = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    words = asked.stdout.split() if asked.returncode == 0 else ["0", "0"]
    return int(words[0]), int(words[1])


def pythons() -> dict[tuple[int, int], Path]:
    """Interpreters of this machine, by version: on the path, and where pyenv and uv keep theirs."""
    names = [f"python3.{n}" for n in range(OLDEST[1], 20)]
    places = [Path(found) for name in names if (found := shutil.which(name))]
    for home in (".pyenv/versions", ".local/share/uv/python"):
        places += sorted(Path.home().glob(f"{home}/*/bin/python3.[0-9][0-9]"))
    known = {minor(python): python for python in [Path(sys.executable), *places]}
    return {version: python for version, python in sorted(known.items()) if version >= OLDEST}


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> dict[str, Path]:
    """Source distribution of this checkout, and the wheel made of that, not of the checkout."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=ROOT, check=True, capture_output=True)
    (sdist,) = out.glob("*.tar.gz")
    wheel = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(sdist)]
    subprocess.run([sys.executable, *wheel], cwd=out, check=True, capture_output=True, env=outside(out))
    (wheel_file,) = out.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel_file}


def outside(home: Path) -> dict[str, str]:
    """An environment in which the checkout is not to be found."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    return {key: value for key, value in os.environ.items() if key not in hidden} | {"PWD": str(home)}


class Installed:
    """A fresh environment with one of the two in it."""

    def __init__(self, home: Path, python: Path, package: Path) -> None:
        self.home, self.bin = home, home / ".venv" / "bin"
        subprocess.run([python, "-m", "venv", home / ".venv"], check=True, capture_output=True)
        done = self.run("pip", "install", "--quiet", str(package), timeout=600)
        if done.returncode and any(words in done.stderr for words in NO_INDEX):
            pytest.skip(f"pip has no packages for {python.name}: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr

    def run(self, name: str, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / name), *words]
        return subprocess.run(
            command, cwd=self.home, env=outside(self.home), capture_output=True, text=True, timeout=timeout
        )

    def says(self, name: str, *words: str) -> str:
        done = self.run(name, *words)
        assert done.returncode == 0, f"{name} {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def test_the_wheel_holds_what_a_checkout_shows(built):
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = set(wheel.namelist())
    assert {f"realtime/config/defaults/{one.name}" for one in (ROOT / "configs/run").glob("*.yaml")} <= names
    assert {f"trainers/recipes/defaults/{one.name}" for one in (ROOT / "configs/train").glob("*.yaml")} <= names
    assert {f"{package}/py.typed" for package in ("realtime", "engines", "trainers")} <= names
    assert {f"realtime/viewer/page/{one.name}" for one in (ROOT / "realtime/viewer/page").iterdir()} <= names
    assert "engines/pretrained/causal-small/model.onnx" in names and not [n for n in names if n.startswith("tests/")]
    assert built["wheel"].name == f"steadypose-{realtime.__version__}-py3-none-any.whl"


def test_the_wheel_finds_recipes_by_name_and_knows_its_commit(built, tmp_path):
    pytest.importorskip("torch")
    with zipfile.ZipFile(built["wheel"]) as wheel:
        wheel.extractall(tmp_path / "site")
    place = outside(tmp_path) | {"PYTHONPATH": str(tmp_path / "site")}
    train = [sys.executable, "-m", "trainers", "train", "causal-small", "--data", "nowhere"]
    done = subprocess.run(train, cwd=tmp_path, env=place, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "nowhere" in done.stderr and "causal-small" not in done.stderr, done.stderr
    done = subprocess.run([*train[:4], "causal-smal"], cwd=tmp_path, env=place, capture_output=True, text=True)
    assert "causal-small" in done.stderr and done.returncode == 2
    if (ROOT / ".git").exists():
        code = "import trainers\nfrom trainers.deploy.package_commit import package_commit as p\n"
        code += "print(p(), trainers.__file__)"
        said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=place, capture_output=True, text=True)
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
        assert said.stdout.split() == [head.strip(), str(tmp_path / "site/trainers/__init__.py")]


@pytest.mark.mediapipe
@pytest.mark.parametrize(("which", "package"), [(0, "wheel"), (-1, "sdist")], ids=["oldest-wheel", "newest-sdist"])
def test_every_command_runs_outside_a_checkout(which, package, built, tmp_path):
    python = list(pythons().values())[which]
    installed = Installed(tmp_path, python, built[package])
    assert installed.says("realtime", "--version") == f"steadypose {realtime.__version__}\n"
    assert str(ROOT) not in installed.says("python", "-c", "import realtime; print(realtime.__file__)")

    findings = [json.loads(line) for line in installed.run("realtime", "doctor", "--json").stdout.splitlines()]
    bad = [f for f in findings if f["level"] == "bad" and not f["what"].startswith("port")]  # others may hold a port
    assert len(findings) > 8 and bad == []

    bind = ("--bind", free_address())
    last = installed.says("realtime", "run", "--demo", "--seconds", "5", "--json", *bind).splitlines()[-1]
    assert json.loads(last)["answered"] > 0
    installed.says("realtime", "run", "--config", "demo", "--seconds", "3", "--quiet", *bind)
    assert "realtime run --config my.yaml" in installed.says("realtime", "init-config", "my.yaml")
    kept = ("--config", "my.yaml", "--demo", "--every-frame", "--seconds", "12", "--record", "walk.sp", "--quiet")
    installed.says("realtime", "run", *kept, *bind)

    assert PREFERRED[0] in installed.says("realtime", "info", "walk.sp")
    for to in FORMATS:
        installed.says("realtime", "export", "walk.sp", "--to", to, "--min-frames", "2")
    installed.says("realtime", "render", "walk.sp", "-o", "seen.mp4")
    installed.says("realtime", "process", "walk.sp", "--engine", "hold")
    code = "import realtime as r; print(next(p for p in r.load_recording('walk.sp') if p.people).people[0]['nose'])"
    assert re.match(r"nose .* m ±\d", installed.says("python", "-c", code))

    for command in re.findall(r"^    (\S+) ", installed.says("realtime", "--help"), re.M):
        installed.says("realtime", command, "--help")
    assert "causal-small" in installed.says("engines", "list") and "train" in installed.says("trainers", "--help")
    assert "complete -o filenames" in installed.says("realtime", "completion", "bash")
