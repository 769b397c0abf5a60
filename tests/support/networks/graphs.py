"""Networks made on the spot, with random weights: what the engine tests open, break, build and time.

A dilated causal TCN in three forms with the same weights - step (state in, state out), window (recomputed), clip (all
frames at once) - and a masked graph network with the operators of a dynamic graph: distances, top-k, scatter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.contract import Contract

J = 17
KERNEL = 3
OPSET, IR = 20, 10


@dataclass
class Graph:
    """A list of nodes under construction; every call answers the name of its result."""

    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    def add(self, op: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        name = out or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def shaped(self, value: str, *shape: int, out: str = "") -> str:
        return self.add("Reshape", value, self.const(shape, np.int64), out=out)

    def part(self, value: str, axis: int, start: int, stop: int, out: str = "") -> str:
        bounds = [self.const([n], np.int64) for n in (start, stop, axis)]
        return self.add("Slice", value, *bounds, out=out)

    def model(self, contract: Contract, symbol: str | int = "batch") -> bytes:
        def tensors(shapes: dict[str, tuple[int, ...]]) -> list[Any]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, [symbol, *s[1:]]) for n, s in shapes.items()]

        graph = helper.make_graph(
            self.nodes, "test", tensors(contract.inputs(1)), tensors(contract.outputs(1)), self.weights
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        onnx.checker.check_model(made)
        return bytes(made.SerializeToString())


@dataclass(frozen=True)
class Tcn:
    """Weights of a dilated causal TCN: expand (width 3), then blocks of width 3 and width 1 with a residual."""

    channels: int = 64
    blocks: int = 4
    seed: int = 0

    @property
    def dilations(self) -> list[int]:
        return [KERNEL**i for i in range(self.blocks + 1)]

    @property
    def receptive_field(self) -> int:
        return KERNEL ** (self.blocks + 1)

    @property
    def features(self) -> int:
        return J * 4  # x (2), reliability, dt

    def layers(self) -> list[tuple[int, int, int]]:
        """(width, channels in, channels out) of every convolution, the last one is the head."""
        c = self.channels
        body = [(KERNEL, c, c), (1, c, c)] * self.blocks
        return [(KERNEL, self.features, c), *body, (1, c, J * 4)]

    def weights(self) -> list[np.ndarray]:
        """One (width, in, out) array per layer, scaled so that activations keep their size."""
        rng = np.random.default_rng(self.seed)
        return [(rng.standard_normal(s, np.float32) * np.float32(0.7 / np.sqrt(s[0] * s[1]))) for s in self.layers()]


def step_contract(net: Tcn, **changes: Any) -> Contract:
    """One state per wide layer: the inputs it has seen, oldest first."""
    widths = [net.features] + [net.channels] * net.blocks
    state = tuple((f"layer{i}", (2 * d, w)) for i, (d, w) in enumerate(zip(net.dilations, widths)))
    values: dict[str, Any] = {"receptive_field": net.receptive_field, "state": state} | changes
    return Contract("lift", "step", "h36m17", "h36m17", **values)


def step_tcn(net: Tcn) -> bytes:
    """One frame and the history of every layer in; one pose and the new histories out."""
    g, weights = Graph(), net.weights()
    fresh = g.add("Greater", g.shaped("reset", -1, 1, 1), g.const(0.5))
    now = g.shaped(_features(g, frames=1), -1, 1, net.features)

    def wide(i: int, value: str) -> str:
        history, dilation = f"state_layer{i}", net.dilations[i]
        known = g.add("Where", fresh, value, history)  # a reset fills the history with the present activation
        g.part(g.add("Concat", known, value, axis=1), 1, 1, 2 * dilation + 1, out=f"next_{history}")
        taps = [g.part(known, 1, k * dilation, k * dilation + 1) for k in range(KERNEL - 1)]
        return g.add("Concat", *taps, value, axis=2)

    def layer(k: int, value: str) -> str:
        return g.add("MatMul", value, g.const(weights[k].reshape(-1, weights[k].shape[2])))

    now = g.add("Relu", layer(0, wide(0, now)))
    for i in range(1, net.blocks + 1):
        inner = g.add("Relu", layer(2 * i - 1, wide(i, now)))
        now = g.add("Add", now, g.add("Relu", layer(2 * i, inner)))
    _head(g, layer(len(weights) - 1, now))
    return g.model(step_contract(net))


def window_contract(net: Tcn) -> Contract:
    return Contract("lift", "window", "h36m17", "h36m17", net.receptive_field, window=net.receptive_field)


def window_tcn(net: Tcn, strided: bool = False) -> bytes:
    """The same network over a window, the pose of its last frame out.

    `strided` skips the positions that the last frame does not need: the cheapest way to recompute a window.
    """
    g = Graph()
    out = _convolved(g, net, net.receptive_field, strided)
    _head(g, g.add("Transpose", out, perm=[0, 2, 1]))
    return g.model(window_contract(net))


def clip_answers(net: Tcn, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A whole clip at once, in numpy: (T, J, ...) in, xyz (T, J, 3) and log_sigma (T, J) out.

    The clip is preceded by copies of its first frame, layer by layer, as a reset does.
    """
    weights = net.weights()
    frames = len(inputs["dt"])
    dt = np.broadcast_to(inputs["dt"][:, None, None] * 30, (frames, J, 1))
    now = np.concatenate([inputs["x"], inputs["reliability"][..., None], dt], 2).reshape(frames, -1)

    def layer(k: int, value: np.ndarray, dilation: int) -> np.ndarray:
        back = [np.maximum(np.arange(frames) - n * dilation, 0) for n in reversed(range(len(weights[k])))]
        return np.asarray(sum(value[rows] @ tap for rows, tap in zip(back, weights[k])))

    now = np.maximum(layer(0, now, 1), 0)
    for i in range(1, net.blocks + 1):
        inner = np.maximum(layer(2 * i - 1, now, net.dilations[i]), 0)
        now = now + np.maximum(layer(2 * i, inner, 1), 0)
    answer = layer(len(weights) - 1, now, 1).reshape(frames, J, 4)
    return answer[..., :3], answer[..., 3]


