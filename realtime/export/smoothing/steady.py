"""Steady poses for export, and say what that costs and what it buys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.client.one_euro import PoseSmoother, delay, jitter
from realtime.export.clip import ExportClip
from realtime.export.smoothing.contact import sliding
from realtime.export.smoothing.foot_lock import locked
from realtime.export.smoothing.local_fit import FUTURE_S, OFTEN, smoothed_offline
from realtime.export.tracks import clips
from realtime.wire.messages import Hello, Pose3D

SMOOTHERS = ("one-euro", "offline")
ENOUGH_FRAMES = 30  # to measure a delay


def one_euro(hello: Hello, poses: list[Pose3D]) -> tuple[list[Pose3D], str]:
    """Smooth the poses as a live client would (1 euro); return them and the delay they cost."""
    smoother = PoseSmoother()
    smooth = [smoother.smooth(pose) for pose in poses]
    before, after = (max(clips(hello, some), key=len) for some in (poses, smooth))
    return smooth, f"smoothing one-euro: {price(before, after)}"


def smoothed_clips(everybody: list[ExportClip]) -> tuple[list[ExportClip], str]:
    """Smooth the clips with past and future frames; return them and a sentence about it."""
    smooth = [smoothed_offline(clip) for clip in everybody]
    longest = int(np.argmax([len(clip) for clip in everybody]))
    return smooth, (
        f"smoothing offline: no delay, as it used up to {FUTURE_S:.2f} s of the future, which no live stream has; "
        f"{calmer(everybody[longest], smooth[longest])}"
    )


def price(before: ExportClip, after: ExportClip) -> str:
    """Describe the smoothing's cost and gain on one person, by the joints that are known most of the time."""
    known = np.asarray(np.isfinite(before.xyz).all(-1) & np.isfinite(after.xyz).all(-1))  # (T, J)
    often = known.mean(0) >= OFTEN * known.mean(0).max()
    whole = known[:, often].all(1)
    if whole.sum() < ENOUGH_FRAMES:
        return "too few whole frames to measure its delay"
    dt_s = 1 / before.rate_hz
    late_ms = 1e3 * delay(before.xyz[whole][:, often], after.xyz[whole][:, often], dt_s)
    return f"{late_ms:.0f} ms of delay; {calmer(before, after)}"


def calmer(before: ExportClip, after: ExportClip) -> str:
    """Jitter of all joints before and after."""
    trembling = [jitter(clip.xyz, 1 / before.rate_hz) for clip in (before, after)]
    return f"jitter {trembling[0]:.1f} -> {trembling[1]:.1f} m/s2 (RMS acceleration)"


def foot_locked(everybody: list[ExportClip]) -> tuple[list[ExportClip], list[str]]:
    """Lock standing feet of the clips; return them and how much they slid before and after."""
    held, notes = [], []
    for clip in everybody:
        after, stands = locked(clip)
        held.append(after)
        notes.append(f"person {clip.person}: {sliding_told(clip, after, stands)}")
    return held, notes


def sliding_told(before: ExportClip, after: ExportClip, stands: NDArray[np.float64]) -> str:
    if not (stands == 1).any():
        return "no foot was found standing, so none was locked"
    share = 100 * float((stands == 1).any(1).mean())
    moved = float(np.nanmax(np.linalg.norm(after.xyz - before.xyz, axis=-1)))
    return (
        f"a foot stands in {share:.0f} % of the frames; sliding {sliding(before, stands):.2f} -> "
        f"{sliding(after, stands):.2f} m/s, feet moved by at most {100 * moved:.0f} cm"
    )
