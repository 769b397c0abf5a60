"""Trace the pixels under last frame's keypoints: pyramidal Lucas-Kanade between two grey pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.wire.arrays import F32
from realtime.wire.keypoints import box, distance

WINDOW, LEVELS = 15, 2  # reaches about 30 px of a picture at most 640 px wide
MARGIN = 48  # px around the points that the flow may leave into
CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 10, 0.03)

Grey = NDArray[np.uint8]  # (h, w)


@dataclass(frozen=True)
class Flow:
    """Of N points, in pixels of the full picture."""

    moved: F32  # (N, 2) where last frame's pixels are now
    back_error: F32  # (N,) px between a point and where it comes back to when traced forth and back
    patch_error: F32  # (N,) mean grey difference of the patches, 0..1
    known: NDArray[np.bool_]  # (N,) traced at all

    def part(self, index: slice) -> Flow:
        return Flow(self.moved[index], self.back_error[index], self.patch_error[index], self.known[index])


def trace(previous: Grey, grey: Grey, points: F32, scale: float) -> Flow:
    """`points` (N, 2) px of the full picture; `scale` is grey width over full width."""
    start = np.ascontiguousarray(points * scale, np.float32)
    inside = _inside(start, grey.shape)
    if previous.shape != grey.shape or not np.logical_or.reduce(inside):
        return unknown(points)
    if np.logical_and.reduce(inside):
        moved, back_error, patch_error, known = _trace_both_ways(previous, grey, start)
        return Flow(_per(moved, scale), _per(back_error, scale), patch_error, known)
    moved, back_error, patch_error, known = _trace_both_ways(previous, grey, start[inside])
    flow = unknown(points)
    flow.moved[inside], flow.back_error[inside] = moved / scale, back_error / scale
    flow.patch_error[inside], flow.known[inside] = patch_error, known
    return flow


def _per(grey_px: F32, scale: float) -> F32:
    """Return lengths in pixels of the full picture."""
    return np.asarray(grey_px / scale, np.float32)


def unknown(points: F32) -> Flow:
    zeros = np.zeros(len(points), np.float32)
    return Flow(points.astype(np.float32, copy=True), zeros, zeros.copy(), np.zeros(len(points), bool))


def _inside(points: F32, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce((points >= 0) & (points < (shape[1], shape[0])), 1))


def _trace_both_ways(previous: Grey, grey: Grey, start: F32) -> tuple[F32, F32, F32, NDArray[np.bool_]]:
    """On the part of the picture around the points: the pyramids of the whole would cost most of the time."""
    low, high = box(start)
    low, high = np.maximum(low.astype(int) - MARGIN, 0), high.astype(int) + MARGIN
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    corner = low.astype(np.float32)
    moved, there, error = _lucas_kanade(previous[window], grey[window], start - corner)
    back, here, _ = _lucas_kanade(grey[window], previous[window], moved)
    return moved + corner, distance(back + corner, start), error, (there & here).astype(bool)


def _lucas_kanade(previous: Grey, grey: Grey, points: F32) -> tuple[F32, NDArray[np.uint8], F32]:
    moved, status, error = cv2.calcOpticalFlowPyrLK(
        previous, grey, points, np.empty_like(points), winSize=(WINDOW, WINDOW), maxLevel=LEVELS, criteria=CRITERIA
    )
    error = np.where(status, error, 0)[:, 0] / 255
    return np.asarray(moved, np.float32), np.asarray(status[:, 0]), np.asarray(error, np.float32)
