"""Decode bursts as clips: the kept frames of one moment, one after the other, and how their camera stands."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engines.skeleton import Array
from realtime.lift.camera_model import CameraModel
from trainers.data.shards.burst_shards import HZ, PLACES, BurstFrames
from trainers.data.shards.clip_shards import DetectorClip, chance


def clips_of(frames: BurstFrames) -> Iterator[tuple[DetectorClip, Array]]:
    """Yield each burst and the world's up (3,) in the axes of its camera."""
    border = np.diff(frames.scene, append=-1).astype(bool) | np.diff(frames.burst, append=-1).astype(bool)
    first = 0
    for last in np.flatnonzero(border) + 1:
        yield clip_of(frames, slice(first, int(last))), frames.up[first]
        first = int(last)


def clip_of(frames: BurstFrames, part: slice) -> DetectorClip:
    width, height, focal, cx, cy = (float(v) for v in frames.camera[part.start])
    count = part.stop - part.start
    points = frames.xyz[part][:, PLACES] + frames.root[part][:, None]
    hidden = frames.hidden[part]
    return DetectorClip(
        name=f"scene {frames.scene[part.start]} burst {frames.burst[part.start]}", subject="", kind="rendered",
        pool="bursts", fps=HZ, width=int(width), height=int(height), focal=focal, cx=cx, cy=cy,
        t=np.arange(count) / HZ, detected=np.ones(count, bool), xy=frames.xy[part], score=chance(frames.score[part]),
        presence=chance(frames.presence[part]), world=frames.world[part], look=frames.look[part],
        moved=frames.moved[part], back_error=frames.back_error[part], patch_error=frames.patch_error[part],
        flow_known=frames.flow_known[part], truth_xy=CameraModel(focal, focal, cx, cy).pixels(points),
        root=frames.root[part], xyz=frames.xyz[part][:, :17], xyz33=frames.xyz[part][:, PLACES],
        hidden=np.concatenate([hidden[:, :17], hidden[:, PLACES]], 1), trusted=np.ones((count, 33), bool),
    )  # fmt: skip
