"""The Dockerfile's steps in a clean root, and the demo in it as its user: where there is no Docker, in its place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

WANTED = ("debootstrap", "unshare", "chroot")
NO_NETWORK = ("Failed to fetch", "Failed getting release file", "Could not resolve", "No matching distribution")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes a clean root")
@pytest.mark.skipif(not all(map(shutil.which, WANTED)), reason=f"wants {', '.join(WANTED)}")
def test_the_dockerfile_s_steps_work_in_a_clean_root_and_the_demo_runs_in_it_as_its_user(tmp_path):
    command = [sys.executable, str(ROOT / "packaging" / "try_dockerfile.py"), str(tmp_path / "root")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode and any(words in done.stdout for words in NO_NETWORK):
        pytest.skip(f"no packages to be had: {done.stdout.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "realtime run --demo" in done.stdout and "(as steadypose)" in done.stdout
    assert '"answered": ' in done.stdout
