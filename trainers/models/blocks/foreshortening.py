"""Measure foreshortening: how long a bone looks now against how long it has looked lately.

Points (..., 17, 2) are in about metres at the person; a bone counts where both of its ends are seen.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.skeleton import H36M_17
from trainers.models.blocks.hold_hidden import pick

CHILDREN, PARENTS = list(range(1, len(H36M_17))), list(H36M_17.parents[1:])
BONES = len(CHILDREN)
# metres, of joints 1 to 16; no bone is believed shorter than this share of them
USUAL = (0.13, 0.44, 0.43, 0.13, 0.44, 0.43, 0.23, 0.25, 0.10, 0.12, 0.16, 0.28, 0.25, 0.16, 0.28, 0.25)
SHARE = 0.7
FADE_S = 8.0  # what was more than that fades away
LEAST = 1e-3  # metres


def lengths(points: Tensor) -> Tensor:
    """Return (..., 17, 2) -> (..., 16)."""
    step = pick(points, CHILDREN, -2) - pick(points, PARENTS, -2)
    return step.square().sum(-1).clamp_min(1e-12).sqrt()


def shortest(like: Tensor) -> Tensor:
    return SHARE * torch.tensor(USUAL, dtype=like.dtype, device=like.device)


def excess(points: Tensor, observed: Tensor) -> Tensor:
    """Return (..., 16) metres by which an observed bone is longer than the shortest."""
    both = pick(observed, CHILDREN, -1) & pick(observed, PARENTS, -1)
    more = (lengths(points) - shortest(points)).clamp(LEAST, 1.0)
    return torch.where(both, more, torch.full_like(more, LEAST))


def longest_clip(points: Tensor, observed: Tensor, time: Tensor) -> Tensor:
    """Map (B, T, 17, 2), (B, T, 17) bool, (B, T) s -> largest excess so far, fading, (B, T, 16)."""
    faded = ((time - time[:, :1]) / FADE_S).unsqueeze(-1)
    return ((excess(points, observed).log() + faded).cummax(1).values - faded).exp()


def longest_step(points: Tensor, observed: Tensor, dt: Tensor, start: Tensor, before: Tensor) -> Tensor:
    """Return one tick of `longest_clip`: points (B, 17, 2), dt (B,), start (B,) bool, before (B, 16)."""
    kept = torch.where(start, torch.zeros_like(dt), torch.exp(-dt / FADE_S))
    return torch.maximum(excess(points, observed), before * kept.unsqueeze(-1))


def features(points: Tensor, longest: Tensor) -> Tensor:
    """Return (..., 32): how long each bone is believed to be, and how much of that is seen."""
    believed = shortest(points) + longest
    return torch.cat([believed, (lengths(points) / believed).clamp(0.0, 1.5)], -1)
