"""Name the commit that this package is of: the one it was built from, or the checkout's it runs in."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
WRITTEN = HERE / "commit.txt"  # by setup.py, into wheels and source distributions


def package_commit(folder: Path = HERE) -> str:
    """Return a short hash, with "+" where files of the checkout have changed since; "unknown" outside any of them."""
    if (folder / WRITTEN.name).is_file():
        return (folder / WRITTEN.name).read_text(encoding="utf-8").strip() or "unknown"
    if not git(folder, "ls-files", "package_commit.py"):
        return "unknown"  # another project's repository around an installed package
    changed = git(folder, "status", "--porcelain", "--untracked-files=no", ".", "../../engines", "../../realtime")
    return git(folder, "rev-parse", "--short", "HEAD") + ("+" if changed else "")


def git(folder: Path, *arguments: str) -> str:
    try:
        asked = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
