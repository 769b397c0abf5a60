"""Ask the user's own package clients for a file of a package index; nothing of it is installed or run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from realtime.detect.pose_models import TARBALL, WHEEL, Package

TIMEOUT_S = 600.0
NPM_PREFIXES = ("npm error", "npm ERR!")
NPM_NUMBERS = ("code ", "syscall ", "errno ")  # of a complaint: not what went wrong, but its number

Offer = tuple[str, list[list[str]]]  # a client's name, the commands to run


def clients(package: Package, staging: Path) -> Iterator[Offer]:
    """Yield every way to a package that this machine offers, the likeliest first."""
    yield from npm_clients(package, staging) if package.name == TARBALL.name else python_clients(staging)


def wanted(package: Package) -> str:
    """Name the package clients of which one is needed."""
    return "npm" if package.name == TARBALL.name else "pip, uv"


def npm_clients(package: Package, staging: Path) -> Iterator[Offer]:
    """`npm pack` stores the tarball as it is; scripts of the package never run."""
    if npm := shutil.which("npm"):
        quiet = ["--ignore-scripts", "--no-update-notifier", "--loglevel", "error", "--fetch-retries", "1"]
        spec = f"{package.name}@{package.version}"
        yield "npm", [[npm, "pack", spec, *quiet, "--pack-destination", str(staging)]]


def python_clients(staging: Path) -> Iterator[Offer]:
    if find_spec("pip"):
        yield "pip of this environment", [_pip_download([sys.executable, "-m", "pip"], staging)]
    if uv := shutil.which("uv"):
        yield "uv", [_uv_install(uv, staging)]
    if pip := shutil.which("pip") or shutil.which("pip3"):
        yield pip, [_pip_download([pip], staging)]
    if find_spec("ensurepip"):
        python = staging / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        make = [sys.executable, "-m", "venv", str(staging / "venv")]
        yield "pip of a passing environment", [make, _pip_download([str(python), "-m", "pip"], staging)]


def _pip_download(pip: list[str], staging: Path) -> list[str]:
    platform = ["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--only-binary", ":all:"]
    quiet = ["--disable-pip-version-check", "--no-input", "--retries", "1"]
    spec = f"{WHEEL.name}=={WHEEL.version}"
    return [*pip, "download", spec, "--no-deps", *platform, *quiet, "--dest", str(staging)]


def _uv_install(uv: str, staging: Path) -> list[str]:
    """uv has no download: unpacked into the staging folder, its digest held against the pinned one by uv itself."""
    pinned = staging / "pinned.txt"
    pinned.write_text(f"{WHEEL.name}=={WHEEL.version} --hash=sha256:{WHEEL.sha256}\n")
    platform = ["--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"]
    target = ["--no-deps", "--require-hashes", "--target", str(staging / "unpacked")]
    return [uv, "pip", "install", "--python", sys.executable, *platform, *target, "-r", str(pinned)]


def run_all(commands: list[list[str]], staging: Path) -> str | None:
    """Return None when all went well, else what the client complained about, in one line.

    They run in the staging folder: what lies in the user's present one, settings or modules, is not theirs to take.
    """
    scratch = {name: str(staging) for name in ("TMPDIR", "TEMP", "TMP")}
    for command in commands:
        try:
            done = subprocess.run(
                command,
                cwd=staging,
                env=os.environ | scratch,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            return complaint(done.stderr)
    return None


def complaint(stderr: str) -> str:
    """Return the line that says what went wrong: pip's and uv's last, npm's first."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    npm = [line.partition(" ")[2].partition(" ")[2] for line in lines if line.startswith(NPM_PREFIXES)]
    said = [line for line in npm if line and not line.startswith(NPM_NUMBERS)]
    return said[0] if said else (lines or ["no message"])[-1]
