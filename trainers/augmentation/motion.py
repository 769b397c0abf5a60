"""Augment motion: exchange limbs and halves, perturb angles, change tempo, vary bodies.

Everything is batched, (B, T, 17, 3), on the generator's device.

Feet stay plausible: after every change of legs or proportions the root is moved so that the lowest ankle is where the
recorded motion (scaled to the new legs) has it.  Hinges stop at their limit; a clip whose arm would enter the trunk
stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor

from trainers.skeleton.body_variation import chosen, mirror, pick, stand, vary_body
from trainers.skeleton.bones import (
    ANKLES,
    L_ARM,
    L_LEG,
    PARENTS,
    R_ARM,
    R_LEG,
    J,
    bones,
    chest_frame,
    heading_frame,
    joints,
    rotate,
    unit,
)

UPPER = tuple(range(J("spine"), len(PARENTS)))
LARGEST_FLEXION = 2.62  # rad: 150 degrees between the directions of a hinge's two bones
FrameOf = Callable[[Tensor], Tensor]
COUNTED_ON = ("cpu",)  # devices that answer at once how many clips are mixed
COUNTING = ContextVar("COUNTING", default=True)  # else as on other devices
TRUNK_RADIUS_M = 0.07  # wrists and elbows nearer to the line from pelvis to thorax are inside the body


@dataclass(frozen=True)
class Augmentation:
    """How often and how much; 0 switches a part off."""

    exchange_arms: float = 0.25  # share of clips that take each arm from another clip
    exchange_halves: float = 0.15  # share of clips that take the upper half from another clip
    angles_deg: float = 8.0  # standard deviation of the slow perturbation of limbs
    legs_deg: float = 4.0
    proportions: float = 0.10  # standard deviation of each bone group's log length
    shoulders: float = 0.15  # the same for the width of the shoulders: rigs disagree most about it
    height_m: tuple[float, float] = (1.45, 2.0)  # stature, uniform
    mirror: float = 0.5  # share of clips with left and right exchanged


def augment(xyz: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    """Return all parts in the order that keeps them independent: whose motion, which angles, whose body, which side."""
    xyz = exchange_halves(xyz, how.exchange_halves, generator)
    for arm in (L_ARM, R_ARM):
        xyz = exchange_arm(xyz, arm, how.exchange_arms, generator)
    if how.angles_deg > 0 or how.legs_deg > 0:
        xyz = perturb_angles(xyz, how.angles_deg, how.legs_deg, generator)
    if how.proportions > 0 or how.shoulders > 0:
        xyz = vary_body(xyz, how.proportions, how.shoulders, how.height_m, generator)
    return mirror(xyz, chosen(len(xyz), how.mirror, generator))


# --- exchange -----------------------------------------------------------------------------------------------------


def exchange_halves(xyz: Tensor, share: float, generator: Generator) -> Tensor:
    """Return the upper half of another clip, turned to this one's heading, on this one's bones and legs."""
    return _exchange(xyz, UPPER, heading_frame, share, generator)


def exchange_arm(xyz: Tensor, arm: Sequence[int], share: float, generator: Generator) -> Tensor:
    """Return one arm of another clip, as it stands to that clip's chest."""
    return _exchange(xyz, arm, chest_frame, share, generator)


def _exchange(xyz: Tensor, part: Sequence[int], frame_of: FrameOf, share: float, generator: Generator) -> Tensor:
    partners = torch.randperm(len(xyz), device=xyz.device, generator=generator)
    taken = chosen(len(xyz), share, generator)
    if (
        xyz.device.type not in COUNTED_ON or not COUNTING.get()
    ):  # counting rows would wait for the device: all are mixed, some are kept
        new = _mixed(xyz, xyz[partners], part, frame_of)
        return pick(taken & ~deeper_inside(new, xyz), new, xyz)
    rows = taken.nonzero()[:, 0]
    if not len(rows):
        return xyz
    new, out = _mixed(xyz[rows], xyz[partners[rows]], part, frame_of), xyz.clone()
    out[rows] = pick(~deeper_inside(new, xyz[rows]), new, xyz[rows])
    return out


@contextmanager
def all_rows() -> Iterator[None]:
    """Mix every clip and keep some, on every device: shapes do not depend on what is drawn."""
    before = COUNTING.set(False)
    try:
        yield
    finally:
        COUNTING.reset(before)


