"""From a recording's poses to one clip per person: one time axis, one upright, one floor for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realtime.export.clip import ANKLE_HEIGHT_M, Axis, ExportClip, Real
from realtime.export.names import plain
from realtime.recording.file_format import RecordingError
from realtime.rotations import y_up
from realtime.wire.messages import ABSENT, Hello, Person3D, Pose3D, Stamp

FEET = ("ankle", "heel", "foot_index")
THORAX_M = 1.43  # of the thorax above the floor, of somebody who stands
FLOOR_PERCENT = 2.0  # of the lowest heights lies below the floor
MOST_DROPPED = 1_000_000  # between two answers; more is a damaged stamp
Track = list[tuple[int, Person3D]]  # place on the axis, the person there


def clips(hello: Hello, poses: Iterable[Pose3D], align: str = "recording") -> list[ExportClip]:
    """Return one clip per person, in order of appearance; `align` "person": each on a time axis and floor of their
    own."""
    frames = sorted(poses, key=lambda pose: pose.stamp.t_capture_ns)
    check_skeleton(hello, frames)
    tracks: dict[int, Track] = {}
    for at, pose in enumerate(frames):
        for person in pose.people:
            tracks.setdefault(person.id, []).append((at, person))
    if not tracks:
        return []
    upright = y_up(np.mean([pose.up for pose in frames], axis=0))
    axis = axis_of(frames)
    found = [one_person(hello, frames[0].stamp, axis, track, upright) for track in tracks.values()]
    return [on_floor([own_axis(clip)])[0] for clip in found] if align == "person" else on_floor(found)


def check_skeleton(hello: Hello, frames: list[Pose3D]) -> None:
    """Refuse a Hello whose parents are no tree, and people with another number of joints than it names."""
    count = len(hello.joints)
    if len(hello.parents) != count or not is_tree(hello.parents):
        raise RecordingError(f"the recording's Hello has no skeleton: {count} joints with parents {hello.parents}")
    for pose in frames:
        for person in pose.people:
            if len(person.xyz) != count:
                raise RecordingError(
                    f"frame {pose.stamp.seq} has {len(person.xyz)} joints, the recording's Hello names {count}; "
                    "record anew"
                )


def is_tree(parents: tuple[int, ...]) -> bool:
    """Tell whether the joints form a tree: one root, and every joint leads up to it."""
    if sum(parent == -1 for parent in parents) != 1 or not all(-1 <= parent < len(parents) for parent in parents):
        return False
    up = np.array(parents)
    at = np.arange(len(parents))
    for _ in parents:
        at = np.where(at >= 0, up[at], -1)
    return bool((at < 0).all())


def axis_of(frames: list[Pose3D]) -> Axis:
    """Capture times from the first frame on, and the captured frames' numbers: gaps are frames without an answer."""
    stamps = [pose.stamp for pose in frames]
    times = [(stamp.t_capture_ns - stamps[0].t_capture_ns) * 1e-9 for stamp in stamps]
    steps = [captured_between(a, b) for a, b in pairwise(stamps)]
    return Axis(np.array(times), np.cumsum([0, *steps], dtype=np.int64))


def captured_between(a: Stamp, b: Stamp) -> int:
    """Return the number of frames from `a` to `b`; a new stream continues behind the last one."""
    return min(max(b.seq - a.seq, 1), MOST_DROPPED) if a.stream == b.stream else 1


def one_person(hello: Hello, start: Stamp, axis: Axis, track: Track, upright: Real) -> ExportClip:
    """From their first to their last frame, upright, not yet on the floor."""
    first, count, j = track[0][0], track[-1][0] - track[0][0] + 1, len(hello.joints)
    people: list[Person3D | None] = [None] * count
    for at, person in track:
        people[at - first] = person
    absolute = sum(person.root_cam is not None for _, person in track) * 2 > len(track)
    return ExportClip(
        tuple(plain(name) for name in hello.joints),
        hello.parents,
        plain(start.source),
        track[0][1].id,
        start.t_capture_unix_ns,
        axis,
        first,
        np.stack([position(person, j, absolute) for person in people]) @ upright.T,
        np.stack([field(person, "sigma", j, np.nan) for person in people]),
        np.stack([field(person, "state", j, ABSENT) for person in people]).astype(np.uint8),
        np.stack([field(person, "age_ms", j, np.nan) for person in people]),
        np.stack([field(person, "reliability", j, 0.0) for person in people]),
        absolute,
        any(person.metric for _, person in track),
    )


def position(person: Person3D | None, j: int, absolute: bool) -> Real:
    """Return the joint positions in camera axes (J, 3), m; NaN where there is none."""
    if person is None or (absolute and person.root_cam is None):
        return np.full((j, 3), np.nan)
    root = person.root_cam if absolute and person.root_cam is not None else np.zeros(3)
    there = np.where((person.state != ABSENT)[:, None], person.xyz, np.nan)
    return np.asarray(there + root, np.float64)


def field(person: Person3D | None, name: str, j: int, missing: float) -> Real:
    if person is None:
        return np.full(j, missing)
    return np.asarray(getattr(person, name), np.float64)


def own_axis(clip: ExportClip) -> ExportClip:
    """Shift the clip's time axis to begin with its own first frame."""
    axis = Axis(clip.times_s - clip.times_s[0], clip.frames - clip.frames[0])
    start_ns = clip.start_unix_ns + round(float(clip.times_s[0]) * 1e9)
    return replace(clip, axis=axis, first=0, start_unix_ns=start_ns)


def on_floor(everybody: list[ExportClip]) -> list[ExportClip]:
    """Return the clips with y = 0 at the floor that those with a place in the room share; the others stand on their
    own."""
    heights = [lowest(clip) for clip in everybody if clip.absolute]
    shared = floor_of(np.concatenate(heights)) if heights else 0.0
    return [lowered(clip, shared if clip.absolute else floor_of(lowest(clip))) for clip in everybody]


def lowest(clip: ExportClip) -> NDArray[np.float64]:
    """Return the height of the lowest point of each frame that has one: soles, or ankles where only they are known.

    Whose feet are never known, as at a desk, stands: the floor lies as far below the thorax as it would.
    """
    heights = np.array(clip.xyz[..., 1])
    feet = [name.endswith(FEET) for name in clip.joints]
    if "thorax" in clip.joints and any(feet) and np.isnan(heights[:, feet]).all():
        thorax = heights[:, clip.joints.index("thorax")]
        if np.isfinite(thorax).any():
            return np.asarray([np.nanmedian(thorax) - THORAX_M])
    if not any(name.endswith(("heel", "foot_index")) for name in clip.joints):
        heights[:, [name.endswith("ankle") for name in clip.joints]] -= ANKLE_HEIGHT_M
    return np.asarray(np.nanmin(heights[~np.isnan(heights).all(-1)], axis=-1))


def floor_of(heights: NDArray[np.float64]) -> float:
    return float(np.percentile(heights, FLOOR_PERCENT)) if len(heights) else 0.0


def lowered(clip: ExportClip, by_m: float) -> ExportClip:
    return replace(clip, xyz=clip.xyz - np.array([0.0, by_m, 0.0]))
