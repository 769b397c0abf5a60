"""Write and read the manifest beside every model: contract, digests, provenance."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from itertools import zip_longest
from pathlib import Path
from typing import Any

from engines import golden as golden_file
from engines import onnx_file, trust
from engines.contract import Contract
from engines.errors import EngineError
from engines.skeleton import JOINT_SETS, Array

SCHEMA = 1
MANIFEST, GOLDEN, MODEL = "manifest.json", "golden.npz", "model.onnx"
MODEL_LIMIT, MANIFEST_LIMIT = 2 << 30, 1 << 20  # bytes
TOLERANCE = {"fp32": 1e-4, "fp16": 5e-3}  # greatest difference from the golden outputs, in their own units
MOST_TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2}  # no manifest may ask for more: the check would mean nothing
MOST_FILES = 64  # of one engine


@dataclass(frozen=True)
class Manifest:
    schema: int
    name: str
    model: str  # the file that runs
    target: str  # onnx | tensorrt | tensorrt-rtx
    precision: str  # fp32 | fp16: of the weights and the arithmetic inside; tensors of the contract stay float32
    tolerance: dict[str, float]  # by precision
    contract: dict[str, Any]
    joints: dict[str, list[str]]  # order of the joints of every joint set of the contract
    files: dict[str, dict[str, Any]]  # name -> sha256, bytes
    opset: int
    versions: dict[str, str]  # of the builder and its libraries
    sms: list[int]  # compute capabilities a compiled engine was built for
    source_sha256: str  # of the ONNX a compiled engine was built from
    provenance: dict[str, Any]  # data notice, commit, command

    @property
    def sha256(self) -> str:
        return str(self.files[self.model]["sha256"])

    @property
    def allowed(self) -> float:
        return self.tolerance[self.precision]


def write_manifest(
    directory: Path | str,
    contract: Contract,
    files: Sequence[str],
    tolerance: Mapping[str, float],
    provenance: Mapping[str, Any],
    golden: Mapping[str, Array],
    *,
    name: str = "",
    model: str = MODEL,
    target: str = "onnx",
    precision: str = "fp32",
    versions: Mapping[str, str] | None = None,
    sms: Sequence[int] = (),
    source_sha256: str = "",
) -> Manifest:
    """Write golden.npz and manifest.json into `directory`, where `files` (the model among them) already lie.

    `golden` is what `engines.golden` describes: in_<input>, out_<output> (T, G, ...) and commit (T,).
    """
    folder = Path(directory)
    golden_file.save(folder / GOLDEN, golden, contract)
    names = dict.fromkeys([model, *files, GOLDEN])
    manifest = Manifest(
        schema=SCHEMA,
        name=name or folder.resolve().name,
        model=model,
        target=target,
        precision=precision,
        tolerance={key: float(value) for key, value in tolerance.items()},
        contract=contract.to_dict(),
        joints=_joint_orders(contract),
        files={file: _digest(folder, file) for file in names},
        opset=onnx_file.scan(trust.read(folder / model, MODEL_LIMIT), model).opset if target == "onnx" else 0,
        versions=library_versions() | dict(versions or {}),
        sms=list(sms),
        source_sha256=source_sha256,
        provenance=dict(provenance),
    )
    _write_atomically(folder / MANIFEST, json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")
    return manifest


def library_versions() -> dict[str, str]:
    """Return the versions of the installed libraries that make and run models."""
    found = {}
    for package in ("steadypose", "onnxruntime", "onnx", "torch"):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def read_manifest(folder: Path) -> tuple[Manifest, Contract]:
    """Read a manifest and its contract; unknown fields, versions, joint orders and types are refused by name."""
    path = folder / MANIFEST
    try:
        plain = json.loads(trust.read(path, MANIFEST_LIMIT), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{path}: not JSON ({error}); export or build the model again") from None
    manifest = _typed(path, plain)
    try:
        contract = Contract.from_dict(manifest.contract)
    except (ValueError, TypeError) as error:
        raise EngineError(f"{path}: {error}; export the model again with this version") from None
    _check_joint_orders(path, manifest, contract)
    return manifest, contract


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _typed(path: Path, plain: Any) -> Manifest:
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if schema != SCHEMA:
        raise EngineError(f"{path}: manifest schema {schema!r}, this version reads {SCHEMA}; build or export it again")
    known = {f.name: str(f.type).split("[")[0] for f in fields(Manifest)}
    if wrong := sorted(plain.keys() ^ known.keys()):
        raise EngineError(f"{path}: fields {', '.join(wrong)} unknown or missing; build or export it again")
    for name, kind in known.items():
        if type(plain[name]).__name__ != kind:
            raise EngineError(f"{path}: {name} is {plain[name]!r}, expected {kind}; build or export it again")
    manifest = Manifest(**plain)
    if len(manifest.files) > MOST_FILES:
        raise EngineError(f"{path}: lists {len(manifest.files)} files, at most {MOST_FILES}; build or export it again")
    if not all(isinstance(e, dict) and isinstance(e.get("sha256"), str) for e in manifest.files.values()):
        raise EngineError(f"{path}: every file needs its sha256; build or export it again")
    if not all(type(e.get("bytes")) is int for e in manifest.files.values()):
        raise EngineError(f"{path}: every file needs its number of bytes; build or export it again")
    if not all(isinstance(names, list) for names in manifest.joints.values()):
        raise EngineError(f"{path}: joints are lists of names; build or export it again")
    if not all(type(sm) is int for sm in manifest.sms):
        raise EngineError(f"{path}: sms are numbers of GPUs' architectures, found {manifest.sms!r:.60}; build it again")
    if manifest.model not in manifest.files or GOLDEN not in manifest.files:
        raise EngineError(f"{path}: {manifest.model} and {GOLDEN} need digests; build or export it again")
    allowed, most = manifest.tolerance.get(manifest.precision), MOST_TOLERANCE.get(manifest.precision)
    if type(allowed) is not float or most is None or not 0 <= allowed <= most:
        raise EngineError(
            f"{path}: tolerance {allowed!r} for precision {manifest.precision!r}, expected 0 to {most or 'nothing'} "
            f"(precisions: {', '.join(MOST_TOLERANCE)}); build or export it again"
        )
    return manifest


def _joint_orders(contract: Contract) -> dict[str, list[str]]:
    return {name: list(JOINT_SETS[name].joints) for name in (contract.joints_in, contract.joints_out)}


def _check_joint_orders(path: Path, manifest: Manifest, contract: Contract) -> None:
    ours, theirs = _joint_orders(contract), manifest.joints
    if ours.keys() != theirs.keys():
        raise EngineError(
            f"{path}: lists joints of {', '.join(sorted(theirs))}, its contract is for {', '.join(sorted(ours))}; "
            f"export the model again"
        )
    for name, joints in ours.items():
        for index, (mine, other) in enumerate(zip_longest(joints, theirs[name])):
            if mine != other:
                raise EngineError(
                    f"{path}: joint {index} of {name} is {other} there, {mine} here; "
                    f"export the model again with this version"
                )


def _digest(folder: Path, name: str) -> dict[str, Any]:
    data = trust.read(trust.inside(folder, name), MODEL_LIMIT)
    return {"sha256": trust.sha256(data), "bytes": len(data)}


def _write_atomically(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
