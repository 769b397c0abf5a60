"""Sample windows of recorded views: keypoints with the truth in the camera's axes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import cast

import numpy as np
import torch
from torch import Generator, Tensor

from engines.contract import TICK_HZ
from trainers.data import bank as banks
from trainers.data.bank import Bank
from trainers.data.clips import Clips, in_mirror
from trainers.data.motion import MotionSegment, MotionSet
from trainers.data.views import RecordedView, ViewSet
from trainers.errors import UserError

JOINTS = 17
SHORTEST_S = 0.5
NEAREST = 0.1  # m: nothing is nearer to a camera
DETECTED = 0.5  # of a score between two frames: both ends of it were detected, or the nearer one


@dataclass(frozen=True)
class RecordedBank:
    """For every camera at once 34 points: 17 joints in its axes, then 17 keypoints as (ray x, ray y, score)."""

    points: Bank
    hz: float = TICK_HZ  # ticks a second; a network counts them as if they were the runtime's

    @property
    def native(self) -> bool:
        """Every tick is a frame of the set."""
        return self.hz != TICK_HZ

    def as_ticks(self, times: Tensor) -> Tensor:
        """Count time (B, T) s as the runtime does, whose ticks a network takes every frame for."""
        return times * self.hz / TICK_HZ

    @property
    def xyz(self) -> Tensor:
        """(N, 17, 3) m: bodies, to measure their bones."""
        return self.points.xyz[:, :JOINTS]


def bank(motion: MotionSet, device: str, shortest_s: float = SHORTEST_S, hz: float = TICK_HZ) -> RecordedBank:
    """Build a bank of recorded segments."""
    return RecordedBank(banks.bank(motion, device, shortest_s), hz)


def view_segments(view_set: ViewSet, cameras: int = 1) -> MotionSet:
    """Return whatever so many cameras saw of the same clip at the same time, in stretches of frames that count."""
    takes: dict[tuple[str, str], list[RecordedView]] = {}
    for view in view_set.views:
        takes.setdefault((view.subject, view.clip), []).append(view)
    groups = [list(group) for views in takes.values() for group in combinations(views, cameras)]
    if not groups:
        raise UserError(f"{view_set.name}: no clip that {cameras} cameras saw; prepare all views of the data set")
    segments = tuple(segment for group in groups for segment in unbroken(group))
    if not segments:
        raise UserError(f"{view_set.name}: no camera saw anybody for half a second; prepare more of the data set")
    return MotionSet(segments, view_set.name)


def unbroken(views: list[RecordedView]) -> list[MotionSegment]:
    """Stretches of frames that count in every one of the views, 34 points a view."""
    frames, first = min(len(v.valid) for v in views), views[0]
    points = [p for v in views for p in (v.xyz, np.concatenate([v.rays(), v.score[..., None]], -1))]
    joined = np.concatenate([p[:frames] for p in points], 1).astype(np.float32)
    valid = np.logical_and.reduce([v.valid[:frames] for v in views])
    edges = np.flatnonzero(np.diff(np.r_[0, valid.astype(np.int8), 0]))
    parts = [(a, b) for a, b in pairwise(edges) if valid[a] and b - a >= SHORTEST_S * first.fps]
    return [MotionSegment(joined[a:b], first.fps, first.clip, first.subject, first.action) for a, b in parts]


def sample(source: RecordedBank, times: Tensor, g: Generator, mirrors: bool = True) -> tuple[Clips, Tensor]:
    """Return windows at `times` (B, T) s of any of the cameras, half in a mirror, and the pelvis (B, T, 3) m in its
    axes."""
    return sample_views(source, times, g, mirrors)[0]


def sample_views(source: RecordedBank, times: Tensor, g: Generator, mirrors: bool = True) -> list[tuple[Clips, Tensor]]:
    """Return the same windows as every camera saw them, mirrored for all or for none; which camera comes first is
    drawn."""
    return as_seen(banks.sample(source.points, times, g, whole=source.native), source.as_ticks(times), g, mirrors)


def as_seen(points: Tensor, times: Tensor, g: Generator, mirrors: bool = True) -> list[tuple[Clips, Tensor]]:
    """Return windows of points (B, T, 34 a camera, 3) as every camera saw them; times (B, T) s of the runtime's
    ticks."""
    found = points.unflatten(2, (-1, 2 * JOINTS))  # (B, T, cameras, 34, 3)
    order = torch.rand(found.shape[0], found.shape[2], generator=g, device=g.device).argsort(1)
    found = found.take_along_dim(order[:, None, :, None, None], 2)
    flip, views = torch.rand(len(times), generator=g, device=g.device) < 0.5, []
    for part in found.unbind(2):
        xyz, points = part[:, :, :JOINTS], part[:, :, JOINTS:]
        reliability = points[..., 2].clamp(0, 1)
        clips = Clips(
            points[..., :2], reliability, torch.zeros_like(xyz), times, xyz, reliability < DETECTED,
            torch.ones_like(times, dtype=torch.bool),
        )  # fmt: skip
        clips = in_mirror(clips, flip) if mirrors else clips
        root = clips.pose[:, :, :1]
        views.append((replace(clips, pose=clips.pose - root), root[:, :, 0]))
    return views


def true_rays(clips: Clips, root: Tensor) -> Tensor:
    """Return (B, T, 17, 2) where the true joints project."""
    place = clips.pose + root.unsqueeze(2)
    return place[..., :2] / place[..., 2:].clamp_min(NEAREST)


def between(first: Tensor, second: Tensor) -> Tensor:
    """Return rotation (N, 3, 3) from the first camera's axes to the second's, of the same people's poses in both."""
    u, _, v = torch.linalg.svd((second.flatten(1, 2).mT @ first.flatten(1, 2)).double())
    sign = torch.ones_like(u[:, 0])
    sign[:, 2] = torch.linalg.det(u @ v)
    return cast(Tensor, ((u * sign.unsqueeze(1)) @ v).to(first.dtype))
