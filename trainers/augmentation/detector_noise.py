"""Simulate a detector on a view: keypoint noise, invented hidden joints, its own 3D, reliability errors.

Shapes: B clips, T ticks, 17 joints.  Lengths in metres at the person, turned into rays by the view's scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from trainers.geometry.person_frame import toward
from trainers.geometry.virtual_cameras import VirtualView, uniform


@dataclass(frozen=True)
class NoiseRange:
    """Standard deviations in metres, times in seconds, shares of clips or joints."""

    white: float = 0.006
    drift: float = 0.018
    drift_s: float = 0.4
    bias: float = 0.020  # the detector's idea of a joint is not the truth's
    # error of a hidden joint that is reported all the same: 5 % of the body's height at first, 10 % after a second, as
    # the real detector's is (`trainers hidden-error`)
    invented: float = 0.11
    invented_s: float = 0.5
    invented_first: float = 0.4  # share of that error in the first frame
    invented_grows_s: float = 0.4
    quality: tuple[float, float] = (0.4, 2.0)  # log-uniform factor per clip
    believed: float = 0.25  # share of hidden stretches taken for seen
    doubted: float = 0.06  # share of seen stretches taken for hidden
    stretch_s: float = 0.25  # length of such mistakes
    swap: float = 0.005  # share of ticks in which left and right are exchanged
    swapping: float = 0.2  # share of clips in which that happens often (an unclear face)
    swap_often: float = 0.3  # share of ticks in such a clip, at most
    swap_s: float = 0.2
    world_bias: float = 0.035
    world_drift: float = 0.035
    world_turn: float = 8.0  # degrees
    world_missing: float = 0.15  # share of clips without the detector's own 3D


@dataclass(frozen=True)
class Detections:
    x: Tensor  # (B, T, 17, 2) rays
    reliability: Tensor  # (B, T, 17)
    world: Tensor  # (B, T, 17, 3) zeros where absent


def normal(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=g, device=g.device)


def drifting(shape: tuple[int, ...], memory_ticks: float, g: torch.Generator) -> Tensor:
    """Unit-variance first-order noise along dimension 1, made by one matrix product."""
    keep = math.exp(-1 / memory_ticks)  # share of a drift that is left after one tick
    ticks = torch.arange(shape[1], device=g.device, dtype=torch.float32)
    lag = ticks[:, None] - ticks[None]
    weights = torch.where(lag >= 0, keep ** lag.clamp_min(0), torch.zeros_like(lag))
    weights[:, 1:] *= (1 - keep**2) ** 0.5
    return torch.einsum("ts,bs...->bt...", weights, normal(shape, g))


def stretches(shape: tuple[int, ...], share: Tensor | float, memory_ticks: float, g: torch.Generator) -> Tensor:
    """Bool (B, T, …) true in stretches for about `share` of the time."""
    level = torch.erfinv(torch.as_tensor(1 - 2 * share, device=g.device).clamp(-0.999, 0.999)) * 2**0.5
    return drifting(shape, memory_ticks, g) > level


def keypoints(view: VirtualView, limits: NoiseRange, hidden: Tensor, g: torch.Generator, hz: float = 30.0) -> Tensor:
    """Return rays with the errors of a detector; hidden joints are invented."""
    shape = (*view.rays.shape,)
    low, high = map(math.log, limits.quality)
    quality = uniform(low, high, (shape[0], 1, 1, 1), g).exp()
    error = limits.white * normal(shape, g) + limits.drift * drifting(shape, limits.drift_s * hz, g)
    error = quality * (error + limits.bias * normal((shape[0], 1, *shape[2:]), g))
    wild = limits.invented * drifting(shape, limits.invented_s * hz, g) * astray(hidden, limits, hz).unsqueeze(-1)
    error = error + torch.where(hidden.unsqueeze(-1), wild, torch.zeros_like(wild))
    return view.rays + error * view.metres[..., None, None]


def astray(hidden: Tensor, limits: NoiseRange, hz: float = 30.0) -> Tensor:
    """Return how much of its final error a hidden keypoint (B, T, 17) has, by the time it has been hidden: 0 to 1."""
    ticks = torch.arange(1, hidden.shape[1] + 1, device=hidden.device)[:, None]
    last_seen = torch.where(hidden, torch.zeros_like(ticks), ticks).cummax(1).values
    age = (ticks - last_seen).to(torch.float32) / hz
    return 1 - (1 - limits.invented_first) * torch.exp(-age / limits.invented_grows_s)


def doubts(hidden: Tensor, limits: NoiseRange, g: torch.Generator, hz: float = 30.0) -> Tensor:
    """Return reliability (B, T, 17) in [0, 1]: mostly right about `hidden`, wrong in stretches."""
    shape, memory = (*hidden.shape,), limits.stretch_s * hz
    skill = uniform(0.0, 2.0, (shape[0], 1, 1), g)
    believed = stretches(shape, (limits.believed * skill).clamp(1e-3, 0.9), memory, g)
    doubted = stretches(shape, (limits.doubted * skill).clamp(1e-3, 0.9), memory, g)
    seen = torch.where(hidden, believed, ~doubted)
    sure = torch.rand(shape, generator=g, device=g.device).pow(2) * 0.5
    return torch.where(seen, 1 - sure, sure * 0.98)


def own_3d(view: VirtualView, limits: NoiseRange, hidden: Tensor, g: torch.Generator, hz: float = 30.0) -> Tensor:
    """Return the detector's 3D: along the person's ray, root-relative, biased, invented where hidden; zeros if
    missing."""
    look = toward(view.xyz[:, :, 0, :2] / view.xyz[:, :, 0, 2:].clamp_min(0.1))
    pose = view.pose @ look  # (B, T, 17, 3)
    batch, device = len(pose), pose.device
    low, high = map(math.log, limits.quality)
    quality = uniform(low, high, (batch, 1, 1, 1), g).exp()
    half_angle = torch.deg2rad(normal((batch, 1, 1, 3), g) * limits.world_turn) * quality
    turned = pose + torch.linalg.cross(half_angle.expand_as(pose), pose)
    depth = torch.stack([torch.ones(batch, device=device)] * 2 + [uniform(0.6, 1.15, (batch,), g)], -1)
    scaled = turned * depth[:, None, None] * uniform(0.85, 1.1, (batch, 1, 1, 1), g)
    stretch = torch.tensor([1.0, 1.0, 1.8], device=device)
    error = limits.world_bias * normal((batch, 1, 17, 3), g)
    error = quality * stretch * (error + limits.world_drift * drifting((*pose.shape,), limits.drift_s * hz, g))
    wild = 2 * limits.invented * drifting((*pose.shape,), limits.invented_s * hz, g)
    world = scaled + error + torch.where(hidden.unsqueeze(-1), wild, torch.zeros_like(wild))
    there = torch.rand((batch, 1, 1, 1), generator=g, device=device) >= limits.world_missing
    return cast(Tensor, (world - world[:, :, :1]) * there)


def swap_sides(
    detections: Detections, order: Tensor, limits: NoiseRange, g: torch.Generator, hz: float = 30.0
) -> Detections:
    """Left and right exchanged in stretches, 2D and 3D alike; in half of the clips its 3D then faces the other way."""
    batch, ticks = detections.x.shape[:2]
    often = torch.rand((batch, 1), generator=g, device=g.device) < limits.swapping
    share = torch.where(often, uniform(0.0, limits.swap_often, (batch, 1), g), limits.swap)
    swapped = stretches((batch, ticks), share, limits.swap_s * hz, g)[..., None, None]
    facing = torch.rand((batch, 1, 1, 1), generator=g, device=g.device) < 0.5
    depth = torch.where(facing, -1.0, 1.0) * torch.tensor([0.0, 0.0, 1.0], device=g.device)
    turned = detections.world[:, :, order] * (depth + torch.tensor([1.0, 1.0, 0.0], device=g.device))
    return Detections(
        torch.where(swapped, detections.x[:, :, order], detections.x),
        torch.where(swapped[..., 0], detections.reliability[:, :, order], detections.reliability),
        torch.where(swapped, turned, detections.world),
    )


def degrade_reliability(
    reliability: Tensor, hidden: Tensor, more: Tensor, limits: NoiseRange, g: torch.Generator, hz: float = 30.0
) -> Tensor:
    """Return a judge's reliability (B, T, J) on people it never saw: `more` is hidden too, and it errs more often."""
    shape = (*reliability.shape,)
    other = doubts(more, limits, g, hz)
    fooled = hidden & stretches(shape, limits.believed / 2, limits.stretch_s * hz, g)
    reliability = torch.where(fooled, torch.maximum(reliability, other), reliability)
    return torch.where(other < 0.5, torch.minimum(reliability, other), reliability)


def observe(view: VirtualView, hidden: Tensor, limits: NoiseRange, order: Tensor, g: torch.Generator) -> Detections:
    """Return a whole clip as the pipeline would hand it to the lifter.  hidden (B, T, 17) bool includes out of
    frame."""
    found = Detections(keypoints(view, limits, hidden, g), doubts(hidden, limits, g), own_3d(view, limits, hidden, g))
    return swap_sides(found, order, limits, g)
