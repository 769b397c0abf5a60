"""Convert an ONNX file to half precision: weights stored as fp16 and, where asked, products computed in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engines.errors import EngineError

SMALL = 256  # elements; smaller weights stay as they are
PRODUCTS = ("MatMul", "Gemm", "Conv")
LARGEST = 65504.0


def halve(model: bytes, name: str, arithmetic: bool) -> bytes:
    """Convert a network to fp16 weights; with `arithmetic` its products run in fp16 too, all else in fp32.

    Without it every weight is widened again when the model is loaded: half the file, the same speed.
    """
    onnx = _onnx(name)
    made = onnx.load_model_from_string(model)
    weights = {w.name: w for w in made.graph.initializer if _worth_halving(onnx, w, name)}
    for weight in weights.values():
        half = onnx.numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(onnx.numpy_helper.from_array(half, f"{weight.name}_half"))
    wide: list[Any] = []
    for node in made.graph.node:
        is_product = arithmetic and node.op_type in PRODUCTS and any(i in weights for i in node.input)
        wide += _product(onnx, node, weights) if is_product else [node]
    widened = [_cast(onnx, f"{w}_half", w, "FLOAT") for w in weights if any(w in node.input for node in wide)]
    made.graph.ClearField("node")
    made.graph.node.extend([*widened, *wide])
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def _product(onnx: Any, node: Any, weights: Mapping[str, Any]) -> list[Any]:
    """Narrow one product's inputs to fp16 and widen its result again."""
    before, names = [], []
    for index, value in enumerate(node.input):
        if value in weights or not value:
            names.append(f"{value}_half" if value else "")
            continue
        narrow = f"{node.output[0]}_in{index}"
        before.append(_cast(onnx, value, narrow, "FLOAT16"))
        names.append(narrow)
    result = node.output[0]
    half = onnx.NodeProto()
    half.CopyFrom(node)
    half.ClearField("input")
    half.input.extend(names)
    half.output[0] = f"{result}_narrow"
    return [*before, half, _cast(onnx, f"{result}_narrow", result, "FLOAT")]


def _cast(onnx: Any, value: str, out: str, kind: str) -> Any:
    return onnx.helper.make_node("Cast", [value], [out], to=getattr(onnx.TensorProto, kind), name=f"cast_{out}")


def _worth_halving(onnx: Any, weight: Any, name: str) -> bool:
    """Return whether a weight is a large matrix: norms and biases are small, and move answers most."""
    if len(weight.dims) < 2 or weight.data_type != onnx.TensorProto.FLOAT or np.prod(list(weight.dims)) < SMALL:
        return False
    if weight.data_location == onnx.TensorProto.EXTERNAL:
        raise EngineError(f"{name}: weight {weight.name} lies in another file; export with all weights inside")
    largest = float(np.abs(onnx.numpy_helper.to_array(weight)).max())
    if not largest <= LARGEST:
        raise EngineError(f"{name}: weight {weight.name} reaches {largest:.3g}, fp16 ends at {LARGEST:g}; use fp32")
    return True


def _onnx(name: str) -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise EngineError(f"{name}: fp16 needs the onnx package; `pip install steadypose[rtx]`") from None
    return onnx
