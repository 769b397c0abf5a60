"""Poses of a burst: a moment of recorded motion, mixed, re-bodied, arms reached elsewhere, turned, seated.

World axes (Y up), metres, H36M's 17 joints; T frames at 30 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from realtime.demo.anatomy import J
from trainers.augmentation.motion import Augmentation, augment
from trainers.data.motion import MotionSegment
from trainers.data.shards.burst_shards import HZ
from trainers.skeleton.retarget import mirrored, resampled, reshape
from trainers.synthesis.pose_changes import bent, laid, reached, seated, stepped, turned

F64 = NDArray[np.float64]
FRAMES = 3  # of a burst
# a tenth of a second of other people's motion is enough to exchange limbs; bodies and sides are drawn afterwards
MIXING = Augmentation(
    exchange_arms=0.5, exchange_halves=0.4, angles_deg=14.0, legs_deg=8.0, proportions=0.0, shoulders=0.0, mirror=0.0
)


@dataclass(frozen=True)
class PoseShares:
    """How often a burst shows what recorded motion seldom does."""

    mix: float = 0.5  # limbs and angles of another clip
    reach: float = 0.25  # each arm: its wrist put somewhere else
    seat: float = 0.0  # thighs level, shins hanging
    step: float = 0.0  # each leg: its ankle put somewhere else
    bend: float = 0.0  # the trunk bent and twisted
    lie: float = 0.0  # on the floor
    turn: float = np.pi  # rad: headings within this of the camera, uniform


def draw_poses(segments: list[MotionSegment], weights: F64, shares: PoseShares, rng: np.random.Generator) -> F64:
    """Return (FRAMES, 17, 3): pelvis over the origin in the last frame, heading 0 (towards +Z) before `turn`."""
    poses = _moment(segments[int(rng.choice(len(segments), p=weights))], rng)
    if rng.random() < shares.mix:
        poses = _mixed(poses, _moment(segments[int(rng.choice(len(segments), p=weights))], rng), rng)
    poses = reshape(mirrored(poses) if rng.random() < 0.5 else poses, rng)
    poses = turned(poses, -heading(poses[-1]))
    if chance(shares.seat, rng):
        poses = seated(poses, rng)
    for side in ("left", "right"):
        if chance(shares.reach, rng):
            poses = reached(poses, side, rng)
        if chance(shares.step, rng):
            poses = stepped(poses, side, rng)
    if chance(shares.bend, rng):
        poses = bent(poses, rng)
    if chance(shares.lie, rng):
        poses = laid(poses, rng)
    poses = turned(poses, rng.uniform(-shares.turn, shares.turn))
    return np.asarray(poses - poses[-1, 0] * (1, 0, 1))


def chance(share: float, rng: np.random.Generator) -> bool:
    """Return whether something happens; what never does draws no number, so that all others stay as they were."""
    return share > 0 and rng.random() < share


def _moment(segment: MotionSegment, rng: np.random.Generator) -> F64:
    length = (FRAMES - 1) / HZ * float(rng.uniform(0.8, 1.25))
    start = rng.uniform(0, max(0.0, segment.seconds - length - 1 / segment.fps))
    return resampled(segment.xyz, segment.fps, np.linspace(start, start + length, FRAMES))


def _mixed(mine: F64, other: F64, rng: np.random.Generator) -> F64:
    pair = torch.from_numpy(np.stack([mine, other])).float()
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 31)))
    return np.asarray(augment(pair, MIXING, generator)[0].numpy(), np.float64)


def heading(pose: NDArray[Any]) -> float:
    """Return angle about the vertical from +Z to where the hips face."""
    across = pose[J["left_hip"]] - pose[J["right_hip"]]
    return float(np.arctan2(-across[2], across[0]))
