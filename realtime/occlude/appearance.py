"""Sample brightness and contrast at keypoints and compare them with their memory.

A detector goes on reporting a wrist behind a board; the picture there no longer looks like the wrist.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.occlude.optical_flow import Grey
from realtime.wire.arrays import F32
from realtime.wire.keypoints import box_size, within_bounds

RADIUS = 0.02  # of the person's box height: about a wrist
LEAST_PX = 1.5
MEMORY_S = 0.5
ALIKE = 0.15  # difference of brightness above which a memory hardly takes a look in
FAR_PX = 1e6
_RING = np.arange(0, 2 * np.pi, np.pi / 4)
_DISC = np.concatenate(
    [np.zeros((1, 2)), *(r * np.stack([np.cos(_RING + r), np.sin(_RING + r)], 1) for r in (0.45, 0.75, 1.0))]
)  # 25 places in a disc of radius 1
_DISC_X, _DISC_Y = np.ascontiguousarray(_DISC.T)
_BRIGHTNESS = (np.arange(256, dtype=np.float32) / 255).astype(np.float32)


def sample_patch(grey: Grey, xy: F32, scale: float) -> F32:
    """(N, 2) mean and deviation of the brightness, 0..1, around points (N, 2) px of the full picture; NaN outside.

    `scale` is grey width over full width.
    """
    height, width = grey.shape
    points = np.asarray(_bounded(xy) * np.float32(scale), np.float32)
    radius = max(RADIUS * box_size(points), LEAST_PX)
    values = grey.take(_places(points[:, 1], radius * _DISC_Y, height) * width
                     + _places(points[:, 0], radius * _DISC_X, width))  # (N, 25)  # fmt: skip
    found = np.empty((len(points), 2), np.float32)
    mean_and_deviation(_BRIGHTNESS.take(values), found)
    found[~((points >= 0) & (points < (width, height))).all(1)] = np.nan
    return found


def _bounded(xy: F32) -> F32:
    if within_bounds(xy, -FAR_PX, FAR_PX):
        return xy
    return np.nan_to_num(xy, nan=-1.0).clip(-FAR_PX, FAR_PX).astype(np.float32)


def _places(centres: F32, offsets: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Return the patch's pixel indices along one axis (N, 25), clipped to the picture."""
    at = centres[:, None] + offsets
    np.rint(at, out=at)
    np.maximum(at, 0, out=at)
    return np.minimum(at, size - 1, out=at).astype(np.int64)


def mean_and_deviation(values: F32, patches: F32) -> None:
    """Mean and standard deviation of each row, as NumPy's own would be, without their detours."""
    count = np.float32(values.shape[1])
    mean = np.add.reduce(values, 1, keepdims=True) / count
    values -= mean
    values *= values
    patches[:, :1] = mean
    np.sqrt(np.add.reduce(values, 1) / count, patches[:, 1])


def remember(memory: F32 | None, now: F32 | None, dt: float) -> F32 | None:
    """Update the appearance memory; a very different patch counts little, an unseen one not at all."""
    if memory is None or now is None:
        return now if memory is None else memory
    share = (1 - np.exp(-max(dt, 0.0) / MEMORY_S)) * np.exp(-np.abs(now[:, :1] - memory[:, :1]) / ALIKE)
    mixed = memory + share * (now - memory)
    if not np.isnan(mixed).any():
        return np.asarray(mixed, np.float32)
    return np.asarray(np.where(np.isnan(mixed), np.where(np.isnan(memory), now, memory), mixed), np.float32)
