"""The manifest: what is written is read back, what is unknown is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines.errors import EngineError
from engines.manifest import MANIFEST, read_manifest, write_manifest
from tests.support.networks import graphs, models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return models.put_step(tmp_path / "lifter")


def edit(folder: Path, **changes: Any) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_written_is_read_back(folder: Path) -> None:
    manifest, contract = read_manifest(folder)
    assert contract == graphs.step_contract(models.SMALL)
    assert (manifest.name, manifest.target, manifest.precision, manifest.opset) == ("lifter", "onnx", "fp32", 20)
    assert manifest.files.keys() == {"model.onnx", "golden.npz"}
    assert manifest.allowed == 1e-4
    assert manifest.provenance == models.PROVENANCE
    assert manifest.versions["onnxruntime"]
    assert len(manifest.sha256) == 64


def test_it_is_written_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / MANIFEST).read_bytes()
    monkeypatch.setattr("engines.manifest.os.replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        write_manifest(folder, graphs.step_contract(models.SMALL), [], {"fp32": 1.0}, {}, {})
    assert (folder / MANIFEST).read_bytes() == before


def test_a_file_outside_the_folder_cannot_be_listed(folder: Path) -> None:
    (folder.parent / "other").write_text("x")
    with pytest.raises(EngineError, match=r"'\.\./other', which lies outside the folder"):
        write_manifest(folder, graphs.step_contract(models.SMALL), ["../other"], {"fp32": 1.0}, {}, {})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schema": 2}, "manifest schema 2, this version reads 1"),
        ({"colour": "red"}, "fields colour unknown or missing"),
        ({"opset": "20"}, "opset is '20', expected int"),
        ({"files": {}}, "model.onnx and golden.npz need digests"),
        ({"files": {"model.onnx": "x", "golden.npz": {}}}, "every file needs its sha256"),
        ({"precision": "int4"}, "tolerance None for precision 'int4'"),
        ({"contract": {}}, "unknown or missing"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_edited_manifest_is_refused_naming_the_field(folder: Path, change: dict[str, Any], text: str) -> None:
    edit(folder, **change)
    with pytest.raises(EngineError, match=text):
        read_manifest(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '"x"'], ids=lambda text: text[:4] or "empty")
def test_what_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(EngineError, match=MANIFEST):
        read_manifest(folder)


def test_a_huge_manifest_is_not_read(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b" " * (2 << 20))
    with pytest.raises(EngineError, match="2097152 bytes, at most 1048576 are read"):
        read_manifest(folder)
