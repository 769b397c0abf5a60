"""Criticise motion: bones, their angles, and how both change (Cheng 2020, section 3.2).

Psi = B B^T of a frame's bone vectors holds squared lengths and weighted angles (spatial); Psi(t + i) - Psi(t) holds
how they change (temporal, Eq. 4).
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from trainers.geometry.virtual_cameras import uniform
from trainers.losses import BONES

KINDS = ("none", "spatial", "temporal")
UPPER = torch.triu_indices(len(BONES), len(BONES)).tolist()  # Psi is symmetric
CELLS = len(UPPER[0])


def psi(pose: Tensor) -> Tensor:
    """Return (..., 17, 3) -> (..., 136)."""
    far, near = ([b[k] for b in BONES] for k in (0, 1))
    bones = pose[..., far, :] - pose[..., near, :]
    return (bones @ bones.mT)[..., UPPER[0], UPPER[1]]


def described(pose: Tensor, interval: int) -> Tensor:
    """Map (B, T, 17, 3) -> (B, T - interval, ...): Psi, its change over `interval` ticks (0: none), coordinates."""
    now, coordinates = psi(pose), pose.flatten(-2)
    if interval < 1:
        return torch.cat([now, coordinates], -1)
    return torch.cat([now[:, interval:], now[:, interval:] - now[:, :-interval], coordinates[:, interval:]], -1)


class Critic(nn.Module):
    """A logit per clip, high for real ones.  Spatial: each frame by itself; temporal: convolutions over time."""

    def __init__(self, kind: str = "temporal", interval: int = 1, channels: int = 64) -> None:
        super().__init__()
        if kind not in KINDS[1:]:
            raise ValueError(f"critic {kind!r}, known: {', '.join(KINDS[1:])}")
        self.interval, width = (interval, 3) if kind == "temporal" else (0, 1)
        inputs = CELLS * (1 + bool(self.interval)) + 51
        self.layers = nn.ModuleList(
            nn.Conv1d(a, channels, width, padding=width // 2) for a in (inputs, channels, channels)
        )
        self.out = nn.Linear(channels, 1)

    def forward(self, pose: Tensor) -> Tensor:
        """Map (B, T, 17, 3) -> (B,)."""
        y = described(pose, self.interval).transpose(1, 2)
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.2)
        return cast(Tensor, self.out(y.mean(-1)).squeeze(-1))


def convinced(critic: Critic, made: Tensor) -> Tensor:
    """Return what the maker of poses minimises."""
    return F.softplus(-critic(made)).mean()


def told_apart(critic: Critic, real: Tensor, made: Tensor) -> Tensor:
    """Return what the critic minimises."""
    return F.softplus(-critic(real)).mean() + F.softplus(critic(made)).mean()


def turns(clips: int, g: Generator, tilt: float = 0.2 * math.pi) -> Tensor:
    """Return (B, 3, 3): any way about the vertical, up to `tilt` about the other axes (Eq. 5)."""
    x, y, z = (uniform(-a, a, (clips,), g) for a in (tilt, math.pi, tilt))
    zero, one = torch.zeros_like(x), torch.ones_like(x)

    def rows(*values: Tensor) -> Tensor:
        return cast(Tensor, torch.stack(values, -1).unflatten(-1, (3, 3)))

    about_x = rows(one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())
    about_y = rows(y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())
    about_z = rows(z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)
    return about_x @ about_y @ about_z


def turned(pose: Tensor, turn: Tensor) -> Tensor:
    """Return (B, T, 17, 3) clips, each turned as a whole by its (3, 3)."""
    return pose @ turn.mT[:, None]
