"""Pair poses with pictures: by frame number for films, by time where there are no pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from realtime.recording.file_format import RecordingError
from realtime.render.style import Image
from realtime.wire.messages import Pose3D

Moment = tuple[Image | None, Pose3D | None, float]  # picture, pose, time in s
SHOWN_FOR_S = 0.25  # a pose older than that is not shown again
MOST_MOMENTS = 1_000_000


def on_film(images: Iterable[tuple[int, float, Image]], poses: list[Pose3D]) -> Iterator[Moment]:
    """Yield a film's pictures (number, seconds, picture) with the pose of the same number."""
    of_number = {pose.stamp.seq: pose for pose in poses}
    for number, time_s, image in images:
        yield image, of_number.get(number), time_s


def check_film(poses: list[Pose3D], size: tuple[int, int], name: str) -> None:
    """Refuse a film whose pictures are not those that were looked at."""
    looked_at = {(pose.width, pose.height) for pose in poses}
    if looked_at != {size}:
        seen = ", ".join(f"{w}x{h}" for w, h in sorted(looked_at))
        raise RecordingError(f"{name} has pictures of {size[0]}x{size[1]}, the recording is of {seen}: another film")


def in_order(poses: list[Pose3D]) -> list[Pose3D]:
    return sorted(poses, key=lambda pose: pose.stamp.t_capture_ns)


def without_film(poses: list[Pose3D], fps: float) -> Iterator[Moment]:
    """At a constant rate, the newest pose of each moment."""
    start_ns = poses[0].stamp.t_capture_ns
    times = np.array([(pose.stamp.t_capture_ns - start_ns) * 1e-9 for pose in poses])
    count = int(times[-1] * fps + 1e-6) + 1
    if count > MOST_MOMENTS:
        raise RecordingError(f"the recording spans {times[-1]:.0f} s; a time stamp may be damaged: realtime info FILE")
    for i in range(count):
        at = int(np.searchsorted(times, i / fps + 0.5 / fps, side="right")) - 1
        yield None, poses[at] if i / fps - times[at] <= SHOWN_FOR_S else None, i / fps


def rate_of(poses: list[Pose3D]) -> float:
    """Return frames a second, from the median distance of the poses."""
    steps = np.diff([pose.stamp.t_capture_ns for pose in poses]) * 1e-9
    steps = steps[steps > 0]
    return float(np.clip(1 / np.median(steps), 1.0, 240.0)) if len(steps) else 30.0
