"""What this machine has for a run, what is missing, and the command that mends it.

Knows: devices, packages, memory, ports, each by looking only: nothing is opened, loaded or changed.
Does not know: how findings are shown, how a run is made.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Level = Literal["good", "note", "bad"]  # bad: the demo would not run here


RUNTIMES = {  # module -> device, how it is installed
    "onnxruntime": ("cpu", "pip install onnxruntime"),
    "tensorrt": ("tensorrt", 'pip install "steadypose[tensorrt]"'),
    "tensorrt_rtx": ("tensorrt-rtx", 'pip install "steadypose[rtx]"'),
}

LIBRARIES = {  # what OpenCV and MediaPipe load on Linux -> the Debian package that brings it
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libGLESv2.so.2": "libgles2",
    "libglib-2.0.so.0": "libglib2.0-0",
}
FLAVOURS = (  # of one package, the one to keep first
    ("opencv-contrib-python", "opencv-python", "opencv-python-headless", "opencv-contrib-python-headless"),
    ("onnxruntime-gpu", "onnxruntime"),
)


@dataclass(frozen=True)
class Finding:
    level: Level
    what: str
    found: str
    mend: str = ""  # a command, or the next thing to do
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


def model(path: Path, whole: bool) -> Finding:
    if whole:
        return Finding("good", "detector model", str(path))
    found = f"{path} is damaged" if path.exists() else "not in the cache; the first run would fetch it"
    return Finding("bad" if path.exists() else "note", "detector model", found, "realtime fetch-model", 6)


def libraries(names: Iterable[str] = tuple(LIBRARIES)) -> Finding:
    """A minimal system, a container above all, may lack what the wheels expect of it."""
    missing = [name for name in names if sys.platform.startswith("linux") and not loads(name)]
    if not missing:
        return Finding("good", "libraries", "of the system: all there")
    mend = "sudo apt-get install " + " ".join(LIBRARIES.get(name, name) for name in missing)
    return Finding("bad", "libraries", f"{', '.join(missing)} not found", mend, 6)


def loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def packages(names: Iterable[str] | None = None) -> list[Finding]:
    """Two flavours of one package overwrite each other's files."""
    installed = {
        _name(n) for n in (names if names is not None else (d.metadata["Name"] or "" for d in distributions()))
    }
    findings = []
    for flavours, keep in (
        (("opencv-contrib-python", "opencv-python", "opencv-python-headless"), "opencv-contrib-python"),
        (("onnxruntime", "onnxruntime-gpu"), "onnxruntime-gpu"),
    ):
        present = [f for f in flavours if f in installed]
        if len(present) > 1:
            mend = f"pip uninstall -y {' '.join(present)} && pip install {keep}"
            findings.append(Finding("bad", "packages", f"{' and '.join(present)} overwrite each other", mend, 6))
    return findings or [Finding("good", "packages", "no two flavours of OpenCV or ONNX Runtime")]


def _name(name: str) -> str:
    return name.lower().replace("_", "-")


def backends(installed: Iterable[str] | None = None) -> list[Finding]:
    """Which runtimes an engine could use; only `onnxruntime` is needed."""
    present = set(RUNTIMES if installed is None else installed)
    if installed is None:
        present = {module for module in RUNTIMES if find_spec(module)}
    return [backend(module, device, mend, module in present) for module, (device, mend) in RUNTIMES.items()]


def backend(module: str, device: str, mend: str, present: bool) -> Finding:
    if present:
        return Finding("good", "runtime", f"{module} (--device {device})")
    needed = module == "onnxruntime"
    return Finding("bad" if needed else "note", "runtime", f"{module} is not installed", mend, 6 if needed else 0)


def gpu() -> Finding:
    """What the driver says; a GPU is never needed."""
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
    """The board's name on an NVIDIA Jetson, else empty."""
    try:
        name = board.read_bytes()[:200].rstrip(b"\0").decode(errors="replace")
    except OSError:
        return ""
    return name if "jetson" in name.lower() or "orin" in name.lower() else ""


def shared_memory(needed: int, where: Path = Path("/dev/shm")) -> Finding:
    """Pictures and poses travel through it."""
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
    """Whether tcp HOST:PORT can be bound."""
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
    """Where the stages' sockets lie; it must be this user's alone."""
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
