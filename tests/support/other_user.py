"""A second user of this machine: commands run under another uid, for faults that one user does to another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import ROOT

NOBODY, DAEMON = 65534, 1
SETPRIV = shutil.which("setpriv")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or SETPRIV is None,
    reason="only root, with setpriv, can act as two users of a machine",
)
READ = "+dac_read_search"  # the interpreter may lie in root's own folder; this lets nobody write or remove anything


def run_as(uid: int, arguments: list[str], folder: Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """A Python command under another uid; its runtime directory, home and caches lie in `folder`."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
    env |= {"STEADYPOSE_RUNTIME_DIR": str(folder / "run"), "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    become = [str(SETPRIV), f"--reuid={uid}", f"--regid={uid}", "--clear-groups", f"--inh-caps={READ}"]
    return subprocess.run(
        [*become, f"--ambient-caps={READ}", sys.executable, *arguments], env=env, cwd=folder, text=True,
        capture_output=True, timeout=timeout_s, check=False,
    )  # fmt: skip


@contextmanager
def folder_of(uid: int) -> Iterator[Path]:
    """A folder that only this user may enter; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="spu-") as name:
        os.chmod(name, 0o700)
        os.chown(name, uid, uid)
        yield Path(name)
