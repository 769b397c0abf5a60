"""What real cameras saw, as a bank: windows of keypoints with the truth in the camera's axes.

Knows: recorded views, windows at any rate.  Does not know: data sets' layouts, virtual cameras, networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Generator, Tensor

from trainers.data import bank as banks
from trainers.data.bank import Bank
from trainers.data.corpus import Clips, varied
from trainers.data.motion import MotionSet, Segment
from trainers.data.views import RecordedView, ViewSet
from trainers.errors import UserError

JOINTS = 17
DETECTED = 0.5  # of a score between two frames: both ends of it were detected, or the nearer one


@dataclass(frozen=True)
class RecordedBank:
    """The bank's points: 17 joints in camera axes, then 17 keypoints as (ray x, ray y, score)."""

    both: Bank

    @property
    def xyz(self) -> Tensor:
        """(N, 17, 3) m: bodies, to measure their bones."""
        return self.both.xyz[:, :JOINTS]


def bank(found: ViewSet, device: str) -> RecordedBank:
    pieces = tuple(piece for view in found.views for piece in unbroken(view))
    if not pieces:
        raise UserError(f"{found.name}: no camera saw anybody for half a second; prepare more of the data set")
    return RecordedBank(banks.bank(MotionSet(pieces, found.name), device))


def unbroken(view: RecordedView) -> list[Segment]:
    """Stretches of frames that count."""
    points = np.concatenate([view.rays(), view.score[..., None]], -1)
    both = np.concatenate([view.xyz, points], 1).astype(np.float32)
    edges = np.flatnonzero(np.diff(np.r_[0, view.valid.astype(np.int8), 0]))
    parts = [(a, b) for a, b in pairwise(edges) if view.valid[a] and b - a >= view.fps / 2]
    return [Segment(both[a:b], view.fps, view.clip, view.subject, view.action) for a, b in parts]


def sample(source: RecordedBank, times: Tensor, g: Generator, mirrors: bool = True) -> tuple[Clips, Tensor]:
    """Windows at `times` (B, T) s, half of them in a mirror, and the pelvis's distance along its ray (B, T) m."""
    found = banks.sample(source.both, times, g)
    xyz, points = found[:, :, :JOINTS], found[:, :, JOINTS:]
    reliability = points[..., 2].clamp(0, 1)
    clips = Clips(
        points[..., :2], reliability, torch.zeros_like(xyz), times, xyz - xyz[:, :, :1], reliability < DETECTED,
        torch.ones_like(times, dtype=torch.bool),
    )  # fmt: skip
    return varied(clips, g, roll=0.0, zoom=0.0) if mirrors else clips, xyz[:, :, 0].norm(dim=-1)
