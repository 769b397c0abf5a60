"""Opening an engine: what is found, in which order it is checked, and what the error says to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import engines
from engines import store
from engines.errors import EngineError
from engines.manifest import MANIFEST, read_manifest
from tests.support.networks import graphs, models


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "PRETRAINED", tmp_path / "store")
    return tmp_path


@pytest.fixture
def step(home: Path) -> Path:
    return models.put_step(home / "store" / "lifter")


def test_an_engine_opens_by_name_and_by_folder(step: Path) -> None:
    for where in ("lifter", step, str(step)):
        engine = engines.open_engine(where)
        assert (engine.name, engine.provider, engine.batch) == ("lifter", "cpu", 1)
        assert engine.sha256 == json.loads((step / MANIFEST).read_text())["files"]["model.onnx"]["sha256"]
        assert engine.reason.startswith("cpu")
        assert not engine.degraded


@pytest.mark.parametrize(("put", "kind"), [(models.put_step, "step"), (models.put_window, "window")])
def test_every_kind_opens_in_every_batch(home: Path, put: Callable[[Path], Path], kind: str) -> None:
    engine = engines.open_engine(put(home / "any"), batch=4)
    inputs = {name: np.ones(shape, np.float32) for name, shape in engine.contract.inputs(4).items()}
    assert engine.contract.kind == kind
    assert engine.run(inputs)["xyz"].shape == (4, 17, 3)


def test_verify_says_what_it_checked(step: Path) -> None:
    lines = engines.verify(step)
    assert [line.split(":")[0] for line in lines] == [
        "golden.npz", "model.onnx", "golden sequence, batch 1, cpu", "golden sequence, batch 4, cpu",
        "golden sequence, batch 16, cpu",
    ]  # fmt: skip


def test_an_unknown_name_lists_the_known_ones(step: Path) -> None:
    with pytest.raises(EngineError, match=r"no engine 'nobody': .* the store has lifter; .* `engines build"):
        engines.open_engine("nobody")


def test_an_unknown_device_lists_the_known_ones(step: Path) -> None:
    with pytest.raises(EngineError, match=r"unknown device 'gpu', known: auto, cpu, cuda, tensorrt, tensorrt-rtx"):
        engines.open_engine("lifter", device="gpu")


def test_a_device_that_was_not_built_for_names_the_command(step: Path) -> None:
    with pytest.raises(EngineError, match=r"not built for tensorrt-rtx .*; run `engines build .*lifter --target"):
        engines.open_engine("lifter", device="tensorrt-rtx")


def test_the_cpu_steps_in_only_where_allowed_and_says_so(step: Path) -> None:
    engine = engines.open_engine("lifter", device="tensorrt", allow_cpu=True)
    assert engine.provider == "cpu"
    assert engine.degraded.startswith("cpu instead of tensorrt: lifter: not built for tensorrt")


def test_weights_in_a_listed_file_inside_the_folder_are_used(home: Path) -> None:
    onnx = graphs.onnx
    model = onnx.load_model_from_string(graphs.step_tcn(models.SMALL))
    folder = home / "external"
    folder.mkdir()
    onnx.save_model(
        model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=1024
    )
    data = (folder / "model.onnx").read_bytes()
    models.put_model(folder, data, graphs.step_contract(models.SMALL), extra=["weights.bin"])
    assert engines.open_engine(folder).provider == "cpu"
    weights = bytearray((folder / "weights.bin").read_bytes())
    weights[100] ^= 1
    (folder / "weights.bin").write_bytes(weights)
    with pytest.raises(EngineError, match=r"weights\.bin: sha256 .* the manifest says"):
        engines.open_engine(folder)


def test_weights_in_an_unlisted_file_are_refused(home: Path) -> None:
    onnx = graphs.onnx
    model = onnx.load_model_from_string(graphs.step_tcn(models.SMALL))
    folder = home / "external"
    folder.mkdir()
    onnx.save_model(
        model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=1024
    )
    models.put_model(folder, (folder / "model.onnx").read_bytes(), graphs.step_contract(models.SMALL))
    with pytest.raises(EngineError, match=r"weights in weights\.bin have no digest"):
        engines.open_engine(folder)


def test_operators_of_others_are_refused(home: Path) -> None:
    onnx = graphs.onnx
    model = onnx.load_model_from_string(graphs.step_tcn(models.SMALL))
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    folder = models.put_model(home / "odd", model.SerializeToString(), graphs.step_contract(models.SMALL))
    with pytest.raises(EngineError, match=r"uses operators of com\.example; only standard ONNX is run here"):
        engines.open_engine(folder)


def test_an_unreadable_build_does_not_stand_in_the_way(step: Path) -> None:
    broken = store.compiled_home() / "broken"
    broken.mkdir(parents=True)
    (broken / MANIFEST).write_text("{")
    assert engines.open_engine("lifter").provider == "cpu"


def test_a_build_that_does_not_verify_is_passed_over_with_its_reason(step: Path) -> None:
    manifest = read_manifest(step)[0]
    built = store.compiled_home() / "lifter-tensorrt-rtx-fp32"
    shutil.copytree(step, built)
    plain = json.loads((built / MANIFEST).read_text())
    plain |= {"target": "tensorrt-rtx", "source_sha256": manifest.sha256}
    (built / MANIFEST).write_text(json.dumps(plain))
    (built / "model.onnx").write_bytes(b"other bytes")
    os.chmod(built, 0o700)
    engine = engines.open_engine("lifter")
    assert engine.provider == "cpu"
    assert "sha256" in engine.reason
    assert str(built) in engine.reason


def test_one_batch_only_is_fine_when_asked_for(home: Path) -> None:
    contract = replace(graphs.step_contract(models.SMALL), batches=(1,))
    folder = models.put_model(home / "single", graphs.step_tcn(models.SMALL), contract)
    assert engines.open_engine(folder).batch == 1
    with pytest.raises(EngineError, match="no batch 4, it was made for 1; ask for one of these"):
        engines.open_engine(folder, batch=4)
