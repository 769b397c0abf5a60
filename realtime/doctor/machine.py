"""Check this machine for a run: cameras, memory, GPU, ports; with the command that fixes it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["good", "note", "bad"]  # bad: the demo would not run here


@dataclass(frozen=True)
class Finding:
    level: Level
    what: str
    found: str
    fix: str = ""  # a command, or the next thing to do
    exit_code: int = 0  # what `realtime run` would end with


def cameras(dev: Path = Path("/dev")) -> list[Finding]:
    if not sys.platform.startswith("linux"):
        return [Finding("note", "cameras", "are not listed on this system", "try: realtime run --camera 0")]
    devices = sorted(dev.glob("video*"), key=lambda p: (len(p.name), p.name))
    if not devices:
        return [Finding("note", "cameras", f"none in {dev}", "plug one in, or run: realtime run --demo")]
    return [camera(device) for device in devices]


def camera(device: Path) -> Finding:
    if os.access(device, os.R_OK | os.W_OK):
        return Finding("good", "camera", f"{device}", f"realtime run --camera {device}")
    return Finding(
        "note", "camera", f"{device} may not be opened by you", "sudo usermod -aG video $USER, then log in anew"
    )


def gpu() -> Finding:
    """Return what the driver says; a GPU is never needed."""
    if jetson():
        return Finding(
            "note",
            "GPU",
            f"{jetson()}: JetPack brings its own TensorRT",
            "make the environment with: python3 -m venv --system-site-packages .venv",
        )
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding("note", "GPU", "no NVIDIA driver; the CPU is enough for one person")
    query = [tool, "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("note", "GPU", f"the driver does not answer: {error}", "nvidia-smi")
    return Finding("good", "GPU", said.replace("\n", "; "), "realtime run --device tensorrt")


def jetson(board: Path = Path("/proc/device-tree/model")) -> str:
    """Return the board's name on an NVIDIA Jetson, else empty."""
    try:
        name = board.read_bytes()[:200].rstrip(b"\0").decode(errors="replace")
    except OSError:
        return ""
    return name if "jetson" in name.lower() or "orin" in name.lower() else ""


def shared_memory(needed: int, where: Path = Path("/dev/shm")) -> Finding:
    """Return pictures and poses travel through it."""
    if not where.is_dir():
        return Finding("good", "shared memory", "kept by this system without a limit of its own")
    free = shutil.disk_usage(where).free
    text = f"{free / 1e6:.0f} MB free in {where}, a run needs {needed / 1e6:.0f} MB"
    if free >= needed:
        return Finding("good", "shared memory", text)
    return Finding(
        "bad", "shared memory", text, f"sudo mount -o remount,size=256m {where} (in a container: --shm-size=256m)", 4
    )


def port(address: str, purpose: str, flag: str) -> Finding:
    """Return whether tcp HOST:PORT can be bound."""
    host, _, number = address.removeprefix("tcp://").rpartition(":")
    try:
        with socket.create_server((host.strip("[]") or "127.0.0.1", int(number))):
            return Finding("good", f"port {number}", f"free ({purpose})")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a port"
        return Finding(
            "bad", f"port {number}", f"{reason} ({purpose})", f"stop what uses it, or: realtime run {flag}", 3
        )


def machine() -> Finding:
    words = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        return Finding(
            "bad",
            "machine",
            f"{words}: MediaPipe has no wheels for Intel Macs",
            "use a Mac with Apple silicon, Linux or Windows",
            6,
        )
    if platform.libc_ver()[0] == "glibc" and tuple(map(int, platform.libc_ver()[1].split(".")[:2])) < (2, 28):
        return Finding(
            "bad", "machine", f"{words}: glibc {platform.libc_ver()[1]}", "use a system with glibc 2.28 or newer", 6
        )
    return Finding("good", "machine", words)


def runtime_directory(path: Path) -> Finding:
    """Return where the stages' sockets lie; it must be this user's alone."""
    if not path.exists():
        return Finding("good", "runtime folder", f"{path} (made at the first run)")
    owner, mode = path.stat().st_uid, path.stat().st_mode & 0o777
    if hasattr(os, "getuid") and owner != os.getuid():
        return Finding(
            "bad", "runtime folder", f"{path} belongs to user {owner}", "export STEADYPOSE_RUNTIME_DIR=...", 2
        )
    if os.name == "posix" and mode & 0o077:
        return Finding("bad", "runtime folder", f"{path} is open to others (mode {mode:o})", f"chmod 700 {path}", 2)
    return Finding("good", "runtime folder", str(path))
