"""From a stream of poses to one upright track per person: what every export format starts from.

Knows: poses, gravity, the floor, states of joints, resampling.  Does not know: file formats.
Axes of a clip: metres, y up by gravity, x to the camera's right, z towards the camera, right-handed; y = 0 is the
lowest height the person reached (2nd percentile).  What was ABSENT, or has no position, is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realtime.messages import ABSENT, HELD, INFERRED, OBSERVED, Hello, Person3D, Pose3D
from realtime.rotations import y_up

Real = NDArray[np.float64]
STATE_BY_NAME = {"observed": OBSERVED, "inferred": INFERRED, "held": HELD}
LONGEST_BRIDGED_S = 0.25  # resampling never invents across a longer gap


@dataclass(frozen=True)
class Clip:
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    source: str
    person: int
    start_unix_ns: int  # wall clock of the first frame
    times_s: Real  # (T,) capture times from the first frame on
    xyz: Real  # (T, J, 3)
    sigma: Real  # (T, J)
    state: NDArray[np.uint8]  # (T, J)
    age_ms: Real  # (T, J)
    reliability: Real  # (T, J)
    absolute: bool  # positions in the room; else relative to the first joint
    metric: bool  # intrinsics and height were given

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def rate_hz(self) -> float:
        return float(1 / np.median(np.diff(self.times_s))) if len(self) > 1 else 30.0

    def kept(self, least: str) -> Real:
        """(T, J, 3) with NaN for every joint whose state is worse than `least`: observed, inferred or held."""
        return np.where((self.state <= STATE_BY_NAME[least])[..., None], self.xyz, np.nan)


def clips(hello: Hello, poses: Iterable[Pose3D]) -> list[Clip]:
    """One clip per person, in order of appearance; frames in which the person is missing are NaN."""
    frames = sorted(poses, key=lambda pose: pose.stamp.t_capture_ns)
    upright = y_up(np.mean([pose.up for pose in frames], axis=0)) if frames else np.eye(3)
    ids = dict.fromkeys(person.id for pose in frames for person in pose.people)
    return [one_person(hello, frames, i, upright) for i in ids]


def one_person(hello: Hello, frames: list[Pose3D], person_id: int, upright: Real) -> Clip:
    rows = [(pose, next((p for p in pose.people if p.id == person_id), None)) for pose in frames]
    seen = [i for i, (_, person) in enumerate(rows) if person is not None]
    rows = rows[seen[0] : seen[-1] + 1]
    people = [person for _, person in rows]
    absolute = sum(p is not None and p.root_cam is not None for p in people) * 2 > len(seen)
    j = len(hello.joints)
    xyz = np.stack([position(person, j, absolute) for person in people]) @ upright.T
    t_ns = np.array([pose.stamp.t_capture_ns for pose, _ in rows], np.int64)
    return Clip(
        hello.joints,
        hello.parents,
        frames[0].stamp.source,
        person_id,
        rows[0][0].stamp.t_capture_unix_ns,
        (t_ns - t_ns[0]) * 1e-9,
        on_floor(xyz),
        np.stack([field(person, "sigma", j, np.nan) for person in people]),
        np.stack([field(person, "state", j, ABSENT) for person in people]).astype(np.uint8),
        np.stack([field(person, "age_ms", j, np.nan) for person in people]),
        np.stack([field(person, "reliability", j, 0.0) for person in people]),
        absolute,
        any(person is not None and person.metric for person in people),
    )


def position(person: Person3D | None, j: int, absolute: bool) -> Real:
    """(J, 3) in camera axes; NaN where there is none."""
    if person is None or (absolute and person.root_cam is None):
        return np.full((j, 3), np.nan)
    root = person.root_cam if absolute and person.root_cam is not None else np.zeros(3)
    there = np.where((person.state != ABSENT)[:, None], person.xyz, np.nan)
    return np.asarray(there + root, np.float64)


def field(person: Person3D | None, name: str, j: int, missing: float) -> Real:
    if person is None:
        return np.full(j, missing)
    return np.asarray(getattr(person, name), np.float64)


def on_floor(xyz: Real) -> Real:
    heights = xyz[..., 1]
    some = ~np.isnan(heights).all(-1)
    if not some.any():
        return xyz
    floor = np.percentile(np.nanmin(heights[some], axis=-1), 2)
    return np.asarray(xyz - np.array([0.0, floor, 0.0]))


def resampled(clip: Clip, rate_hz: float) -> Clip:
    """The clip at a constant rate: linear between neighbouring frames, NaN across gaps; marks from the nearer one."""
    if len(clip) < 2:
        return clip
    times = np.arange(0.0, clip.times_s[-1] + 1e-9, 1 / rate_hz)
    after = np.clip(np.searchsorted(clip.times_s, times, side="right"), 1, len(clip) - 1)
    before = after - 1
    gap = clip.times_s[after] - clip.times_s[before]
    part = np.round((times - clip.times_s[before]) / gap, 3)[:, None]  # a frame met within 0.1 % is that frame
    nearer = np.where(part[:, 0] < 0.5, before, after)

    def mixed(track: Real) -> Real:
        weight = part.reshape(-1, *[1] * (track.ndim - 1))
        low, high = np.where(weight >= 1, 0.0, track[before]), np.where(weight <= 0, 0.0, track[after])
        value = low * (1 - weight) + high * weight
        value[gap > LONGEST_BRIDGED_S] = np.nan
        return np.asarray(value)

    state = np.maximum(clip.state[before], clip.state[after])
    state = np.where(np.isnan(mixed(clip.xyz)).any(-1), ABSENT, state).astype(np.uint8)
    return replace(
        clip,
        times_s=times,
        xyz=mixed(clip.xyz),
        sigma=mixed(clip.sigma),
        state=state,
        age_ms=clip.age_ms[nearer],
        reliability=clip.reliability[nearer],
    )
