"""Detect which foot stands on the ground by its height and speed; measure how far standing feet slide, m/s."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.export.clip import ANKLE_HEIGHT_M, ExportClip, Real
from realtime.export.smoothing.local_fit import local_parabola

SIDES = ("left", "right")
FOOT_PARTS = ("heel", "foot_index", "ankle")
SPEED_M_S = 0.45  # a standing foot is slower; a swinging one reaches twice the speed of walking
HEIGHT_M, OWN_S = 0.06, 0.4  # a standing foot is lower than this above its own lowest so shortly before or after
STEP_M, GROUND_S = 0.25, 1.0  # and than this above the lowest of either foot: stairs and rough ground are no flight
FAR_UP_M = 1e6  # where a foot without a place is
SHORTEST_S = 0.1  # a contact, or a gap in one, that is shorter is none


def contact(clip: ExportClip) -> NDArray[np.float64]:
    """Detect foot contact (T, 2), left and right: 1 stands, 0 does not, NaN unknown, as without places in the room."""
    if not clip.absolute or len(clip) < 3:
        return np.full((len(clip), 2), np.nan)
    feet = np.stack([foot(clip, side) for side in SIDES], axis=1)
    known = np.isfinite(feet).all(-1)
    calm = local_parabola(clip.times_s, feet, np.full(known.shape, 0.05))
    speed = np.linalg.norm(np.gradient(calm, rising(clip.times_s), axis=0), axis=-1)
    heights = np.where(np.isfinite(calm[..., 1]), calm[..., 1], FAR_UP_M)
    own = lowest_within(clip.times_s, heights, OWN_S)
    ground = lowest_within(clip.times_s, heights, GROUND_S).min(1, keepdims=True)
    stands = (speed < SPEED_M_S) & (heights - own < HEIGHT_M) & (heights - ground < STEP_M)
    settled = np.stack([without_flicker(stands[:, i], clip.times_s) for i in range(2)], axis=1)
    return np.where(known & np.isfinite(speed), settled, np.nan)


def foot(clip: ExportClip, side: str) -> Real:
    """(T, 3) the middle of the sole as far as its points are known; below the ankle where that is all there is."""
    parts = [clip.joints.index(f"{side}_{part}") for part in FOOT_PARTS[:2] if f"{side}_{part}" in clip.joints]
    if len(parts) == 2:
        return np.asarray(clip.xyz[:, parts].mean(1))
    ankle = f"{side}_ankle"
    if ankle not in clip.joints:
        return np.full((len(clip), 3), np.nan)
    return np.asarray(clip.xyz[:, clip.joints.index(ankle)] - [0.0, ANKLE_HEIGHT_M, 0.0])


def rising(times_s: Real) -> Real:
    """Make times strictly increasing, by a microsecond at least."""
    return np.asarray(np.maximum.accumulate(times_s) + 1e-6 * np.arange(len(times_s)))


def lowest_within(times_s: Real, heights: Real, reach_s: float) -> Real:
    """Map (T,), (T, 2) -> (T, 2): lowest height of each foot so shortly before or after."""
    first = np.searchsorted(times_s, times_s - reach_s)
    last = np.searchsorted(times_s, times_s + reach_s, side="right")
    return np.array([heights[a:b].min(0) for a, b in zip(first, last)])


def without_flicker(stands: NDArray[np.bool_], times_s: Real) -> NDArray[np.bool_]:
    """Short gaps closed first, short contacts dropped then."""
    found = np.array(stands)
    for value in (False, True):
        for a, b in runs(found, value):
            inside = a > 0 and b < len(found)
            if times_s[b - 1] - times_s[a] < SHORTEST_S and (value or inside):
                found[a:b] = not value
    return found


def runs(flags: NDArray[np.bool_], value: bool) -> list[tuple[int, int]]:
    """(first, behind the last) of every run of this value."""
    edges = np.diff(np.concatenate([[False], flags == value, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist()))


def sliding(clip: ExportClip, stands: NDArray[np.float64]) -> float:
    """Return the mean horizontal speed of standing feet (foot skate), m/s; NaN where none stands."""
    steps = np.maximum(np.diff(clip.times_s), 1e-6)[:, None]
    feet = np.stack([foot(clip, side) for side in SIDES], axis=1)[..., [0, 2]]
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1) / steps
    both = (stands[1:] == 1) & (stands[:-1] == 1) & np.isfinite(speed)
    return float(speed[both].mean()) if both.any() else float("nan")
