"""Read a causal lifter's weights back out of its exported engine, so that another network can be built on it.

The exporter transposes the wide products, and folds a norm into a convolution before it; both are undone.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from engines.errors import EngineError
from engines.skeleton import Array
from engines.store import load, locate
from trainers.errors import UserError
from trainers.models.causal.causal_lifter import LiveLifter

EPS = 1e-5  # of the norms


def carried_lifter(name: str) -> LiveLifter:
    """Return the network of a `live` engine, ready to answer as its engine does."""
    try:
        folder = locate(name)
        _, _, sequence, data = load(folder)
    except EngineError as error:
        raise UserError(str(error)) from None
    graph = _graph(data)
    found = {t.name: _tensor(t) for t in graph.initializer}
    if "model.head.weight" not in found or "model.blocks.0.norm1.weight" not in found:
        raise UserError(f"{folder}: not exported from the recipe `live`; name an engine of it, such as causal-small")
    model = LiveLifter(len(found["model.norm.weight"]), _blocks(found), 0.0)
    model.load_state_dict(_state(found, model), strict=True)
    with torch.no_grad():
        model.eval().sigma_gain.copy_(_sigma_gain(model, sequence))
    return model


def _graph(data: bytes) -> Any:
    import onnx

    return onnx.load_from_string(data).graph


def _tensor(initializer: Any) -> Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(numpy_helper.to_array(initializer).copy())


def _blocks(weights: dict[str, Tensor]) -> int:
    return sum(name.endswith(".point.weight") for name in weights)


def _sigma_gain(model: LiveLifter, sequence: dict[str, Array]) -> Tensor:
    """Return (2,) factors on sigma of believed and of other joints: constants of the graph, seen in its golden
    answers."""
    missing, believed = [], []
    state = {name: torch.zeros(sequence["in_x"].shape[1], *shape) for name, shape in model.contract().state}
    for t in range(len(sequence["in_x"])):
        given = {n: torch.from_numpy(sequence[f"in_{n}"][t]) for n in ("x", "reliability", "dt", "world", "reset")}
        (_, log_sigma), after = model.run(given, state)
        state = after if sequence["commit"][t] else state
        missing.append(torch.from_numpy(sequence["out_log_sigma"][t]) - log_sigma)
        believed.append(model.joint_map.reliability(given["reliability"]) >= model.front.threshold)
    gap, seen = torch.stack(missing), torch.stack(believed)
    return torch.stack([gap[seen].median().exp(), gap[~seen].median().exp()])


def _state(weights: dict[str, Tensor], model: LiveLifter) -> dict[str, Tensor]:
    state = model.state_dict()
    wide = [weights[name] for name in ("permute", *(f"permute_{i + 1}" for i in range(_blocks(weights))))]
    names = ("expand", *(f"blocks.{i}.wide" for i in range(_blocks(weights))))
    for name, weight in zip(names, wide):
        state[f"{name}.conv.weight"] = weight.permute(0, 2, 1).contiguous()
    for name in state:
        state[name] = weights.get(f"model.{name}", state[name]).reshape(state[name].shape)
    for i in range(_blocks(weights)):
        bias = weights.get(f"model.blocks.{i}.point.weight_bias")
        if bias is not None:  # the exporter has folded the norm behind a convolution into it
            state[f"blocks.{i}.norm2.weight"] = torch.full_like(bias, math.sqrt(1 + EPS))
            state[f"blocks.{i}.norm2.bias"] = bias
    return state
