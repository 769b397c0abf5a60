"""Sample brightness and contrast at keypoints and compare them with their memory.

A detector goes on reporting a wrist behind a board; the picture there no longer looks like the wrist.
"""

from __future__ import annotations

import numpy as np

from realtime.occlude.optical_flow import Grey
from realtime.wire.arrays import F32
from realtime.wire.keypoints import box_size

RADIUS = 0.02  # of the person's box height: about a wrist
LEAST_PX = 1.5
MEMORY_S = 0.5
ALIKE = 0.15  # difference of brightness above which a memory hardly takes a look in
FAR_PX = 1e6
_RING = np.arange(0, 2 * np.pi, np.pi / 4)
_DISC = np.concatenate(
    [np.zeros((1, 2)), *(r * np.stack([np.cos(_RING + r), np.sin(_RING + r)], 1) for r in (0.45, 0.75, 1.0))]
)  # 25 places in a disc of radius 1


def sample_patch(grey: Grey, xy: F32, scale: float) -> F32:
    """(N, 2) mean and deviation of the brightness, 0..1, around points (N, 2) px of the full picture; NaN outside.

    `scale` is grey width over full width.
    """
    height, width = grey.shape
    points = (np.nan_to_num(xy, nan=-1.0).clip(-FAR_PX, FAR_PX) * scale).astype(np.float32)
    radius = max(RADIUS * box_size(points), LEAST_PX)
    at = np.rint(points[:, None] + radius * _DISC[None]).astype(np.int64)  # (N, 25, 2)
    inside = (points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)
    values = grey[at[..., 1].clip(0, height - 1), at[..., 0].clip(0, width - 1)].astype(np.float32) / 255
    found = np.stack([values.mean(1), values.std(1)], 1)
    found[~inside] = np.nan
    return np.asarray(found, np.float32)


def remember(memory: F32 | None, now: F32 | None, dt: float) -> F32 | None:
    """The memory after a look; what looks very different is hardly taken in, what was not seen not at all."""
    if memory is None or now is None:
        return now if memory is None else memory
    share = (1 - np.exp(-max(dt, 0.0) / MEMORY_S)) * np.exp(-np.abs(now[:, :1] - memory[:, :1]) / ALIKE)
    mixed = memory + share * (now - memory)
    return np.asarray(np.where(np.isnan(mixed), np.where(np.isnan(memory), now, memory), mixed), np.float32)
