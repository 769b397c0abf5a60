"""The golden sequence: it has a reset and a forgotten frame in it, and it finds what it is there to find."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import golden, store
from engines.backends import ort
from engines.engine import Engine
from engines.errors import EngineError
from tests.support.networks import graphs, models

CONTRACT = graphs.step_contract(models.SMALL)


@pytest.fixture
def sequence(tmp_path: Path) -> dict[str, np.ndarray]:
    return store.load(models.put_step(tmp_path / "m"))[2]


def opened(batch: int = 1, net: graphs.Tcn = models.SMALL) -> Engine:
    return ort.open_onnx(graphs.step_tcn(net), Path(), CONTRACT, "m", "", batch=batch, threads=1)


def saved(sequence: dict[str, np.ndarray]) -> bytes:
    path = io.BytesIO()
    golden.save(path, sequence, CONTRACT)  # type: ignore[arg-type]
    return path.getvalue()


def test_it_holds_a_reset_inside_and_a_frame_that_is_forgotten() -> None:
    made = golden.inputs(CONTRACT)
    assert made["in_reset"][0].all()
    assert made["in_reset"][1:].any()
    assert not made["in_reset"][1:].all(), "some people go on while others start again"
    assert 0 < made["commit"].mean() < 1


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_every_slot_of_every_batch_answers_as_alone(sequence: dict[str, np.ndarray], batch: int) -> None:
    assert max(golden.check(opened(batch), sequence, every_row=True).values()) < 1e-5


def test_other_weights_are_found(sequence: dict[str, np.ndarray]) -> None:
    other = opened(net=graphs.Tcn(models.SMALL.channels, models.SMALL.blocks, seed=1))
    assert golden.check(other, sequence)["xyz"] > 1e-2


class Forgetful:
    """An engine that loses its state now and then, or never lets go of it."""

    def __init__(self, engine: Engine, fault: str) -> None:
        self._engine, self._fault, self.batch = engine, fault, engine.batch

    def run(self, inputs: dict[str, Any], commit: bool = True) -> dict[str, Any]:
        if self._fault == "ignores commit":
            return self._engine.run(inputs, commit=True)
        if self._fault == "ignores reset":
            return self._engine.run(inputs | {"reset": np.zeros_like(inputs["reset"])}, commit)
        return {name: np.full_like(value, np.nan) for name, value in self._engine.run(inputs, commit).items()}

    def zero_state(self) -> None:
        self._engine.zero_state()


@pytest.mark.parametrize("fault", ["ignores commit", "ignores reset", "answers NaN"])
def test_faults_of_state_are_found(sequence: dict[str, np.ndarray], fault: str) -> None:
    broken: Any = Forgetful(opened(), fault)
    assert golden.check(broken, sequence)["xyz"] > 1e-3


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not a golden sequence"),
        (b"PK\x03\x04 broken", "not a golden sequence"),
        (b"\x93NUMPY" + b"\0" * 50, "not a golden sequence"),
    ],
    ids=["empty", "broken zip", "an npy"],
)
def test_what_is_no_golden_file_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(EngineError, match=text):
        golden.load(data, CONTRACT, "golden.npz")


def test_objects_in_it_are_never_loaded(sequence: dict[str, np.ndarray], tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    class Payload:
        def __reduce__(self) -> Any:
            return (open, (str(touched), "w"))

    file = io.BytesIO()
    arrays: dict[str, Any] = {**sequence, "evil": np.array([Payload()], object)}
    np.savez(file, **arrays)
    with pytest.raises(EngineError, match="not a golden sequence"):
        golden.load(file.getvalue(), CONTRACT, "golden.npz")
    assert not touched.exists()


def test_a_bomb_is_not_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in_dt.npy", b"\0" * (golden.LIMIT + 1))
    with pytest.raises(EngineError, match="unpacks to more than"):
        golden.load(file.getvalue(), CONTRACT, "golden.npz")


def test_other_shapes_and_a_missing_reset_are_refused(sequence: dict[str, np.ndarray]) -> None:
    with pytest.raises(EngineError, match="golden tensors"):
        golden.load(saved(sequence | {"in_x": sequence["in_x"][:, :, :5]}), CONTRACT, "golden.npz")
    still = np.zeros_like(sequence["in_reset"])
    still[0] = 1
    with pytest.raises(EngineError, match="needs a reset at its start and one inside"):
        golden.load(saved(sequence | {"in_reset": still}), CONTRACT, "golden.npz")
