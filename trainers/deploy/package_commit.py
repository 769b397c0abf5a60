"""Name the commit that this package is of: the one it was built from, or the checkout's it runs in."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
WRITTEN = HERE / "commit.txt"  # by setup.py, into wheels and source distributions


def package_commit(here: Path = HERE) -> str:
    """Return a short hash, with "+" where files of the checkout have changed since; "unknown" outside any of them."""
    if (here / WRITTEN.name).is_file():
        return (here / WRITTEN.name).read_text(encoding="utf-8").strip() or "unknown"
    if not git(here, "ls-files", "package_commit.py"):
        return "unknown"  # another project's repository around an installed package
    changed = git(here, "status", "--porcelain", "--untracked-files=no", ".", "../../engines", "../../realtime")
    return git(here, "rev-parse", "--short", "HEAD") + ("+" if changed else "")


def git(here: Path, *arguments: str) -> str:
    try:
        asked = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
