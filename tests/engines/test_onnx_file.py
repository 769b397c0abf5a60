"""Reading an ONNX file's own description: the same as the onnx package, and no surprise from hostile bytes."""

from __future__ import annotations

import contextlib

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import onnx_file
from engines.errors import EngineError
from tests.support.networks import graphs

MODEL = graphs.step_tcn(graphs.Tcn(8, 1))


def external(model: onnx.ModelProto, tensor: onnx.TensorProto, location: str) -> None:
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL


def test_opset_domains_and_external_files_are_found() -> None:
    model = onnx.load_model_from_string(MODEL)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    external(model, model.graph.initializer[0], "../weights.bin")
    found = onnx_file.scan(model.SerializeToString(), "m")
    assert (found.opset, found.domains, found.external) == (20, ("com.microsoft",), ("../weights.bin",))


def test_external_files_are_found_in_attributes_and_subgraphs() -> None:
    model = onnx.load_model_from_string(MODEL)
    inner = onnx.TensorProto()
    inner.CopyFrom(model.graph.initializer[0])
    external(model, inner, "/etc/passwd")
    constant = onnx.helper.make_node("Constant", [], ["hidden"], value=inner)
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))
    assert onnx_file.scan(model.SerializeToString(), "m").external == ("/etc/passwd",)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty"),
        (b"<!doctype html><html>", "a web page"),
        (b"\x80\x04\x95abc", "a pickled or zipped checkpoint"),
        (b"PK\x03\x04data.pkl", "a pickled or zipped checkpoint"),
        (MODEL[: len(MODEL) // 2], "damaged or unknown bytes"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "damaged or unknown bytes"),
        (b"\x3a\x02\x0a\x00" * 10_000, "damaged or unknown bytes"),
    ],
    ids=["empty", "html", "pickle", "zip", "half", "huge claim", "no opset"],
)
def test_what_is_no_model_is_named(data: bytes, text: str) -> None:
    with pytest.raises(EngineError, match=f"^m: {text}"):
        onnx_file.scan(data, "m")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer_or_the_one_error(data: bytes) -> None:
    with contextlib.suppress(EngineError):
        assert onnx_file.scan(data, "m").opset >= 0


@settings(deadline=None)
@given(st.integers(0, len(MODEL) - 1), st.integers(0, 255))
def test_any_one_changed_byte_gives_an_answer_or_the_one_error(at: int, value: int) -> None:
    with contextlib.suppress(EngineError):
        onnx_file.scan(MODEL[:at] + bytes([value]) + MODEL[at + 1 :], "m")
