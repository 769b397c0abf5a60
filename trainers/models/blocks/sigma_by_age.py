"""Calibrate sigma by joint and age for networks that have none.

Age: seconds since the joint was seen, at most AGE_MAX, which also stands for never.  Exports to ONNX.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.contract import TICK_S
from engines.skeleton import H36M_17
from trainers.models.blocks.front_end import AGE_MAX
from trainers.models.blocks.hold_hidden import last_seen

KNOTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, AGE_MAX)  # s; between them sigma is linear in age
UNKNOWN = (0.05, 0.10, 0.13, 0.17, 0.22, 0.28, 0.35)  # m, before anything was calibrated
ONE_SIGMA = 0.6827  # share of coordinates
FEWEST = 300  # coordinates; below, all joints share an entry
SMALLEST = 1e-3  # m


def age_step(age: Tensor, observed: Tensor, dt: Tensor, start: Tensor) -> Tensor:
    """Advance age (B, 17), s, by one tick: observed (B, 17) bool, dt (B,) s, start (B,) bool."""
    older = torch.where(start[:, None], torch.full_like(age, AGE_MAX), age + dt[:, None])
    return torch.where(observed, torch.zeros_like(older), older).clamp_max(AGE_MAX)


def age_clip(observed: Tensor, time: Tensor) -> Tensor:
    """Compute `age_step` over a whole clip: observed (B, T, 17) bool, time (B, T) s -> (B, T, 17)."""
    index = last_seen(observed)
    moments = time.unsqueeze(-1).expand(observed.shape)
    since = (moments - moments.gather(1, index.clamp_min(0))).clamp(0, AGE_MAX)
    return torch.where(index >= 0, since, torch.full_like(since, AGE_MAX))


def age_window(observed: Tensor) -> Tensor:
    """Of the newest of (B, T, 17) ticks: (B, 17)."""
    ticks = torch.arange(1, observed.shape[1] + 1, device=observed.device)
    latest = (observed * ticks[:, None]).amax(1)  # 0: never
    since = (observed.shape[1] - latest) * TICK_S
    return torch.where(latest > 0, since, torch.full_like(since, AGE_MAX)).clamp_max(AGE_MAX)


class SigmaTable(nn.Module):
    metres: Tensor  # (17, K)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("metres", torch.tensor(UNKNOWN).repeat(len(H36M_17), 1))  # (17, K)

    def forward(self, age: Tensor) -> Tensor:
        """Return (..., 17) -> log sigma (..., 17)."""
        sigma = self.metres[:, 0].expand_as(age)
        for k, (low, high) in enumerate(pairwise(KNOTS)):
            part = ((age - low) / (high - low)).clamp(0, 1)
            sigma = sigma + part * (self.metres[:, k + 1] - self.metres[:, k])
        return sigma.log()

    def fit(self, pose: Tensor, truth: Tensor, age: Tensor) -> None:
        """Sigma so that 68 % of coordinates (N, 17, 3) lie within it at each age (N, 17); it never falls with age."""
        error, place = (pose - truth).abs(), nearest_knot(age)
        found = [self.metres.new_full((len(H36M_17),), SMALLEST)]
        for k in range(len(KNOTS)):
            here = place == k
            pooled = share(error[here].flatten(), found[-1][1:].mean())
            each = [share(error[:, j][here[:, j]].flatten(), pooled) for j in range(1, len(H36M_17))]
            found.append(torch.stack([found[0][0], *each]).maximum(found[-1]))
        self.metres.copy_(torch.stack(found[1:], 1))


def nearest_knot(age: Tensor) -> Tensor:
    """Index of the knot whose errors an age belongs to; the first is for what is seen now, alone."""
    middles = [1e-6, *((a + b) / 2 for a, b in pairwise(KNOTS[1:]))]
    return torch.bucketize(age.contiguous(), torch.tensor(middles, device=age.device))


def share(errors: Tensor, otherwise: Tensor) -> Tensor:
    """Return the error that 68 % stay below; too few errors say nothing."""
    return errors.sort().values[int(ONE_SIGMA * len(errors))] if len(errors) >= FEWEST else otherwise
