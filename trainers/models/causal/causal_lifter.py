"""Lift causally: hold what is hidden, look along the person's ray, one causal TCN, a pose and its sigma.

Shapes: B clips, T ticks, J = 17 joints of H36M.  Axes: camera (x right, y down, z forward), metres.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from engines.contract import Contract
from engines.skeleton import H36M_17
from trainers.models.blocks import bfloat16
from trainers.models.blocks.causal_conv import CausalBlock, CausalConv
from trainers.models.blocks.front_end import FrontEnd
from trainers.models.blocks.joint_map import JointMap


def lift_mapped(
    model: Any, given: dict[str, Tensor], state: dict[str, Tensor]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    to = model.joint_map
    world = (
        to.points(given["world"])
        if "world" in given
        else torch.zeros_like(to.points(given["x"])[..., :1]).expand(-1, -1, 3)
    )
    xyz, log_sigma, after = model.step(
        to.points(given["x"]), to.reliability(given["reliability"]), given["dt"], world, given["reset"], state
    )
    return (xyz, log_sigma), after


class LiveLifter(nn.Module):
    """Front end + causal TCN + sigma.  Receptive field 1 + 2 (1 + 3 + 9 + …) ticks."""

    sigma_gain: Tensor  # (2,) for seen and for hidden joints

    def __init__(
        self, channels: int = 384, blocks: int = 3, dropout: float = 0.1, threshold: float = 0.5,
        use_world: bool = True, hold: bool = True, lengths: bool = True, joints_in: str = "blazepose33",
        fast: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.joint_map, self.front = JointMap(joints_in), FrontEnd(threshold, use_world, hold, lengths)
        self.joints_in, self.channels, self.fast = joints_in, channels, fast
        dilations = [3**i for i in range(1, blocks + 1)]
        self.expand = CausalConv(self.front.width, channels, 1)
        self.norm, self.drop = nn.BatchNorm1d(channels), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(CausalBlock(channels, d, dropout) for d in dilations)
        self.head = nn.Conv1d(channels, 17 * 4, 1)
        self.skip = nn.Conv1d(self.front.width, 17 * 3, 1, bias=False)
        nn.init.zeros_(self.skip.weight)
        # one factor for seen joints, one for hidden ones, set on validation after training
        self.register_buffer("sigma_gain", torch.ones(2))

    def _layers(self) -> list[tuple[str, CausalConv]]:
        return [("expand", self.expand), *((f"block{i}", cast(CausalBlock, b).wide) for i, b in enumerate(self.blocks))]

    def receptive_field(self) -> int:
        return 1 + 2 * sum(conv.dilation for _, conv in self._layers())

    def state_shapes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        return self.front.state + tuple((n, (2 * c.dilation, c.channels_in)) for n, c in self._layers())

    def contract(self) -> Contract:
        return Contract(
            "lift", "step", self.joints_in, H36M_17.name, self.receptive_field(), world=self.front.use_world,
            reliability_source="learned", threshold=self.front.threshold, state=self.state_shapes(),
        )  # fmt: skip

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
        """17 joints over a whole clip: x (B, T, 17, 2) … -> xyz (B, T, 17, 3), log_sigma (B, T, 17)."""
        features, rotation, _ = self.front.clip(x, reliability, time, world)
        with bfloat16.products(x.device.type, self.fast and self.training):
            f = features.transpose(1, 2)
            y = self.drop(torch.relu(self.norm(self.expand.clip(f))))
            for block in cast("list[CausalBlock]", self.blocks):
                y = block.clip(y)
            out, skip = self.head(y).transpose(1, 2).float(), self.skip(f).transpose(1, 2).float()
        return self._answer(out, skip, rotation, reliability)

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, world: Tensor, reset: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return one tick of `clip`: x (B, 17, 2), reliability (B, 17), dt (B,), world (B, 17, 3), reset (B,) 0 or
        1."""
        start = reset > 0.5
        f, rotation, _, new = self.front.step(x, reliability, dt, world, start, state)
        y, new["expand"] = self.expand.step(f, state["expand"], start)
        y = torch.relu(self.norm(y))
        for i, block in enumerate(cast("list[CausalBlock]", self.blocks)):
            y, new[f"block{i}"] = block.step(y, state[f"block{i}"], start)
        out, skip = linear(y, self.head.weight[..., 0], self.head.bias), linear(f, self.skip.weight[..., 0])
        xyz, log_sigma = self._answer(out, skip, rotation, reliability)
        return xyz, log_sigma, new

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick, the detector's joints -> (xyz, log_sigma) and the state after it."""
        return lift_mapped(self, given, state)

    def _answer(self, out: Tensor, skip: Tensor, rotation: Tensor, reliability: Tensor) -> tuple[Tensor, Tensor]:
        xyz = (out[..., :51] + skip).unflatten(-1, (17, 3))
        xyz = (xyz - xyz[..., :1, :]) @ rotation.transpose(-1, -2)
        log_sigma = out[..., 51:].clamp(-6, 1)
        if self.training:  # the gain is fitted to what training leaves: it must not take part in it
            return xyz, log_sigma
        gain = torch.where(reliability >= self.front.threshold, self.sigma_gain[0], self.sigma_gain[1])
        return xyz, log_sigma + gain.log()
