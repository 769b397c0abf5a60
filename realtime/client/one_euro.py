"""Smooth poses for display, export and bridges with the One-Euro filter (Casiez, Roussel, Vogel 2012).

Filter: Casiez, Roussel and Vogel, CHI 2012, one speed per point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realtime.wire.arrays import F32
from realtime.wire.messages import ABSENT, Person3D, Pose3D

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

MAX_GAP_S = 0.5  # after a longer pause the past says nothing about now
FORGET_AFTER_S = 5.0


@dataclass(frozen=True)
class OneEuroOptions:
    min_cutoff_hz: float = 1.2  # lower: calmer when still
    beta: float = 2.5  # Hz per m/s; higher: less delay when moving
    speed_cutoff_hz: float = 1.5

    def __post_init__(self) -> None:
        if self.min_cutoff_hz <= 0 or self.speed_cutoff_hz <= 0 or self.beta < 0:
            raise ValueError(f"cut-offs must be above 0 Hz and beta at least 0, found {self}")


def time_constant_s(cutoff_hz: Points) -> Points:
    return 1.0 / (2.0 * np.pi * cutoff_hz)


def blend(cutoff_hz: Points, dt_s: float) -> Points:
    """Return the weight of the new value in a first-order low-pass filter (alpha)."""
    return dt_s / (dt_s + time_constant_s(cutoff_hz))


class OneEuro:
    """Smooths points (N, 3) given at irregular times; points that are not valid are forgotten and start anew."""

    def __init__(self, options: OneEuroOptions | None = None) -> None:
        self.options = options or OneEuroOptions()
        self.delay_s = 0.0  # mean delay of the last answer, for slow motion
        self._t_s = -np.inf
        self._value: Points | None = None
        self._speed: Points | None = None  # (N, 3) low-passed velocity
        self._known: Mask | None = None

    def update(self, points: F32, t_s: float, valid: Mask | None = None) -> F32:
        """Filter points (N, 3) at a time, s; where `valid` is false they come back unchanged."""
        raw = np.asarray(points, np.float64)
        usable = np.asarray(np.isfinite(raw).all(-1), np.bool_)
        if valid is not None:
            usable &= valid
        dt_s = t_s - self._t_s
        if self._value is None or self._value.shape != raw.shape or not 0.0 < dt_s <= MAX_GAP_S:
            self._restart(raw, usable)
        else:
            self._advance(raw, usable, dt_s)
        self._t_s = t_s
        assert self._value is not None
        return np.asarray(np.where(usable[:, None], self._value, raw), np.float32)

    def _restart(self, raw: Points, valid: Mask) -> None:
        self._value, self._speed, self._known = np.where(valid[:, None], raw, 0.0), np.zeros_like(raw), valid.copy()
        self.delay_s = 0.0

    def _advance(self, raw: Points, valid: Mask, dt_s: float) -> None:
        assert self._value is not None and self._speed is not None and self._known is not None
        going_on = (valid & self._known)[:, None]
        now = np.where(valid[:, None], raw, 0.0)
        velocity = np.where(going_on, (now - self._value) / dt_s, 0.0)
        weight = blend(np.asarray(self.options.speed_cutoff_hz), dt_s)
        self._speed = np.where(going_on, self._speed + weight * (velocity - self._speed), 0.0)
        cutoff = self.options.min_cutoff_hz + self.options.beta * np.linalg.norm(self._speed, axis=-1)
        step = blend(cutoff, dt_s)[:, None] * (now - self._value)
        self._value = np.where(going_on, self._value + step, now)
        self._known = valid.copy()
        self.delay_s = float(time_constant_s(cutoff)[going_on[:, 0]].mean()) if going_on.any() else 0.0


class PoseSmoother:
    """Smooths every person of a stream; forgets all when the stream changes."""

    def __init__(self, options: OneEuroOptions | None = None) -> None:
        self.options = options or OneEuroOptions()
        self._stream: int | None = None
        self._bodies: dict[int, OneEuro] = {}
        self._roots: dict[int, OneEuro] = {}
        self._seen_s: dict[int, float] = {}

    @property
    def delay_ms(self) -> float:
        """Mean delay that the last pose's joints were given."""
        delays = [body.delay_s for body in self._bodies.values()]
        return 1e3 * sum(delays) / len(delays) if delays else 0.0

    def smooth(self, pose: Pose3D) -> Pose3D:
        t_s = pose.stamp.t_capture_ns * 1e-9
        if pose.stamp.stream != self._stream:
            self._bodies, self._roots, self._seen_s, self._stream = {}, {}, {}, pose.stamp.stream
        people = tuple(self._person(person, t_s) for person in pose.people)
        self._forget(t_s)
        return replace(pose, people=people)

    def _person(self, person: Person3D, t_s: float) -> Person3D:
        self._seen_s[person.id] = t_s
        body = self._bodies.setdefault(person.id, OneEuro(self.options))
        xyz = body.update(person.xyz, t_s, person.state != ABSENT)
        if person.root_cam is None:
            self._roots.pop(person.id, None)
            return replace(person, xyz=xyz)
        root = self._roots.setdefault(person.id, OneEuro(self.options)).update(person.root_cam[None], t_s)
        return replace(person, xyz=xyz, root_cam=root[0])

    def _forget(self, t_s: float) -> None:
        for gone in [i for i, seen in self._seen_s.items() if t_s - seen > FORGET_AFTER_S]:
            for table in (self._bodies, self._roots, self._seen_s):
                table.pop(gone, None)


def jitter(track: NDArray[np.floating], dt_s: float = 1 / 30) -> float:
    """Return the RMS acceleration (jitter) of (T, ..., 3) m, m/s2."""
    if len(track) < 3:
        return 0.0
    acceleration = np.diff(np.asarray(track, np.float64), 2, axis=0) / dt_s**2
    return float(np.sqrt(np.nanmean((acceleration**2).sum(-1))))


def delay(raw: NDArray[np.floating], smooth: NDArray[np.floating], dt_s: float, longest_s: float = 0.3) -> float:
    """Estimate the delay of `smooth` (T, ..., 3) behind `raw`, s: the shift at which they differ least."""
    flat_raw = np.asarray(raw, np.float64).reshape(len(raw), -1)
    flat_smooth = np.asarray(smooth, np.float64).reshape(len(smooth), -1)
    first = int(np.ceil(longest_s / dt_s))
    rows = np.arange(first, len(raw), dtype=np.float64)
    shifts = np.arange(0.0, longest_s, dt_s / 10)
    costs = [np.abs(_at(flat_raw, rows - shift / dt_s) - flat_smooth[first:]).mean() for shift in shifts]
    return float(shifts[int(np.argmin(costs))])


def _at(track: Points, rows: Points) -> Points:
    low = np.clip(np.floor(rows).astype(int), 0, len(track) - 2)
    part = (rows - low)[:, None]
    return np.asarray(track[low] * (1 - part) + track[low + 1] * part)
