"""Puts a network into a folder as the store would hold it: model, golden sequence, manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engines import golden
from engines.backends import ort
from engines.contract import Contract
from engines.manifest import MODEL, TOLERANCE, write_manifest
from tests.support.networks import graphs

PROVENANCE = {"data_notice": "none: random weights", "commit": "", "command": "tests"}
SMALL = graphs.Tcn(channels=16, blocks=2)


def put_model(folder: Path, model: bytes, contract: Contract, extra: Sequence[str] = (), **manifest: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    engine = ort.open_onnx(model, folder, contract, folder.name, "", threads=1)
    sequence = golden.record(engine, golden.inputs(contract))
    write_manifest(folder, contract, [MODEL, *extra], TOLERANCE, PROVENANCE, sequence, **manifest)
    return folder


def put_step(folder: Path, net: graphs.Tcn = SMALL) -> Path:
    return put_model(folder, graphs.step_tcn(net), graphs.step_contract(net))


def put_window(folder: Path, net: graphs.Tcn = SMALL) -> Path:
    return put_model(folder, graphs.window_tcn(net), graphs.window_contract(net))
