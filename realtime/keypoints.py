"""Measures of one person's 2D keypoints that tracking, occlusion filter and trainers share.

Knows: arrays of keypoints.  Does not know: messages, ids, pictures.
"""

from __future__ import annotations

import numpy as np

from realtime.messages import F32

SMALLEST_BOX_PX = 8.0  # a smaller person cannot be told from noise; also keeps quotients finite


def box_size(xy: F32) -> float:
    """Height of the box around the keypoints, px; of a lying person its length."""
    low, high = xy.min(0), xy.max(0)
    return max(float((high - low).max()), SMALLEST_BOX_PX)


def logit(probability: F32) -> F32:
    """Log-odds, bounded: 0 and 1 become -7 and 7."""
    p = np.clip(probability, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)), np.float32)


def sane(xy: F32, score: F32) -> tuple[F32, F32]:
    """Finite values only: what is not finite lies at the middle of the rest and has score 0."""
    good = np.isfinite(xy).all(-1) & np.isfinite(score) & (np.abs(xy) < 1e6).all(-1)
    if good.all():
        return xy, np.clip(score, 0, 1)
    middle = xy[good].mean(0) if good.any() else np.zeros(2, np.float32)
    return np.where(good[:, None], xy, middle).astype(np.float32), np.where(good, np.clip(score, 0, 1), 0).astype("f4")
