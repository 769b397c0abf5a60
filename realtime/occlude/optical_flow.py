"""Trace the pixels under last frame's keypoints: pyramidal Lucas-Kanade between two grey pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.wire.arrays import F32

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
    inside = _inside(points * scale, grey.shape)
    if previous.shape != grey.shape or not inside.any():
        return unknown(points)
    start = np.ascontiguousarray(points[inside] * scale, np.float32)
    moved, back_error, patch_error, known = _trace_both_ways(previous, grey, start)
    flow = unknown(points)
    flow.moved[inside], flow.back_error[inside] = moved / scale, back_error / scale
    flow.patch_error[inside], flow.known[inside] = patch_error, known
    return flow


def unknown(points: F32) -> Flow:
    zeros = np.zeros(len(points), np.float32)
    return Flow(points.astype(np.float32, copy=True), zeros, zeros.copy(), np.zeros(len(points), bool))


def _inside(points: F32, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.asarray((points >= 0).all(1) & (points[:, 0] < shape[1]) & (points[:, 1] < shape[0]))


def _trace_both_ways(previous: Grey, grey: Grey, start: F32) -> tuple[F32, F32, F32, NDArray[np.bool_]]:
    """On the part of the picture around the points: the pyramids of the whole would cost most of the time."""
    low = np.maximum(start.min(0).astype(int) - MARGIN, 0)
    high = start.max(0).astype(int) + MARGIN
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    corner = low.astype(np.float32)
    moved, there, error = _lucas_kanade(previous[window], grey[window], start - corner)
    back, here, _ = _lucas_kanade(grey[window], previous[window], moved)
    back_error = np.linalg.norm(back + corner - start, axis=1).astype(np.float32)
    return moved + corner, back_error, error, (there & here).astype(bool)


def _lucas_kanade(previous: Grey, grey: Grey, points: F32) -> tuple[F32, NDArray[np.uint8], F32]:
    moved, status, error = cv2.calcOpticalFlowPyrLK(
        previous, grey, points, np.empty_like(points), winSize=(WINDOW, WINDOW), maxLevel=LEVELS, criteria=CRITERIA
    )
    error = np.where(status, error, 0)[:, 0] / 255
    return np.asarray(moved, np.float32), np.asarray(status[:, 0]), np.asarray(error, np.float32)
