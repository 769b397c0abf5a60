"""Keep a network's large weights in half precision: half the size on disk; every runtime computes in single.

The model is rounded first, so that torch answers with the very weights that the file holds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

LARGE = 4096  # numbers; smaller tables (sigma, joints' maps) stay as they are


def round_to_half(model: nn.Module) -> None:
    for weight in model.parameters():
        if weight.numel() >= LARGE:
            weight.data = weight.data.half().to(weight.dtype)


def store_in_half(path: Path) -> None:
    """Store each large tensor of an ONNX file as half and cast it where it is used; runtimes fold that at start."""
    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= LARGE:
            name, values = tensor.name, numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}_single", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
