"""Simulate what a detector says of people before virtual cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from engines.skeleton import H36M_17
from trainers.augmentation import occlusion_masks
from trainers.augmentation.detector_noise import Detections, NoiseRange, observe
from trainers.data.clips import Clips
from trainers.data.motion import CALIBRATION, MotionSet
from trainers.geometry.virtual_cameras import VirtualView

ORDER = torch.from_numpy(H36M_17.mirror())


@dataclass(frozen=True)
class MaskShares:
    """Share of clips each mask falls on."""

    boards: float = 0.35
    limbs: float = 0.25
    halves: float = 0.12
    legs_out: float = 0.12
    last_gaps: float = 0.10
    point_runs: float = 0.05
    frame_runs: float = 0.05


def halves(motion: MotionSet) -> tuple[MotionSet, MotionSet]:
    """(to fit sigma on, to judge on): different people wherever there are two."""
    people = set(motion.subjects)
    fitting = people & set(CALIBRATION) or set(motion.subjects[: len(people) // 2])
    return (motion.only(fitting), motion.only(people - fitting)) if fitting and people - fitting else (motion, motion)


def seen_by_detector(
    view: VirtualView, times: Tensor, noise: NoiseRange, shares: Mapping[str, float], g: Generator
) -> Clips:
    hidden = occlusion_masks.mixed(view.rays, g, shares) | ~view.inside
    found: Detections = observe(view, hidden, noise, ORDER.to(g.device), g)
    valid = torch.ones_like(times, dtype=torch.bool)
    return Clips(found.x, found.reliability, found.world, times, view.pose, hidden, valid)
