"""Build Roy 2024's two networks: LNet lifts one frame, RNet refines one on a graph of 31.

Shapes: B windows, 31 frames, 17 joints, C features of a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from engines.skeleton import H36M_17

FRAMES, JOINTS = 31, len(H36M_17)
NODES = FRAMES * JOINTS
HIDDEN, WIDTHS = 2048, (1, 16, 32, 64)


class LNet(nn.Sequential):
    """(B, 34) keypoints in [-1, 1] -> (B, 17) depths; 4,302,865 parameters."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__(
            nn.Linear(2 * JOINTS, HIDDEN), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, JOINTS),
        )  # fmt: skip


def averaging(size: int, edges: Sequence[tuple[int, int]]) -> Tensor:
    """(size, size): each node's mean over itself and its neighbours."""
    links = torch.eye(size)
    for a, b in edges:
        links[a, b] = links[b, a] = 1.0
    return links / links.sum(1, keepdim=True)


def temporal(stride: int) -> Tensor:
    """Return all temporal neighbours of a frame, T / 2 to either side in steps of `stride` (section 3.2)."""
    reach = FRAMES // 2
    edges = [(t, u) for t in range(FRAMES) for u in range(t + stride, min(t + reach, FRAMES - 1) + 1, stride)]
    return averaging(FRAMES, edges)


def spatial() -> Tensor:
    return averaging(JOINTS, [(j, p) for j, p in enumerate(H36M_17.parents) if p >= 0])


class RelationGCN(nn.Module):
    """One kind of edge: three layers, each a mean over neighbours and a linear map; 2,688 parameters."""

    links: Tensor

    def __init__(self, links: Tensor, over_time: bool) -> None:
        super().__init__()
        self.over_time = over_time
        self.register_buffer("links", links, persistent=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(WIDTHS))

    def _gather(self, h: Tensor) -> Tensor:  # (B, 31, 17, C)
        if not self.over_time:
            return self.links @ h
        return cast(Tensor, (self.links @ h.flatten(2)).unflatten(2, (JOINTS, -1)))

    def forward(self, h: Tensor) -> Tensor:
        for layer in list(self.layers)[:-1]:
            h = torch.relu(layer(self._gather(h)))
        return cast(Tensor, self.layers[-1](self._gather(h)))


class RNet(nn.Module):
    """(B, 31, 17) masked depths -> (B, 17) corrections for the target frame."""

    def __init__(self, strides: Sequence[int] = (1, 3, 5, 7)) -> None:
        super().__init__()
        kinds = [RelationGCN(temporal(s), True) for s in strides]
        self.relations = nn.ModuleList([*kinds, RelationGCN(spatial(), False)])
        self.fusion = nn.Linear(NODES * WIDTHS[-1], JOINTS)
        nn.init.zeros_(self.fusion.weight)  # at first LNet's answer stands
        nn.init.zeros_(self.fusion.bias)

    def forward(self, depth: Tensor) -> Tensor:
        h = depth.unsqueeze(-1)
        fused = self.relations[0](h)
        for relation in list(self.relations)[1:]:
            fused = torch.maximum(fused, relation(h))
        return cast(Tensor, self.fusion(fused.flatten(1)))
