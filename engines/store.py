"""Find, verify and open engines: trusted, digested, opened, checked against the golden sequence."""

from __future__ import annotations

import os
from pathlib import Path

from engines import golden, onnx_file, trust
from engines.backends import ort
from engines.contract import Contract
from engines.engine import Engine
from engines.errors import EngineError
from engines.manifest import GOLDEN, MANIFEST, MODEL_LIMIT, Manifest, read_manifest
from engines.skeleton import Array

PRETRAINED = Path(__file__).parent / "pretrained"
COMPILED = ("tensorrt", "tensorrt-rtx")
DEVICES = ("auto", "cpu", "cuda", *COMPILED)


def compiled_home() -> Path:
    """Return the folder of this user's engines built on this machine."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "steadypose" / "engines"


def names() -> list[str]:
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{MANIFEST}"))


def compiled() -> list[Path]:
    return sorted(path.parent for path in compiled_home().glob(f"*/{MANIFEST}"))


def locate(name_or_dir: str | Path) -> Path:
    """Find an engine's folder: a path that holds a manifest, or a name in the store."""
    for folder in (Path(name_or_dir), PRETRAINED / name_or_dir, compiled_home() / name_or_dir):
        if (folder / MANIFEST).is_file():
            return folder
    raise EngineError(
        f"no engine {str(name_or_dir)!r}: no folder with a {MANIFEST}, the store has {', '.join(names()) or 'none'}; "
        f"choose one of `engines list`, or make it: `engines build MODEL.onnx --target onnx --out {name_or_dir}`"
    )


def open_engine(name_or_dir: str | Path, device: str = "auto", batch: int = 1, allow_cpu: bool = False) -> Engine:
    """Open an engine, verified, golden-checked and thereby warmed up; EngineError otherwise.

    `auto` takes an engine this user compiled from the same model, else the CPU; a named device is given or refused,
    and replaced by the CPU only with `allow_cpu` (then `degraded` says what is missing).
    """
    folder = locate(name_or_dir)
    if device not in DEVICES:
        raise EngineError(f"{folder.name}: unknown device {device!r}, known: {', '.join(DEVICES)}")
    return _best(folder, batch) if device == "auto" else _asked(folder, device, batch, allow_cpu)


def verify(folder: Path | str, device: str = "auto") -> list[str]:
    """Every check there is, for every batch and every row of the golden sequence; one line per check passed."""
    place = locate(folder)
    manifest, contract = read_manifest(place)
    lines = [f"{name}: sha256 {entry['sha256'][:12]}, {entry['bytes']} bytes" for name, entry in manifest.files.items()]
    chosen = manifest.target if manifest.target in COMPILED else ("cpu" if device == "auto" else device)
    sequence = load(place)[2]
    for batch in contract.batches:
        engine = _open_on(place, chosen, batch)
        worst = check_golden(engine, manifest, sequence, every_row=True)
        lines.append(f"golden sequence, batch {batch}, {engine.provider}: within {worst:.2g} of {manifest.allowed:.2g}")
    return lines


def load(folder: Path) -> tuple[Manifest, Contract, dict[str, Array], bytes]:
    """Manifest, contract, golden sequence and model bytes, each trusted and with the right digest."""
    manifest, contract = read_manifest(folder)
    data: dict[str, bytes] = {}
    for name in manifest.files:
        read = trust.read_compiled if manifest.target in COMPILED and name == manifest.model else trust.read
        data[name] = read(trust.inside(folder, name), MODEL_LIMIT)
        _check_digest(folder / name, manifest, name, data[name])
    model = data[manifest.model]
    if manifest.target == "onnx":
        _check_onnx(folder, manifest, model)
    return manifest, contract, golden.load(data[GOLDEN], contract, str(folder / GOLDEN)), model


def _check_digest(path: Path, manifest: Manifest, name: str, data: bytes) -> None:
    wanted, found = manifest.files[name].get("sha256"), trust.sha256(data)
    if found != wanted:
        raise EngineError(
            f"{path}: sha256 {found[:12]} ({len(data)} bytes), the manifest says {str(wanted)[:12]} "
            f"({manifest.files[name].get('bytes')} bytes); damaged or replaced: fetch, export or build it again"
        )


