"""Convert to Unity's axes: left-handed, y up, z forward, metres, quaternions x y z w, Euler order z, x, y.

Mirroring x turns one into the other: somebody who faces +z has the left hand at -x there, at +x here.
"""

from __future__ import annotations

import numpy as np

from realtime.rotations import Real, to_quaternion

MIRROR = np.diag([-1.0, 1.0, 1.0])


def position(xyz: Real) -> tuple[float, ...]:
    return tuple(float(v) for v in MIRROR @ xyz)


def rotation(r: Real) -> tuple[float, ...]:
    """Return x, y, z, w"""
    return tuple(float(v) for v in to_quaternion(MIRROR @ r @ MIRROR))


def euler(r: Real) -> tuple[float, ...]:
    """Return degrees about x, y, z as Unity's inspector shows them: R = Ry Rx Rz."""
    m = MIRROR @ r @ MIRROR
    x = np.arcsin(np.clip(-m[1, 2], -1, 1))
    y = np.arctan2(m[0, 2], m[2, 2])
    z = np.arctan2(m[1, 0], m[1, 1])
    return tuple(float(v) for v in np.degrees([x, y, z]))