def windows_of(inputs: dict[str, np.ndarray], frames: int, t: int) -> dict[str, np.ndarray]:
    """The window of a clip that ends at frame t, preceded by copies of the first frame: (1, frames, ...)."""
    rows = np.maximum(np.arange(t - frames + 1, t + 1), 0)
    return {name: value[rows][None] for name, value in inputs.items()}


def graph_contract(frames: int = 9) -> Contract:
    return Contract("lift", "window", "h36m17", "h36m17", frames, window=frames)


def masked_graph(frames: int = 9, channels: int = 128, layers: int = 4, neighbours: int = 4) -> bytes:
    """Joints exchange with their nearest neighbours in feature space; hidden ones give nothing."""
    g, rng = Graph(), np.random.default_rng(1)

    def dense(value: str, a: int, b: int) -> str:
        return g.add("MatMul", value, g.const(rng.standard_normal((a, b)) / np.sqrt(a)))

    features = g.shaped(_features(g, frames), -1, J, 4)
    now = g.add("Relu", dense(features, 4, channels))
    seen = g.shaped("reliability", -1, 1, J)
    for _ in range(layers):
        weights = g.add("Mul", _nearest(g, now, neighbours), seen)
        total = g.add("ReduceSum", weights, g.const([2], np.int64), keepdims=1)
        graph = g.add("Div", weights, g.add("Add", total, g.const(1e-3)))
        gathered = dense(g.add("MatMul", graph, now), channels, channels)
        now = g.add("Add", now, g.add("Relu", g.add("Add", gathered, dense(now, channels, channels))))
    window = g.shaped(now, -1, frames, J * channels)
    last = g.add("Transpose", window, perm=[0, 2, 1])
    mixed = g.add("MatMul", last, g.const(rng.standard_normal((frames, 1)) / frames))
    _head(g, g.shaped(dense(g.shaped(mixed, -1, J, channels), channels, 4), -1, 1, J * 4))
    return g.model(graph_contract(frames))


def _nearest(g: Graph, value: str, neighbours: int) -> str:
    """(N, J, C) -> (N, J, J) with ones at every joint's nearest neighbours."""
    one, other = g.add("Unsqueeze", value, g.const([2], np.int64)), g.add("Unsqueeze", value, g.const([1], np.int64))
    gap = g.add("Sub", one, other)
    squared = g.add("ReduceSum", g.add("Mul", gap, gap), g.const([3], np.int64), keepdims=0)
    distance = g.add("Sqrt", g.add("Add", squared, g.const(1e-6)))
    index = f"nearest{len(g.nodes)}"
    g.nodes.append(
        helper.make_node(
            "TopK", [distance, g.const([neighbours], np.int64)], [f"{index}_d", index], axis=2, largest=0, sorted=1
        )
    )
    nothing = g.add("Mul", distance, g.const(0.0))
    ones = g.add("Add", g.add("Mul", f"{index}_d", g.const(0.0)), g.const(1.0))
    return g.add("ScatterElements", nothing, index, ones, axis=2)


def _features(g: Graph, frames: int) -> str:
    """x, reliability and dt of every joint: (B, frames, J, 4)."""
    x = g.shaped("x", -1, frames, J, 2)
    reliability = g.shaped("reliability", -1, frames, J, 1)
    dt = g.add("Mul", g.shaped("dt", -1, frames, 1, 1), g.const(np.full((1, 1, J, 1), 30.0)))
    return g.add("Concat", x, reliability, dt, axis=3)


def _convolved(g: Graph, net: Tcn, frames: int, strided: bool) -> str:
    weights = net.weights()
    now = g.add("Transpose", g.shaped(_features(g, frames), -1, frames, net.features), perm=[0, 2, 1])

    def conv(k: int, value: str, dilation: int = 1) -> str:
        how: dict[str, Any] = {"strides": [KERNEL]} if strided and len(weights[k]) > 1 else {"dilations": [dilation]}
        return g.add("Conv", value, g.const(weights[k].transpose(2, 1, 0)), kernel_shape=[len(weights[k])], **how)

    now = g.add("Relu", conv(0, now))
    left = frames // KERNEL if strided else frames - KERNEL + 1
    for i in range(1, net.blocks + 1):
        inner = g.add("Relu", conv(2 * i - 1, now, net.dilations[i]))
        if strided:
            taken = [g.const([n], np.int64) for n in (KERNEL - 1, left, 2, KERNEL)]
            skipped, left = g.add("Slice", now, *taken), left // KERNEL
        else:
            skipped, left = g.part(now, 2, 2 * net.dilations[i], left), left - 2 * net.dilations[i]
        now = g.add("Add", skipped, g.add("Relu", conv(2 * i, inner)))
    return conv(len(weights) - 1, now)


def _head(g: Graph, value: str) -> None:
    """(B, 1, J * 4) -> xyz and log_sigma."""
    pose = g.shaped(value, -1, J, 4)
    g.part(pose, 2, 0, 3, out="xyz")
    g.shaped(g.part(pose, 2, 3, 4), -1, J, out="log_sigma")
