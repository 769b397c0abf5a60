"""Poses of a burst: a moment of recorded motion, mixed, re-bodied, arms reached elsewhere, turned, seated.

World axes (Y up), metres, H36M's 17 joints; T frames at 30 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from realtime.demo.anatomy import J, cross, unit
from trainers.augmentation.motion import Augmentation, augment
from trainers.data.motion import MotionSegment
from trainers.skeleton.retarget import mirrored, resampled, reshape

F64 = NDArray[np.float64]
HZ = 30.0
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
    turn: float = np.pi  # rad: headings within this of the camera, uniform


def draw_poses(segments: list[MotionSegment], weights: F64, shares: PoseShares, rng: np.random.Generator) -> F64:
    """Return (FRAMES, 17, 3): pelvis over the origin in the last frame, heading 0 (towards +Z) before `turn`."""
    poses = _moment(segments[int(rng.choice(len(segments), p=weights))], rng)
    if rng.random() < shares.mix:
        poses = _mixed(poses, _moment(segments[int(rng.choice(len(segments), p=weights))], rng), rng)
    poses = reshape(mirrored(poses) if rng.random() < 0.5 else poses, rng)
    poses = turned(poses, -heading(poses[-1]))
    if rng.random() < shares.seat:
        poses = seated(poses, rng)
    for side in ("left", "right"):
        if rng.random() < shares.reach:
            poses = reached(poses, side, rng)
    poses = turned(poses, rng.uniform(-shares.turn, shares.turn))
    return np.asarray(poses - poses[-1, 0] * (1, 0, 1))


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


def turned(poses: NDArray[Any], angle: float) -> F64:
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(poses @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]))


def seated(poses: F64, rng: np.random.Generator) -> F64:
    """Thighs about level and forward, shins about vertical; the upper half as it was, the feet on the floor."""
    new = poses.copy()
    for side, sign in (("left", 1), ("right", -1)):
        hip, knee, ankle = (J[f"{side}_{part}"] for part in ("hip", "knee", "ankle"))
        thigh = np.array([sign * rng.uniform(0.0, 0.5), rng.uniform(-0.35, 0.2), 1.0])
        shin = np.array([rng.normal(0, 0.12), -1.0, rng.uniform(-0.5, 0.3)])
        new[:, knee] = poses[:, hip] + unit(thigh) * _length(poses, hip, knee)
        new[:, ankle] = new[:, knee] + unit(shin) * _length(poses, knee, ankle)
    new[..., 1] -= new[:, [J["left_ankle"], J["right_ankle"]], 1].min() - 0.09
    return np.asarray(new)


def reached(poses: F64, side: str, rng: np.random.Generator) -> F64:
    """Return the wrist somewhere in front of, beside or above the chest, the elbow hanging; the arm's own tremor
    kept."""
    shoulder, elbow, wrist = (J[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
    sign = 1 if side == "left" else -1
    upper, fore = _length(poses, shoulder, elbow), _length(poses, elbow, wrist)
    way = np.array([sign * rng.uniform(-0.45, 0.5), rng.uniform(-0.5, 0.45), rng.uniform(0.08, 0.6)])
    target = unit(way) * np.clip(np.linalg.norm(way), abs(upper - fore) + 0.06, (upper + fore) * 0.985)
    pole = np.array([sign * rng.uniform(0.0, 1.2), rng.uniform(-1.2, 0.1), rng.uniform(-0.8, 0.1)])
    drift = poses[:, wrist] - poses[:, shoulder]
    goal = target + 0.5 * (drift - drift[-1:])
    bend = two_bones(goal, upper, fore, pole)
    new = poses.copy()
    new[:, elbow] = poses[:, shoulder] + bend
    new[:, wrist] = new[:, elbow] + unit(goal - bend) * fore
    return np.asarray(new)


def two_bones(goal: F64, upper: float, fore: float, pole: F64) -> F64:
    """(T, 3) ends -> (T, 3) the joint between two bones, bent towards `pole`."""
    reach = np.clip(np.linalg.norm(goal, axis=-1, keepdims=True), abs(upper - fore) + 1e-3, upper + fore - 1e-3)
    along = unit(goal)
    ahead = (upper**2 - fore**2 + reach**2) / (2 * reach)
    aside = np.sqrt(np.maximum(upper**2 - ahead**2, 0))
    out = unit(cross(cross(along, np.broadcast_to(pole, along.shape)), along) + 1e-9)
    return np.asarray(along * ahead + out * aside)


def _length(poses: F64, a: int, b: int) -> float:
    return float(np.linalg.norm(poses[:, a] - poses[:, b], axis=-1).mean())
