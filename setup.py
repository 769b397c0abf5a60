"""Build steps that pyproject.toml cannot say: `configs/` becomes package data, the commit travels with the package."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
SETTINGS = {"configs/run": "realtime/config/defaults", "configs/train": "trainers/recipes/defaults"}
COMMIT = "trainers/deploy/commit.txt"


def commit() -> str:
    """Of the checkout this is built in; of a source distribution the one written into it."""
    if (ROOT / ".git").exists():
        asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        return asked.stdout.strip()
    written = ROOT / COMMIT
    return written.read_text(encoding="utf-8").strip() if written.exists() else ""


def write_commit(folder: Path) -> None:
    path = folder / COMMIT
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a source distribution is made of links
    path.write_text(commit() + "\n", encoding="utf-8")


class BuildWithSettings(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in SETTINGS.items():
            shutil.copytree(ROOT / source, Path(self.build_lib) / target, dirs_exist_ok=True)
        write_commit(Path(self.build_lib))


class SourceWithCommit(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_commit(Path(base_dir))


setup(cmdclass={"build_py": BuildWithSettings, "sdist": SourceWithCommit})
