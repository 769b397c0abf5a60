"""Hold standing feet where they stand: move the ankle there, let the knee follow by two-bone inverse kinematics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from realtime.export.clip import ExportClip, Real
from realtime.export.smoothing.contact import FOOT_PARTS, SIDES, contact, foot, runs
from realtime.rotations import unit

RAMP_S = 0.1  # into and out of a lock
STRETCHED = 0.999  # of thigh plus shin: a leg never is longer


def locked(clip: ExportClip) -> tuple[ExportClip, NDArray[np.float64]]:
    """Lock standing feet in place; return the clip and the contacts (T, 2) used."""
    stands, xyz = contact(clip), np.array(clip.xyz)
    for i, side in enumerate(SIDES):
        if all(f"{side}_{part}" in clip.joints for part in ("hip", "knee", "ankle")):
            move_leg(clip, xyz, side, correction(clip, side, stands[:, i]))
    return replace(clip, xyz=xyz), stands


def correction(clip: ExportClip, side: str, stands: NDArray[np.float64]) -> Real:
    """Return the foot's offset from its locked place (T, 3), faded in and out around each contact."""
    at, found = foot(clip, side), np.zeros((len(clip), 3))
    weight = np.zeros(len(clip))
    for a, b in runs(np.asarray(stands == 1), True):
        place = np.nanmedian(at[a:b], axis=0)
        outside = np.maximum(clip.times_s[a] - clip.times_s, clip.times_s - clip.times_s[b - 1])
        fade = np.clip(1 - np.maximum(outside, 0) / RAMP_S, 0, 1)
        here = fade > weight
        inside = np.clip(np.arange(len(clip)), a, b - 1)
        found[here] = (fade[:, None] * (place - at[inside]))[here]
        weight = np.maximum(weight, fade)
    return np.asarray(np.where(np.isfinite(found), found, 0.0))


def move_leg(clip: ExportClip, xyz: Real, side: str, by: Real) -> None:
    """Move foot and knee in place; hip, lengths and the plane of the knee stay."""
    hip, knee, ankle = (clip.joints.index(f"{side}_{part}") for part in ("hip", "knee", "ankle"))
    start, bend, end = xyz[:, hip], xyz[:, knee], xyz[:, ankle]
    thigh, shin = (np.linalg.norm(v, axis=-1, keepdims=True) for v in (bend - start, end - bend))
    target = end + by
    reach = np.linalg.norm(target - start, axis=-1, keepdims=True)
    allowed = np.clip(reach, np.abs(thigh - shin) + 1e-6, STRETCHED * (thigh + shin))
    target = start + unit(target - start) * allowed
    along = unit(target - start)
    part = (allowed**2 + thigh**2 - shin**2) / (2 * allowed)
    aside = (bend - start) - ((bend - start) * along).sum(-1, keepdims=True) * along
    lift = np.sqrt(np.maximum(thigh**2 - part**2, 0.0))
    moved = start + part * along + lift * unit(aside)
    whole = np.isfinite(moved).all(-1) & (np.abs(by) > 0).any(-1)
    shift = np.where(whole[:, None], target - end, 0.0)
    xyz[:, knee] = np.where(whole[:, None], moved, bend)
    for part_name in FOOT_PARTS:
        if f"{side}_{part_name}" in clip.joints:
            xyz[:, clip.joints.index(f"{side}_{part_name}")] += shift
