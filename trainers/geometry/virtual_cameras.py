"""Sample virtual cameras: motion (B, T, 17, 3) in a room -> poses in camera axes and their projections.

World: metres, Y up.  Camera: x right, y down, z forward.  Everything batched on one device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from engines.skeleton import H36M_17

ASPECTS = (16 / 9, 4 / 3, 1.0, 3 / 4, 9 / 16)
GUESSED_FOV = 63.0  # degrees over the longer side: what the runtime assumes of an unknown camera


@dataclass(frozen=True)
class CameraRange:
    """What is drawn; degrees, metres."""

    pitch: float = 36.0  # 0.2 pi (Cheng 2019, 4.2)
    roll: float = 36.0
    level: float = 0.6  # share of cameras almost level: pitch within 15 degrees, roll within 4
    fov: tuple[float, float] = (40.0, 100.0)  # over the longer side
    distance: tuple[float, float] = (1.5, 8.0)
    centred: float = 0.5  # share of people near the middle of the picture
    distortion: float = 0.1  # largest |k1|
    known: float = 0.5  # share of cameras whose intrinsics are given
    nearest: float = 0.5  # no joint comes closer than this


@dataclass(frozen=True)
class VirtualView:
    xyz: Tensor  # (B, T, 17, 3) m, camera axes, absolute
    rays: Tensor  # (B, T, 17, 2) as the runtime computes them from pixels
    inside: Tensor  # (B, T, 17) bool: within the picture
    metres: Tensor  # (B, T) rays per metre at the person: 1 / depth in the runtime's units
    rotation: Tensor  # (B, 3, 3) camera = rotation @ world
    lens: Tensor  # (B, 2) what makes rays of camera axes: factor and k1; (1, 0) where intrinsics are given
    half: Tensor  # (B, 2) the picture's half width and height, as tangents

    @property
    def pose(self) -> Tensor:
        """Root-relative."""
        return self.xyz - self.xyz[:, :, :1]


def uniform(low: float | Tensor, high: float | Tensor, shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=g, device=g.device) * (high - low) + low


def rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Map (B, 3, 3) world (Y up) -> camera: turn about the vertical, look down by pitch, tilt by roll."""
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def rows(*values: Tensor) -> Tensor:
        return cast(Tensor, torch.stack(values, -1).unflatten(-1, (3, 3)))

    turn = rows(yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos())
    flip = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]], device=yaw.device)
    nod = rows(one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos())
    tilt = rows(roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one)
    return tilt @ nod @ flip @ turn


def orient(batch: int, limits: CameraRange, g: torch.Generator) -> Tensor:
    level = torch.rand(batch, generator=g, device=g.device) < limits.level

    def angle(wide: float, narrow: float) -> Tensor:
        spread = torch.where(level, min(narrow, wide), wide)
        return torch.deg2rad(uniform(-1.0, 1.0, (batch,), g) * spread)

    yaw = uniform(-math.pi, math.pi, (batch,), g)
    return rotation(yaw, angle(limits.pitch, 15.0), angle(limits.roll, 4.0))


def sample_views(motion: Tensor, limits: CameraRange, g: torch.Generator) -> VirtualView:
    """Return one camera for each clip of motion (B, T, 17, 3)."""
    batch, device = len(motion), motion.device
    turn = orient(batch, limits, g)
    middle = motion[:, :, 0].mean(1)  # (B, 3)
    local = (motion - middle[:, None, None]) @ turn.transpose(1, 2)[:, None]
    long_side = torch.tan(torch.deg2rad(uniform(*limits.fov, (batch,), g)) / 2)
    aspect = torch.tensor(ASPECTS, device=device)[torch.randint(len(ASPECTS), (batch,), generator=g, device=device)]
    half = torch.stack([long_side * aspect.clamp_max(1.0), long_side / aspect.clamp_min(1.0)], -1)  # (B, 2) tan
    near, far = (math.log(d) for d in limits.distance)
    depth = uniform(near, far, (batch,), g).exp()
    spread = torch.where(torch.rand(batch, generator=g, device=device) < limits.centred, 0.35, 0.9)
    place = uniform(-1.0, 1.0, (batch, 2), g) * spread[:, None] * half
    closest = local[..., 2].amin((1, 2))
    depth = torch.maximum(depth, limits.nearest - closest)
    centre = torch.cat([place * depth[:, None], depth[:, None]], -1)
    xyz = local + centre[:, None, None]
    pinhole = xyz[..., :2] / xyz[..., 2:].clamp_min(0.1)
    inside = (pinhole.abs() <= half[:, None, None]).all(-1)
    k1 = uniform(-limits.distortion, limits.distortion, (batch,), g)
    bent = pinhole * (1 + k1[:, None, None, None] * pinhole.square().sum(-1, keepdim=True).clamp_max(2.0))
    known = torch.rand(batch, generator=g, device=device) < limits.known
    believed = torch.where(known, torch.ones_like(long_side), math.tan(math.radians(GUESSED_FOV / 2)) / long_side)
    rays = torch.where(known[:, None, None, None], pinhole, bent) * believed[:, None, None, None]
    metres = believed[:, None] / xyz[:, :, 0, 2].clamp_min(0.1)
    lens = torch.stack([believed, torch.where(known, torch.zeros_like(k1), k1)], -1)
    return VirtualView(xyz, rays, inside, metres, turn, lens, half)


def mirrored(view: VirtualView, flip: Tensor) -> VirtualView:
    """Return clips where flip (B,) is true are seen in a mirror; left and right change names."""
    order = torch.from_numpy(H36M_17.mirror()).to(view.xyz.device)
    sign3 = torch.tensor([-1.0, 1, 1], device=view.xyz.device)
    pick = flip[:, None, None, None]
    return VirtualView(
        torch.where(pick, view.xyz[:, :, order] * sign3, view.xyz),
        torch.where(pick, view.rays[:, :, order] * sign3[:2], view.rays),
        torch.where(pick[..., 0], view.inside[:, :, order], view.inside),
        view.metres,
        view.rotation,
        view.lens,
        view.half,
    )


def tick_times(batch: int, ticks: int, g: torch.Generator, jitter: float = 0.5, hz: float = 30.0) -> Tensor:
    """Return (B, T) s: the nominal grid, half of the clips with every tick moved by up to half an interval."""
    grid = torch.arange(ticks, device=g.device, dtype=torch.float32).expand(batch, -1)
    move = uniform(-jitter / 2, jitter / 2, (batch, ticks), g) * 2
    steady = torch.rand(batch, 1, generator=g, device=g.device) < 0.5
    times = grid + torch.where(steady, torch.zeros_like(move), move * 0.49)
    return (times - times[:, :1]) / hz
