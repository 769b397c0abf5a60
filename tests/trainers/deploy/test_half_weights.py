"""Weights stored in half precision: half the file, the answers of the rounded model."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import onnx
import torch

from engines import golden, open_engine
from trainers.deploy.export import TorchEngine, export
from trainers.models.papers.pavllo import PavlloLifter


def lifter() -> PavlloLifter:
    torch.manual_seed(3)
    return PavlloLifter("causal", (3, 3), channels=128).eval()


def test_it_answers_as_the_rounded_model_and_computes_in_single_precision(tmp_path):
    whole, rounded, half = lifter(), lifter(), tmp_path / "half"
    export(rounded, half, {}, {}, half=True)
    asked = golden.inputs(rounded.contract())
    said = golden.record(open_engine(str(half), "cpu", 1), asked)["out_xyz"]
    as_rounded, as_trained = (golden.record(TorchEngine(m), asked)["out_xyz"] for m in (rounded, whole))  # type: ignore[arg-type]
    assert abs(said - as_rounded).max() < 1e-5
    assert abs(said - as_trained).max() > 1e-5  # or nothing was rounded
    graph = onnx.load(half / "model.onnx").graph
    large = [tensor for tensor in graph.initializer if max(tensor.dims, default=0) * len(tensor.dims) >= 256]
    assert {tensor.data_type for tensor in large} == {onnx.TensorProto.FLOAT16}
    assert (half / "model.onnx").stat().st_size < 3 * sum(p.numel() for p in rounded.parameters())
    assert all(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for value in graph.output)