def _mixed(mine: Tensor, other: Tensor, part: Sequence[int], frame_of: FrameOf) -> Tensor:
    """Return the other's part on this one's bones, as it stands to its frame."""
    turn = frame_of(mine) @ frame_of(other).mT  # (B, T, 3, 3)
    turned = unit(bones(other)[..., list(part), :] @ turn.mT)
    mixed = bones(mine)
    mixed[..., list(part), :] = turned * mixed[..., list(part), :].norm(dim=-1, keepdim=True)
    return joints(mixed)


def deeper_inside(new: Tensor, old: Tensor) -> Tensor:
    """Return (B,) bool: an elbow or wrist comes nearer to the trunk's middle than its radius, and nearer than it ever
    was."""
    near_new, near_old = (_trunk_distance(x).amin((1, 2)) for x in (new, old))
    return (near_new < TRUNK_RADIUS_M) & (near_new < near_old)


def _trunk_distance(xyz: Tensor) -> Tensor:
    """Map (B, T, 17, 3) -> (B, T, 4): elbows and wrists from the line pelvis-thorax."""
    points, low, high = xyz[..., [*L_ARM, *R_ARM], :], xyz[..., :1, :], xyz[..., 8:9, :]
    axis = high - low
    along = ((points - low) * axis).sum(-1, keepdim=True) / (axis * axis).sum(-1, keepdim=True).clamp_min(1e-6)
    return cast(Tensor, (points - low - along.clamp(0, 1) * axis).norm(dim=-1))


# --- angles -------------------------------------------------------------------------------------------------------


def slow_noise(batch: int, frames: int, channels: int, generator: Generator, waves: int = 3) -> Tensor:
    """Return (B, T, channels), about unit deviation: a constant and a few waves no faster than one in 40 frames."""
    device = generator.device
    time = torch.arange(frames, device=device, dtype=torch.float32)[None, :, None, None]
    rate = torch.rand(batch, 1, channels, waves, device=device, generator=generator) / 40
    phase = torch.rand(batch, 1, channels, waves, device=device, generator=generator)
    wave = torch.sin(2 * torch.pi * (rate * time + phase)).sum(-1) * (1.0 / waves) ** 0.5
    return cast(Tensor, 0.7 * (wave + torch.randn(batch, 1, channels, device=device, generator=generator)))


def perturb_angles(xyz: Tensor, arms_deg: float, legs_deg: float, generator: Generator) -> Tensor:
    """Return every limb swung at its root and bent at its hinge by slow noise; hinges stay within limits, stance feet
    put."""
    bone = bones(xyz)
    for limb, deg in ((L_ARM, arms_deg), (R_ARM, arms_deg), (L_LEG, legs_deg), (R_LEG, legs_deg)):
        noise = torch.deg2rad(deg * slow_noise(xyz.shape[0], xyz.shape[1], 4, generator))
        bone = _bend(bone, limb, noise)
    new = joints(bone)
    new = pick(~deeper_inside(new, xyz), new, xyz)
    return stand(new, xyz[..., list(ANKLES), :])


def _bend(bone: Tensor, limb: Sequence[int], noise: Tensor) -> Tensor:
    """Noise (B, T, 4) rad: three of swing, one of flexion."""
    near, far = limb
    first, second = bone[..., near, :], bone[..., far, :]
    crossed = torch.linalg.cross(unit(first), unit(second))
    sine, cosine = crossed.norm(dim=-1), (unit(first) * unit(second)).sum(-1)
    angle = torch.atan2(sine, cosine)
    largest = angle.clamp_min(LARGEST_FLEXION)
    # a nearly straight hinge has no known axis: its bend fades in between 5 and 15 degrees
    sure = ((angle - 0.09) / 0.17).clamp(0, 1)
    change = ((angle + noise[..., 3] * sure).clamp_min(0.05).minimum(largest) - angle) * sure
    second = rotate(second, unit(crossed) * change[..., None])
    swung = bone.clone()
    swung[..., near, :], swung[..., far, :] = rotate(first, noise[..., :3]), rotate(second, noise[..., :3])
    return swung


# --- tempo --------------------------------------------------------------------------------------------------------


def warped_times(batch: int, frames: int, rate_hz: float, low: float, high: float, generator: Generator) -> Tensor:
    """Return (B, T) rising seconds of motion to show at `rate_hz`: a tempo a clip in [low, high] that drifts by a
    tenth."""
    device = generator.device
    tempo = low * (high / low) ** torch.rand(batch, 1, device=device, generator=generator)
    drift = 1 + 0.05 * slow_noise(batch, frames, 1, generator)[..., 0].clamp(-2, 2)
    steps = tempo * drift / rate_hz
    return torch.cumsum(steps, 1) - steps[:, :1]
