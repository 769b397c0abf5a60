"""Hold one person's upright track on the recording's time axis: what every export format starts from.

Axes of a clip: metres, y up by gravity, x to the camera's right, z towards the camera, right-handed; y = 0 is the
floor (2nd percentile of the lowest heights).  What was ABSENT, or has no position, is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.recording.file_format import RecordingError
from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED

Real = NDArray[np.float64]
STATE_BY_NAME = {"observed": OBSERVED, "inferred": INFERRED, "held": HELD}
LONGEST_BRIDGED_S = 0.25  # resampling never invents across a longer gap
USUAL = 0.25  # of a step between two frames: as far as it may be off the median
ANKLE_HEIGHT_M = 0.08  # of the ankle joint above the sole
MOST_FRAMES = 2_000_000  # 18 hours at 30 Hz; more is a damaged time stamp


@dataclass(frozen=True)
class Axis:
    """Time axis that everybody of a recording shares."""

    times_s: Real  # (N,) capture times since the first frame
    frames: NDArray[np.int64]  # (N,) number of the captured frame; what is left out was never answered

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def rate_hz(self) -> float:
        """Return the mean rate over all but gaps and stutters: a container that counts milliseconds knows 33 and 34."""
        if len(self) < 2:
            return 30.0
        steps = np.diff(self.times_s)
        median = float(np.median(steps))
        usual = steps[np.abs(steps - median) <= USUAL * median]
        return 1 / float(usual.mean() if len(usual) else median)


@dataclass(frozen=True)
class ExportClip:
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    source: str
    person: int
    start_unix_ns: int  # wall clock of time 0
    axis: Axis
    first: int  # where on the axis this person's frames begin
    xyz: Real  # (T, J, 3)
    sigma: Real  # (T, J)
    state: NDArray[np.uint8]  # (T, J)
    age_ms: Real  # (T, J)
    reliability: Real  # (T, J)
    absolute: bool  # positions in the room; else relative to the first joint
    metric: bool  # intrinsics and height were given

    def __len__(self) -> int:
        return len(self.xyz)

    @property
    def times_s(self) -> Real:
        """(T,) capture times since time 0 of the axis."""
        return self.axis.times_s[self.first : self.first + len(self)]

    @property
    def frames(self) -> NDArray[np.int64]:
        """(T,) numbers of the captured frames."""
        return self.axis.frames[self.first : self.first + len(self)]

    @property
    def rate_hz(self) -> float:
        return self.axis.rate_hz

    def known_xyz(self, least: str) -> Real:
        """Return the positions (T, J, 3), NaN where a joint's state is below `least`: observed, inferred or held."""
        return np.where((self.state <= STATE_BY_NAME[least])[..., None], self.xyz, np.nan)


def padded(clip: ExportClip) -> ExportClip:
    """Return the clip over the whole axis, ABSENT before and after: for formats that cannot say when somebody
    begins."""
    after = len(clip.axis) - clip.first - len(clip)

    def pad(track: NDArray[Any], value: float) -> NDArray[Any]:
        widths = [(clip.first, after), *[(0, 0)] * (track.ndim - 1)]
        return np.pad(track, widths, constant_values=value)

    return replace(
        clip,
        first=0,
        xyz=pad(clip.xyz, np.nan),
        sigma=pad(clip.sigma, np.nan),
        state=pad(clip.state, ABSENT),
        age_ms=pad(clip.age_ms, np.nan),
        reliability=pad(clip.reliability, 0.0),
    )


def resampled(clip: ExportClip, rate_hz: float) -> ExportClip:
    """Resample the clip to a constant rate: linear between frames, NaN across gaps, states of the nearer frame."""
    if len(clip) < 2:
        return clip
    axis = even_axis(clip.axis, rate_hz)
    own, end_s = clip.times_s, clip.times_s[-1] + 1e-9
    first, end = np.searchsorted(axis.times_s, [own[0] - 1e-9, end_s])
    times = axis.times_s[first:end]
    after = np.clip(np.searchsorted(own, times, side="right"), 1, len(clip) - 1)
    before = after - 1
    gap = own[after] - own[before]
    part = np.round((times - own[before]) / gap, 3)[:, None]  # a frame met within 0.1 % is that frame
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
        axis=axis,
        first=int(first),
        xyz=mixed(clip.xyz),
        sigma=mixed(clip.sigma),
        state=state,
        age_ms=clip.age_ms[nearer],
        reliability=clip.reliability[nearer],
    )


def even_axis(axis: Axis, rate_hz: float) -> Axis:
    """Sample the axis's span of time at a constant rate."""
    count = math.floor((axis.times_s[-1] + 1e-9) * rate_hz) + 1
    if count > MOST_FRAMES:
        raise RecordingError(
            f"the recording spans {axis.times_s[-1]:.0f} s, which is {count} frames at {rate_hz:g} Hz, at most "
            f"{MOST_FRAMES}; a time stamp may be damaged: realtime info FILE"
        )
    return Axis(np.arange(count) / rate_hz, np.arange(count, dtype=np.int64))
