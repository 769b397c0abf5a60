"""Check what is installed for a run: model, runtimes, system libraries, packages that overwrite each other."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions, packages_distributions
from importlib.util import find_spec
from pathlib import Path

from realtime.config.detector_models import DEFAULT
from realtime.detect.model_download import command
from realtime.doctor.machine import Finding

DISTRIBUTION, PACKAGES = "steadypose", ("realtime", "engines", "trainers")
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


def model(name: str, path: Path, fault: str) -> Finding:
    """Return one of the detector's models in the cache."""
    what, fetch = f"detector model {name}", command(name)
    if not fault:
        return Finding("good", what, str(path))
    if path.exists():
        return Finding("bad", what, f"{path} is {fault}", fetch, 6)
    first = f"the first run{'' if name == DEFAULT else f' with --model {name}'} would fetch it"
    return Finding("note", what, f"not in the cache; {first}", fetch, 6)


def libraries(names: Iterable[str] = tuple(LIBRARIES)) -> Finding:
    """Return a minimal system, a container above all, may lack what the wheels expect of it."""
    missing = [name for name in names if sys.platform.startswith("linux") and not loads(name)]
    if not missing:
        return Finding("good", "libraries", "of the system: all there")
    fix = "sudo apt-get install " + " ".join(LIBRARIES.get(name, name) for name in missing)
    return Finding("bad", "libraries", f"{', '.join(missing)} not found", fix, 6)


def loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def packages(names: Iterable[str] | None = None) -> list[Finding]:
    """Return two flavours of one package overwrite each other's files."""
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
            fix = f"pip uninstall -y {' '.join(present)} && pip install {keep}"
            findings.append(Finding("bad", "packages", f"{' and '.join(present)} overwrite each other", fix, 6))
    return findings or [Finding("good", "packages", "no two flavours of OpenCV or ONNX Runtime")]


def namesakes(owners: Mapping[str, Iterable[str]] | None = None) -> list[Finding]:
    """Return other distributions that install a package of our names: whoever came last has its files there."""
    owners = packages_distributions() if owners is None else owners
    others = {name: sorted(set(owners.get(name, ())) - {DISTRIBUTION}) for name in PACKAGES}
    fix = f"python3 -m venv .venv && .venv/bin/pip install {DISTRIBUTION}  # an environment of its own"
    return [
        Finding("bad", "packages", f"{' and '.join(found)} also installs a package named {name}", fix, 6)
        for name, found in others.items()
        if found
    ]


def _name(name: str) -> str:
    return name.lower().replace("_", "-")


def backends(installed: Iterable[str] | None = None) -> list[Finding]:
    """Return which runtimes an engine could use; only `onnxruntime` is needed."""
    present = set(RUNTIMES if installed is None else installed)
    if installed is None:
        present = {module for module in RUNTIMES if find_spec(module)}
    return [backend(module, device, fix, module in present) for module, (device, fix) in RUNTIMES.items()]


def backend(module: str, device: str, fix: str, present: bool) -> Finding:
    if present:
        return Finding("good", "runtime", f"{module} (--device {device})")
    needed = module == "onnxruntime"
    return Finding("bad" if needed else "note", "runtime", f"{module} is not installed", fix, 6 if needed else 0)
