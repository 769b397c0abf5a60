"""Smooth a recorded track without lag: at every frame the best local parabola through past and future.

Weights fall with distance in time (Gaussian) and with the joint's own variance, sigma^2: what was not seen leans on
what was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realtime.export.clip import ExportClip, Real

BANDWIDTH_S = 0.07  # standard deviation of the weights in time
REACH = 3.0  # standard deviations looked at to both sides
OFTEN = 0.9  # of the frames of the joint that is known most often
CALM_M, WIDEST = 0.004, 4.0  # noise of a way that needs no wider weights, and how much wider they become at most
FUTURE_S = BANDWIDTH_S * REACH * WIDEST
LEAST_SIGMA_M = 0.01  # nothing is trusted more
RIDGE = 1e-6  # keeps a parabola through fewer than three frames finite; it becomes a line or a constant


def smoothed_offline(clip: ExportClip) -> ExportClip:
    """Smooth a clip's positions and sigmas; states stay, and what is missing stays missing."""
    if len(clip) < 3:
        return clip
    middle = anchor(clip)
    way = clip.xyz[:, [middle]]
    body = local_parabola(clip.times_s, clip.xyz - way, clip.sigma)
    smooth = body + smooth_way(clip.times_s, way, clip.sigma[:, [middle]])
    alone = np.isnan(way) & np.isfinite(clip.xyz)  # whoever lacks the anchor for a while
    if alone.any():
        smooth = np.where(alone, local_parabola(clip.times_s, clip.xyz, clip.sigma), smooth)
    return replace(clip, xyz=smooth)


def anchor(clip: ExportClip) -> int:
    """Return the joint whose way is smoothed as the body's: the root, unless it is seldom known, as at a desk."""
    known, root = np.isfinite(clip.xyz).all(-1).sum(0), clip.parents.index(-1)
    return root if known[root] >= OFTEN * known.max() else int(known.argmax())


def smooth_way(times_s: Real, way: Real, sigma: Real) -> Real:
    """Smooth the root's path (T, 1, 3), longer along noisier axes: one camera knows depth worst."""
    found = np.array(way)
    for axis in range(3):
        wider = np.clip((trembling(way[:, 0, axis]) / CALM_M) ** (1 / 3), 1.0, WIDEST)
        found[..., axis] = local_parabola(times_s, way, sigma, BANDWIDTH_S * float(wider))[..., axis]
    return found


def trembling(track: Real) -> float:
    """Estimate the standard deviation of the noise in (T,) from second differences, robust to motion and gaps."""
    bends = np.diff(track, 2)
    bends = bends[np.isfinite(bends)]
    return float(np.median(np.abs(bends)) / 0.6745 / np.sqrt(6)) if len(bends) else 0.0


def local_parabola(times_s: Real, xyz: Real, sigma: Real, bandwidth_s: float = BANDWIDTH_S) -> Real:
    """Evaluate a weighted quadratic fit around each frame: (T,), (T, J, 3), (T, J) -> (T, J, 3)."""
    known = np.asarray(np.isfinite(xyz).all(-1))
    trust = np.where(known, 1 / np.maximum(np.nan_to_num(sigma, nan=1.0), LEAST_SIGMA_M) ** 2, 0.0)
    trust = trust / max(float(trust.max()), 1e-12)
    values = np.nan_to_num(xyz)
    moments = np.zeros((*known.shape, 5))  # sums of w, w dt, ..., w dt^4
    sums = np.zeros((*known.shape, 3, 3))  # sums of w x, w dt x, w dt^2 x
    for offset in offsets(times_s, bandwidth_s):
        low, high = max(0, -offset), len(times_s) - max(0, offset)
        here, there = slice(low, high), slice(low + offset, high + offset)
        dt = (times_s[there] - times_s[here]) / bandwidth_s
        weight = np.where(np.abs(dt) <= REACH, np.exp(-0.5 * dt**2), 0.0)[:, None] * trust[there]
        powers = dt[:, None] ** np.arange(5)
        moments[here] += weight[..., None] * powers[:, None]
        sums[here] += weight[..., None, None] * powers[:, None, :3, None] * values[there][:, :, None]
    normal = moments[..., [[0, 1, 2], [1, 2, 3], [2, 3, 4]]]
    normal = normal + RIDGE * np.maximum(moments[..., :1, None], 1e-12) * np.diag([0.0, 1.0, 1.0]) + 1e-15 * np.eye(3)
    fitted = np.linalg.solve(normal, sums)[..., 0, :]
    return np.asarray(np.where(known[..., None], fitted, np.nan))


def offsets(times_s: Real, bandwidth_s: float) -> range:
    """Return the largest number of frames within reach before and after a frame."""
    step = float(np.min(np.diff(times_s)[np.diff(times_s) > 0], initial=1.0))
    count = min(int(np.ceil(REACH * bandwidth_s / max(step, 1e-3))), len(times_s) - 1)
    return range(-count, count + 1)
