"""Build an engine for this machine from a verified ONNX model: another precision, other batches, or compiled."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engines import fp16, onnx_file, store, trust
from engines.backends import cuda, ort, tensorrt
from engines.contract import Contract
from engines.errors import EngineError
from engines.manifest import GOLDEN, MANIFEST, MODEL, MODEL_LIMIT, TOLERANCE, Manifest, library_versions, write_manifest
from engines.skeleton import Array

COMPILED_MODEL = "model.engine"
TARGETS = ("onnx", *store.COMPILED)
PRECISIONS = ("fp32", "fp16")


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built; empty `batches` and `sms` mean the model's own and this machine's."""

    target: str
    precision: str = "fp32"
    batches: tuple[int, ...] = ()
    sms: tuple[int, ...] = ()
    out: Path | None = None


@dataclass(frozen=True)
class ModelSource:
    folder: Path
    manifest: Manifest
    contract: Contract
    golden: dict[str, Array]
    model: bytes


def build(model: str | Path, order: BuildRequest, progress: tensorrt.Progress | None = None) -> tuple[Path, str]:
    """Build, checks and installs; returns the folder and one sentence on how far it was checked."""
    source = read_source(model)
    contract = replace(source.contract, batches=order.batches or source.contract.batches)
    onnx = _precise(source, order)
    _check_precision(source, order, onnx)
    if order.target == "onnx":
        return _install(source, order, contract, onnx, (), {}), "golden sequence holds"
    library = tensorrt.flavour(order.target)
    sms = _sms(library, order)
    cache = _timing_cache(library)
    engine, timed = tensorrt.compile_onnx(
        library, onnx, str(source.folder / source.manifest.model), contract, contract.batches, sms,
        _read_if_there(cache), progress,
    )  # fmt: skip
    if timed:
        _write_privately(cache, timed)
    folder = _install(source, order, contract, engine, sms, _made_by(library))
    return folder, _try_here(folder, sms)


def read_source(model: str | Path) -> ModelSource:
    """Find a model by its name in the store, its folder or its .onnx file; verified before anything parses it."""
    path = Path(model)
    if path.is_file():
        onnx_file.scan(trust.read(path, MODEL_LIMIT), str(path))
        if not (path.parent / MANIFEST).is_file():
            raise EngineError(f"{path}: no {MANIFEST} beside it; `trainers export` writes both")
    folder = path.parent if path.is_file() else store.locate(model)
    manifest, contract, golden, data = store.load(folder)
    if manifest.target != "onnx" or (path.is_file() and path.name != manifest.model):
        raise EngineError(
            f"{folder}: its manifest is of {manifest.model} ({manifest.target}); build from the ONNX model"
        )
    return ModelSource(folder, manifest, contract, golden, data)


def _precise(source: ModelSource, order: BuildRequest) -> bytes:
    if order.precision == source.manifest.precision or order.precision == "fp32":
        return source.model
    return fp16.halve(source.model, str(source.folder), arithmetic=order.target != "onnx")


def _check_precision(source: ModelSource, order: BuildRequest, onnx: bytes) -> None:
    """Check fp16 weights against the golden sequence on the CPU, which widens them; a GPU judges the arithmetic."""
    engine = ort.open_onnx(onnx, source.folder, source.contract, source.manifest.name, "", threads=1,
                           batch=source.contract.batches[0])  # fmt: skip
    manifest = replace(source.manifest, precision=_precision(source, order), tolerance=_tolerance(source))
    store.check_golden(engine, manifest, source.golden, every_row=True)


def _precision(source: ModelSource, order: BuildRequest) -> str:
    return "fp16" if "fp16" in (order.precision, source.manifest.precision) else "fp32"


def _tolerance(source: ModelSource) -> dict[str, float]:
    return TOLERANCE | source.manifest.tolerance


def _sms(library: tensorrt.Flavour, order: BuildRequest) -> tuple[int, ...]:
    """GPUs to build for: those named, else the one that is here; only RTX can build for absent ones."""
    here: tuple[int, ...] = ()
    with suppress(EngineError):
        here = (cuda.open_gpu().capability,)
    if library.target == "tensorrt-rtx" and (order.sms or here):
        return order.sms or here
    if library.target == "tensorrt" and here and order.sms in ((), here):
        return here
    found = f"SM{here[0]}" if here else "no GPU"
    if library.target == "tensorrt":
        raise EngineError(f"TensorRT builds for the GPU it runs on, found {found}; build there, without --sm")
    raise EngineError(f"found {found}: name the GPUs to build for, --sm {','.join(map(str, library.sms()))}")


def _install(
    source: ModelSource,
    order: BuildRequest,
    contract: Contract,
    data: bytes,
    sms: Sequence[int],
    made_by: dict[str, str],
) -> Path:
    """Everything into a private folder, then into its place in one move."""
    name, precision = source.manifest.name, _precision(source, order)
    out = order.out or store.compiled_home() / f"{name}-{order.target}-{precision}"
    if out.exists() and not (out / MANIFEST).is_file():
        raise EngineError(f"{out}: exists and is no engine; choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        model = MODEL if order.target == "onnx" else COMPILED_MODEL
        _write_privately(part / model, data)
        kept = [f for f in source.manifest.files if f not in (source.manifest.model, GOLDEN)]
        for file in kept:
            shutil.copyfile(source.folder / file, part / file)
        write_manifest(
            part, contract, kept, _tolerance(source), source.manifest.provenance, source.golden,
            name=name, model=model, target=order.target, precision=precision, sms=sms,
            versions=library_versions() | made_by, source_sha256=source.manifest.sha256,
        )  # fmt: skip
        if out.exists():
            shutil.rmtree(out)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _made_by(library: tensorrt.Flavour) -> dict[str, str]:
    found = {tensorrt.LIBRARY[library.target]: library.version, "platform": tensorrt.this_platform()}
    with suppress(EngineError):
        gpu = cuda.open_gpu()
        found |= {"gpu": gpu.name, "driver": gpu.driver}
    return found


def _try_here(folder: Path, sms: Sequence[int]) -> str:
    """Run the golden sequence where this machine has such a GPU; a build that fails it is removed."""
    try:
        gpu = cuda.open_gpu()
    except EngineError as error:
        return f"built, not run: {error}"
    if gpu.capability not in sms:
        return f"built, not run: this GPU is SM{gpu.capability}"
    try:
        store.verify(folder)
    except EngineError:
        shutil.rmtree(folder)
        raise
    return f"golden sequence holds on {gpu.name}"


def _timing_cache(library: tensorrt.Flavour) -> Path:
    return store.compiled_home() / f"{library.target}-{library.version}.timing"


def _read_if_there(path: Path) -> bytes:
    return trust.read_compiled(path, MODEL_LIMIT) if path.is_file() else b""


def _write_privately(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    part.replace(path)