def _check_onnx(folder: Path, manifest: Manifest, model: bytes) -> None:
    found = onnx_file.scan(model, str(folder / manifest.model))
    for name in found.external:
        trust.inside(folder, name)
        if name not in manifest.files:
            raise EngineError(f"{folder}: weights in {name} have no digest in the manifest; export the model again")
    if found.domains:
        raise EngineError(f"{folder}: uses operators of {', '.join(found.domains)}; only standard ONNX is run here")


def _open_on(folder: Path, device: str, batch: int) -> Engine:
    manifest, contract, sequence, model = load(folder)
    engine: Engine
    if manifest.target in COMPILED:
        if device != manifest.target:
            raise EngineError(f"{folder}: compiled for {manifest.target}, not {device}; give the ONNX model's folder")
        engine = _open_compiled(model, manifest, contract, batch)
    elif device in COMPILED:
        if (built := _compiled_from(manifest, device, batch)) is None:
            raise EngineError(
                f"{manifest.name}: not built for {device} with batch {batch} on this machine; "
                f"run `engines build {folder} --target {device}`"
            )
        return _open_on(built, device, batch)
    else:
        engine = ort.open_onnx(
            model, folder, contract, manifest.name, manifest.sha256, "cuda" if device == "cuda" else "cpu", batch
        )
    check_golden(engine, manifest, sequence)
    return engine


def _open_compiled(model: bytes, manifest: Manifest, contract: Contract, batch: int) -> Engine:
    from engines.backends import tensorrt_engine

    return tensorrt_engine.open_compiled(model, manifest, contract, batch)


def _compiled_from(manifest: Manifest, target: str, batch: int) -> Path | None:
    """Find the folder this user compiled from the same ONNX file for that many slots."""
    for folder in compiled():
        try:
            built, contract = read_manifest(folder)
        except EngineError:
            continue  # an unreadable build is none; `engines list` shows it
        if (built.source_sha256, built.target) == (manifest.sha256, target) and batch in contract.batches:
            return folder
    return None


def _asked(folder: Path, device: str, batch: int, allow_cpu: bool) -> Engine:
    """Open the engine on the named device; on the CPU instead only where that is allowed, and never silently."""
    try:
        engine = _open_on(folder, device, batch)
        engine.reason = f"{device}, as asked"
    except EngineError as error:
        if not allow_cpu or device == "cpu":
            raise
        engine = _open_on(folder, "cpu", batch)
        engine.reason = engine.degraded = f"cpu instead of {device}: {error}"
    return engine


def _best(folder: Path, batch: int) -> Engine:
    """Open what this user compiled from the model, else the CPU; `reason` says which and why."""
    manifest = read_manifest(folder)[0]
    if manifest.target in COMPILED:
        return _asked(folder, manifest.target, batch, allow_cpu=False)
    passed = ""
    for device in (target for target in COMPILED if _compiled_from(manifest, target, batch)):
        try:
            engine = _open_on(folder, device, batch)
        except EngineError as error:
            passed += f"; {error}"
            continue
        engine.reason = f"{device}, built on this machine{passed}"
        return engine
    engine = _open_on(folder, "cpu", batch)
    engine.reason = f"cpu, no compiled engine of it runs here{passed}"
    return engine


def check_golden(engine: Engine, manifest: Manifest, sequence: dict[str, Array], every_row: bool = False) -> float:
    """Return the largest golden deviation; EngineError where the precision does not allow it."""
    worst = golden.check(engine, sequence, every_row)
    name, distance = max(worst.items(), key=lambda item: item[1])
    if not distance <= manifest.allowed:
        raise EngineError(
            f"{manifest.name}: golden sequence on {engine.provider}: {name} is {distance:.3g} off, "
            f"{manifest.precision} allows {manifest.allowed:.3g}; damaged weights, a wrong build or too little "
            f"precision: fetch it again or build it with --precision fp32"
        )
    return distance
