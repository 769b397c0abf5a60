"""Measure and sanitise one person's 2D keypoints, for tracking, occlusion filter and trainers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.wire.arrays import F32

FAR_PX, FAR_M = 1e6, 10.0  # nothing of a person lies beyond
SMALLEST_BOX_PX = 8.0  # a smaller person cannot be told from noise; also keeps quotients finite


def box_size(xy: F32) -> float:
    """Height of the box around the keypoints, px; of a lying person its length."""
    low, high = xy.min(0), xy.max(0)
    return max(float((high - low).max()), SMALLEST_BOX_PX)


def logit(probability: F32) -> F32:
    """Log-odds, bounded: 0 and 1 become -7 and 7."""
    p = np.clip(probability, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)), np.float32)


def sane(xy: F32, score: F32, before: F32 | None = None) -> tuple[F32, F32]:
    """Finite values only: what is not finite has score 0 and lies where it was `before`, else amidst the others."""
    good = np.isfinite(xy).all(-1) & np.isfinite(score) & (np.abs(xy) < FAR_PX).all(-1)
    bounded = np.clip(score, 0, 1)
    if good.all():
        return xy, bounded
    if before is None:
        before = np.broadcast_to(xy[good].mean(0) if good.any() else np.float32(0), xy.shape)
    return np.where(good[:, None], xy, before).astype(np.float32), np.where(good, bounded, 0).astype(np.float32)


def sane_world(world: F32) -> tuple[F32, NDArray[np.bool_]]:
    """The detector's own 3D without what cannot be, and (J,) where it can."""
    good = np.asarray(np.isfinite(world).all(-1) & (np.abs(world) < FAR_M).all(-1))
    return np.where(good[:, None], world, 0).astype(np.float32), good
