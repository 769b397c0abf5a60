"""Steadier poses for export, with what that costs and what it buys."""

from __future__ import annotations

import numpy as np

from realtime.client.one_euro import PoseSmoother, delay, jitter
from realtime.export.tracks import clips
from realtime.wire.messages import Hello, Pose3D


def one_euro(hello: Hello, poses: list[Pose3D]) -> tuple[list[Pose3D], str]:
    """The poses as a live client would smooth them, and the price."""
    smoother = PoseSmoother()
    smooth = [smoother.smooth(pose) for pose in poses]
    return smooth, cost_of_smoothing(hello, poses, smooth)


def cost_of_smoothing(hello: Hello, raw: list[Pose3D], smooth: list[Pose3D]) -> str:
    """What was paid and what it bought, on the person seen longest."""
    before, after = (max(clips(hello, poses), key=len) for poses in (raw, smooth))
    whole = np.isfinite(before.xyz).all((1, 2))
    dt_s = 1 / before.rate_hz
    trembling = [jitter(clip.xyz[whole], dt_s) for clip in (before, after)]
    if whole.sum() < 30:
        return "smoothing: too few whole frames to measure its delay"
    late_ms = 1e3 * delay(before.xyz[whole], after.xyz[whole], dt_s)
    return (
        f"smoothing: {late_ms:.0f} ms of delay; jitter {trembling[0]:.1f} -> {trembling[1]:.1f} m/s2 (RMS acceleration)"
    )
