"""Estimate where a person stands and which way is up: root from 3D and rays, stature, gravity.

Camera axes: x right, y down, z forward; metres.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import JointSet
from realtime.wire.arrays import F32
from realtime.wire.messages import OBSERVED, Person3D, UpSource

FLAT = 1e-12  # rays whose weighted variance is no more are one ray
NEAREST_M = 0.2  # nobody stands closer to the lens
GRAVITY_S = 4.0  # memory of the upright direction
ENOUGH_S = 1.0  # of upright people, before gravity counts as estimated
UPRIGHT_COS = math.cos(math.radians(20))  # legs and trunk in line: somebody stands
FOOT_AND_CROWN = 0.09  # m between ankles and floor

Up = tuple[float, float, float]


def fit_root(xyz: F32, rays: F32, weights: F32) -> F32:
    """(3,) translation t for which xyz + t lies on the rays best: weighted least squares, normal equations solved.

    Each joint says t_x - r_x t_z = r_x z - x, and the same of y: t_x and t_y are means, t_z is one division.
    """
    w, r, x = weights.astype(np.float64), rays.astype(np.float64), xyz.astype(np.float64)
    w /= max(float(w.sum()), 1e-12)
    ray, side = w @ r, r * x[:, 2:] - x[:, :2]  # (2,), (J, 2)
    target = w @ side
    spread = r - ray
    deviation = float(w @ (spread * spread).sum(1))
    depth = -float(w @ (spread * side).sum(1)) / deviation if deviation > FLAT else 0.0
    if depth < NEAREST_M:
        ray = np.average(rays, axis=0, weights=weights + 1e-9)
        depth = max(NEAREST_M, float(-xyz[:, 2].min()) + NEAREST_M)
        return np.asarray([*(ray * depth), depth], np.float32)
    return np.asarray([*(target + ray * depth), depth], np.float32)


def up_of_tilt(tilt_deg: float) -> Up:
    """Up, seen by a camera that looks down by `tilt_deg`."""
    angle = math.radians(tilt_deg)
    return 0.0, -math.cos(angle), -math.sin(angle)


@dataclass
class Stature:
    """How tall the network thinks somebody is, and the factor that makes it the height that was given."""

    height_m: float | None
    _measured: float = 0.0

    def update(self, xyz: F32, observed: NDArray[np.bool_], joints: JointSet) -> float:
        if self.height_m is None:
            return 1.0
        if self._measured == 0.0 or observed.all():
            now = stature(xyz, joints)
            self._measured += (now - self._measured) * (0.03 if self._measured else 1.0)
        return self.height_m / max(self._measured, 0.3)


def stature(xyz: F32, joints: JointSet) -> float:
    """Return the stretched body's height, m: mean leg, trunk, head, and the foot below the ankle."""
    length = np.linalg.norm(xyz - xyz[np.maximum(joints.parents, 0)], axis=-1)

    def of(*names: str) -> float:
        return float(sum(length[joints.index(n)] for n in names))

    legs = of("right_knee", "right_ankle", "left_knee", "left_ankle") / 2
    return legs + 0.95 * of("spine", "thorax", "nose", "head") + FOOT_AND_CROWN


@dataclass
class Gravity:
    """Up in camera axes: given by a tilt, else slowly learned from people who stand, else assumed."""

    tilt_deg: float | None
    _sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    _seen_s: float = 0.0
    _last_ns: int = -1

    def update(self, t_ns: int, people: Iterable[Person3D], joints: JointSet) -> tuple[Up, UpSource]:
        if self.tilt_deg is not None:
            return up_of_tilt(self.tilt_deg), "given"
        dt = min(max((t_ns - self._last_ns) * 1e-9, 0.0), 0.1) if self._last_ns >= 0 else 0.0
        self._last_ns = t_ns
        for person in people:
            axis = standing_axis(person, joints)
            if axis is not None and dt > 0:
                self._sum = self._sum * math.exp(-dt / GRAVITY_S) + axis * dt
                self._seen_s = min(self._seen_s + dt, GRAVITY_S)
        length = float(np.linalg.norm(self._sum))
        if self._seen_s < ENOUGH_S or length < 1e-6:
            return up_of_tilt(0.0), "assumed"
        x, y, z = (self._sum / length).tolist()
        return (x, y, z), "estimated"


def standing_axis(person: Person3D, joints: JointSet) -> NDArray[np.float64] | None:
    """Return the unit vector from ankles to thorax of an observed person who stands straight, else None."""
    at = upright(joints)
    if np.logical_or.reduce(person.state[at] != OBSERVED):
        return None
    ankle_r, ankle_l, knee_r, knee_l, pelvis, thorax = person.xyz[at].astype(np.float64)
    trunk = unit(thorax - pelvis)
    shins, thighs = unit((knee_r + knee_l - ankle_r - ankle_l) / 2), unit(pelvis - (knee_r + knee_l) / 2)
    if min(trunk @ thighs, trunk @ shins) < UPRIGHT_COS:
        return None
    return unit(thorax - (ankle_r + ankle_l) / 2)


@cache
def upright(joints: JointSet) -> NDArray[np.int64]:
    names = ("right_ankle", "left_ankle", "right_knee", "left_knee", "pelvis", "thorax")
    return np.array([joints.index(name) for name in names])


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / max(math.sqrt(vector @ vector), 1e-9))
