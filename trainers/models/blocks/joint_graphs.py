"""Convolve over graphs of joints, along bones or along what features have in common (Zhang 2021).

Exports to ONNX: of TopK only the values are used, nothing is scattered.

Neighbours are a matrix (..., J, J) whose rows sum to 1: the mean of the K nearest, a joint itself among them (Eq. 3).
Stacked choices of who is nearest magnify rounding, which differs between runtimes, so nobody is chosen by a jump: a
neighbour fades over the last `edge` of the squared distance of the first joint left out (0.01 is as good as the
paper's 1 or 0), distances below BLUR are not told apart, and where features hardly differ (nobody moves) bones decide.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from engines.skeleton import H36M_17

JOINTS = len(H36M_17)
Style = Literal["dynamic", "precomputed", "fixed", "full", "symmetry", "random"]
STYLES: tuple[Style, ...] = ("dynamic", "precomputed", "fixed", "full", "symmetry", "random")
WEIGHTINGS = ("connected", "gaussian", "none")
BLUR, BLUR_MOVED = 0.02, 1e-3  # squared distances no larger are not told apart; in the same variance
TIE = 3e-4  # squared distance that one bone adds, in the variance of a frame's features


def skeleton() -> Tensor:
    """Return (J, J): 1 where two joints share a bone."""
    links = torch.zeros(JOINTS, JOINTS)
    for joint, parent in enumerate(H36M_17.parents):
        if parent >= 0:
            links[joint, parent] = links[parent, joint] = 1.0
    return links


def hops() -> Tensor:
    """Return (J, J): bones between two joints; later joints of equal distance come a little later."""
    steps, reached = torch.full((JOINTS, JOINTS), float(JOINTS)), torch.eye(JOINTS)
    for n in range(JOINTS):
        steps = torch.where((reached > 0) & (steps > n), float(n), steps)
        reached = reached @ (skeleton() + torch.eye(JOINTS))
    later = torch.arange(JOINTS) / (2 * JOINTS)
    return (steps + later) * (1 - torch.eye(JOINTS))


def variance(features: Tensor) -> Tensor:
    """Return (..., J, C) -> (..., 1, 1): mean squared distance of joints from their middle."""
    return (features - features.mean(-2, keepdim=True)).square().sum(-1).mean(-1)[..., None, None]


def nearest(features: Tensor, count: int, ties: Tensor, edge: float, blur: Tensor) -> Tensor:
    """Return (..., J, C) -> (..., J, J): the `count` nearest of each joint; `ties` (J, J) and `blur` are squared
    distances."""
    if count >= JOINTS:
        return shares(torch.ones_like(ties)).expand(*features.shape[:-1], JOINTS)
    centred = features - features.mean(-2, keepdim=True)
    square = centred.square().sum(-1)
    apart = square.unsqueeze(-1) + square.unsqueeze(-2) - 2 * centred @ centred.transpose(-1, -2)
    apart = (apart * (ties > 0).to(apart.dtype)).clamp_min(0) + ties
    border = apart.topk(count + 1, dim=-1, largest=False).values[..., -1:]
    return shares(((border - apart + blur) / (edge * border + blur).clamp_min(1e-20)).clamp(0, 1))


def shares(neighbours: Tensor) -> Tensor:
    """Return rows that sum to 1."""
    return neighbours / neighbours.sum(-1, keepdim=True)


class Neighbours(nn.Module):
    """Whom each joint listens to, in the style asked for; `over_time`: between two frames, by how joints move."""

    ties: Tensor
    given: Tensor

    def __init__(self, style: Style, count: int, edge: float, over_time: bool) -> None:
        super().__init__()
        if style not in STYLES or not 1 <= count <= JOINTS:
            raise ValueError(f"{style!r} with {count} neighbours; known: {', '.join(STYLES)} with 1 to {JOINTS}")
        self.style, self.count, self.edge, self.over_time = style, count, edge, over_time
        self.register_buffer("ties", TIE * hops(), persistent=False)
        self.register_buffer("given", shares(_given(style, count, over_time)), persistent=style == "random")

    def forward(self, features: Tensor, pose2d: Tensor) -> Tensor:
        """Return features (B, T, J, C) and the keypoints they came from (B, T, J, 2); over time between neighbours in
        T."""
        frames = features[:, 1:] if self.over_time else features
        if self.style not in ("dynamic", "precomputed"):
            return self.given.expand(*frames.shape[:-1], JOINTS)
        guide = (features if self.style == "dynamic" else pose2d).detach()
        spread = variance(guide)
        if not self.over_time:
            return nearest(guide, self.count, self.ties * spread, self.edge, BLUR * spread)
        spread = (spread[:, 1:] + spread[:, :-1]) / 2
        moved = guide[:, 1:] - guide[:, :-1]
        return nearest(moved, self.count, self.ties * spread, self.edge, BLUR_MOVED * spread)


def _given(style: Style, count: int, over_time: bool) -> Tensor:
    itself = torch.eye(JOINTS)
    if style == "fixed":
        return itself if over_time else itself + skeleton()
    if style == "symmetry":
        return (itself + itself[torch.from_numpy(H36M_17.mirror())]).clamp_max(1)
    if style == "random":
        return torch.zeros(JOINTS, JOINTS).scatter(1, torch.rand(JOINTS, JOINTS).topk(count).indices, 1.0)
    return torch.ones(JOINTS, JOINTS)


class Importance(nn.Module):
    """How much joint j tells joint i: a fully connected layer and a sigmoid (Eq. 5), or an embedded Gaussian."""

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        if kind not in WEIGHTINGS:
            raise ValueError(f"weighting {kind!r}, known: {', '.join(WEIGHTINGS)}")
        width = {"connected": 1, "gaussian": channels, "none": 0}[kind]
        self.kind = kind
        self.mine = nn.Linear(channels, width) if width else nn.Identity()
        self.theirs = nn.Linear(channels, width, bias=False) if width else nn.Identity()

    def forward(self, mine: Tensor, theirs: Tensor, neighbours: Tensor) -> Tensor:
        """Return (..., J, C) twice, (..., J, J) -> weighted neighbours."""
        if self.kind == "none":
            return neighbours
        if self.kind == "connected":
            return neighbours * torch.sigmoid(self.mine(mine) + self.theirs(theirs).transpose(-1, -2))
        likeness = self.mine(mine) @ self.theirs(theirs).transpose(-1, -2) * mine.shape[-1] ** -0.5
        strength = neighbours * torch.exp(likeness - likeness.amax(-1, keepdim=True))
        return strength / strength.sum(-1, keepdim=True).clamp_min(1e-9)


class FixedSpatial(nn.Module):
    """FSG (Eq. 2) with weights of its own for the joint itself, as in semantic graph convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own, self.others = nn.Linear(inputs, outputs, bias=False), nn.Linear(inputs, outputs, bias=False)
        links = skeleton()
        self.register_buffer("links", links / links.sum(1, keepdim=True), persistent=False)

    def forward(self, x: Tensor, pose2d: Tensor) -> Tensor:
        return cast(Tensor, self.own(x) + self.links @ self.others(x))


