"""PyCUDA from its source with the nvcc that is here: `python -m tests.gpu.build_pycuda WHEELHOUSE TARGET`.

WHEELHOUSE holds pycuda-*.tar.gz and wheels of pytools, mako, markupsafe, platformdirs, siphash24, typing_extensions;
TARGET becomes a folder for PYTHONPATH.  cuRAND is left out where its header is missing: nothing here needs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

LIBRARY_PLACES = (
    "/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64",
    "/usr/lib/wsl/lib",
)  # fmt: skip


def main(wheelhouse: Path, target: Path) -> int:
    """Wheels that need no building first, then PyCUDA into the same folder."""
    toolkit = find_toolkit()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, *map(str, sorted(wheelhouse.glob("*.whl")))], check=True)
    with tempfile.TemporaryDirectory() as room:
        source = unpack(newest(wheelhouse), Path(room))
        write_settings(source, toolkit, driver_folder(Path(room)))
        environment = os.environ | {"PATH": f"{toolkit / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run([*pip, "--no-build-isolation", str(source)], check=True, env=environment)
    print(f"PyCUDA built with {toolkit / 'bin' / 'nvcc'}; next: PYTHONPATH={target} python -m tests.gpu.bench_gpu")
    return 0


def find_toolkit() -> Path:
    """The folder that holds include/cuda.h: beside the nvcc on the path, or the usual place."""
    found = shutil.which("nvcc")
    places = [Path(found).resolve().parent.parent] if found else []
    places += [*sorted(Path("/usr/local").glob("cuda*"))]
    for place in places:
        if (place / "include" / "cuda.h").is_file():
            return place
    raise SystemExit("no CUDA toolkit: no nvcc on the path and no /usr/local/cuda*/include/cuda.h; install one")


def newest(wheelhouse: Path) -> Path:
    sources = sorted(wheelhouse.glob("pycuda-*.tar.gz"))
    if not sources:
        raise SystemExit(f"{wheelhouse}: no pycuda-*.tar.gz; `pip download --no-deps --no-binary=:all: pycuda` there")
    return sources[-1]


def unpack(archive: Path, room: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(room, filter="data")
    return room / archive.name.removesuffix(".tar.gz")


def driver_folder(room: Path) -> Path:
    """A folder with a libcuda.so to link against: the driver's own, else an empty one of the same name."""
    for place in map(Path, LIBRARY_PLACES):
        if (place / "libcuda.so.1").exists():
            (room / "libcuda.so").symlink_to(place / "libcuda.so.1")
            return room
    empty = ["gcc", "-shared", "-Wl,-soname,libcuda.so.1", "-o", str(room / "libcuda.so"), "-x", "c", os.devnull]
    subprocess.run(empty, check=True)
    return room


def write_settings(source: Path, toolkit: Path, driver: Path) -> None:
    curand = (toolkit / "include" / "curand.h").is_file()
    folders = [str(driver), *(str(toolkit / name) for name in ("lib64", "lib") if (toolkit / name).is_dir())]
    settings = {
        "CUDA_ROOT": str(toolkit), "CUDA_ENABLE_CURAND": curand, "CUDADRV_LIB_DIR": folders, "CUDART_LIB_DIR": folders,
        "CURAND_LIB_DIR": folders,
    }  # fmt: skip
    (source / "siteconf.py").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
