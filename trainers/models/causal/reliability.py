"""Build the reliability model: a small causal network over the features of all joints."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from engines.contract import Contract
from engines.skeleton import BLAZEPOSE_33
from realtime.occlude.features import FEATURES
from trainers.models.blocks.causal_conv import CausalBlock, CausalConv

SIGNED = [FEATURES.index(name) for name in ("speed_x", "parent_x", "body_x")]  # change sign in a mirror


def mirrored(features: Tensor) -> Tensor:
    """(…, J, F) as if the picture were seen in a mirror."""
    order = torch.from_numpy(BLAZEPOSE_33.mirror()).to(features.device)
    sign = torch.ones(len(FEATURES), device=features.device)
    sign[SIGNED] = -1
    return features.index_select(-2, order) * sign


class ReliabilityNet(nn.Module):
    def __init__(self, channels: int = 96, blocks: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        joints, width = len(BLAZEPOSE_33), len(BLAZEPOSE_33) * len(FEATURES)
        self.expand = CausalConv(width, channels, 1)
        self.norm, self.drop = nn.BatchNorm1d(channels), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(CausalBlock(channels, 3**i, dropout) for i in range(1, blocks + 1))
        self.head = nn.Conv1d(channels, joints, 1)
        self.own = nn.Conv1d(width, 16 * joints, 1, groups=joints)  # each joint's cues, by themselves
        self.judge = nn.Conv1d(16 * joints, joints, 1, groups=joints)

    def _layers(self) -> list[tuple[str, CausalConv]]:
        return [("expand", self.expand), *((f"block{i}", cast(CausalBlock, b).wide) for i, b in enumerate(self.blocks))]

    def receptive_field(self) -> int:
        return 1 + 2 * sum(conv.dilation for _, conv in self._layers())

    def contract(self) -> Contract:
        state = tuple((n, (2 * c.dilation, c.channels_in)) for n, c in self._layers())
        return Contract(
            "reliability", "step", BLAZEPOSE_33.name, BLAZEPOSE_33.name, self.receptive_field(), sigma=False,
            reliability_source="learned", threshold=0.5, features=FEATURES, state=state,
        )  # fmt: skip

    def clip(self, features: Tensor) -> Tensor:
        """Map (B, T, J, F) -> logits (B, T, J)."""
        f = features.flatten(2).transpose(1, 2)
        y = self.drop(torch.relu(self.norm(self.expand.clip(f))))
        for block in cast("list[CausalBlock]", self.blocks):
            y = block.clip(y)
        return cast(Tensor, (self.head(y) + self.judge(torch.relu(self.own(f)))).transpose(1, 2))

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Map the contract's tensors of one tick -> (reliability,) and the state after it."""
        start, after = given["reset"] > 0.5, {}
        f = given["features"].flatten(1) + 0 * given["dt"][:, None]  # dt: every network is told, this one needs it not
        y, after["expand"] = self.expand.step(f, state["expand"], start)
        y = torch.relu(self.norm(y))
        for i, block in enumerate(cast("list[CausalBlock]", self.blocks)):
            y, after[f"block{i}"] = block.step(y, state[f"block{i}"], start)
        own = self.judge(torch.relu(self.own(f.unsqueeze(-1)))).squeeze(-1)
        return (torch.sigmoid(linear(y, self.head.weight[..., 0], self.head.bias) + own),), after