class DynamicSpatial(nn.Module):
    """DSG (Eq. 7): neighbours by distance of features in the same frame."""

    def __init__(self, channels: int, style: Style, count: int, edge: float, weighting: str) -> None:
        super().__init__()
        self.neighbours, self.importance = Neighbours(style, count, edge, False), Importance(channels, weighting)
        self.mix = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor, pose2d: Tensor) -> Tensor:
        return cast(Tensor, self.importance(x, x, self.neighbours(x, pose2d)) @ self.mix(x))


class FixedTemporal(nn.Module):
    """FTG (Eq. 9): the same joint one frame before and after; at the window's ends that term is missing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.own, self.later, self.earlier = (nn.Linear(channels, channels, bias=False) for _ in range(3))

    def forward(self, x: Tensor, pose2d: Tensor) -> Tensor:
        if x.shape[1] == 1:
            return cast(Tensor, self.own(x))
        return cast(Tensor, self.own(x) + placed(self.later(x[:, 1:]), self.earlier(x[:, :-1])))


class DynamicTemporal(nn.Module):
    """DTG (Eq. 14): joints of the neighbouring frame that move alike; at the window's ends the term is missing."""

    def __init__(self, channels: int, style: Style, count: int, edge: float, weighting: str) -> None:
        super().__init__()
        self.neighbours = Neighbours(style, count, edge, True)
        self.ahead, self.back = Importance(channels, weighting), Importance(channels, weighting)
        self.own, self.later, self.earlier = (nn.Linear(channels, channels, bias=False) for _ in range(3))

    def forward(self, x: Tensor, pose2d: Tensor) -> Tensor:
        if x.shape[1] == 1:
            return cast(Tensor, self.own(x))
        before, after = x[:, :-1], x[:, 1:]
        alike = self.neighbours(x, pose2d)  # (B, T - 1, J, J), both ways
        forward = self.ahead(before, after, alike) @ self.later(after)
        backward = self.back(after, before, alike) @ self.earlier(before)
        return cast(Tensor, self.own(x) + placed(forward, backward))


def placed(forward: Tensor, backward: Tensor) -> Tensor:
    """Return what frame t hears from t + 1 and what t + 1 hears from t, (B, T - 1, ...) each -> (B, T, ...)."""
    nothing = torch.zeros_like(forward[:, :1])
    return torch.cat([forward, nothing], 1) + torch.cat([nothing, backward], 1)
