"""Convert rotations between matrices, quaternions and Euler angles, over any leading dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
TINY = 1e-9


def unit(v: Real) -> Real:
    """(..., 3) -> the same direction with length 1; a zero vector stays zero."""
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), TINY))


def cross_matrix(v: Real) -> Real:
    """Return (..., 3) -> (..., 3, 3) with cross_matrix(v) @ u = v x u."""
    x, y, z = np.moveaxis(v, -1, 0)
    o = np.zeros_like(x)
    return np.stack([np.stack([o, -z, y], -1), np.stack([z, o, -x], -1), np.stack([-y, x, o], -1)], -2)


def swing(start: Real, end: Real) -> Real:
    """Return the smallest rotation that carries direction `start` (..., 3) to `end`; a half turn where they are
    opposed."""
    a, b = np.broadcast_arrays(unit(np.asarray(start, np.float64)), unit(np.asarray(end, np.float64)))
    cosine = (a * b).sum(-1)[..., None, None]
    k = cross_matrix(np.cross(a, b))
    ordinary = np.eye(3) + k + k @ k / np.maximum(1 + cosine, TINY)
    axis = unit(np.cross(a, np.eye(3)[np.argmin(np.abs(a), -1)]))
    half_turn = 2 * axis[..., :, None] * axis[..., None, :] - np.eye(3)
    return np.where(cosine < -1 + 1e-7, half_turn, ordinary)


def best_rotation(start: Real, end: Real, weight: Real | None = None) -> Real:
    """R (..., 3, 3) that minimises |R start - end| over vectors (..., N, 3): Kabsch, never a reflection."""
    w = np.ones(np.broadcast_shapes(start.shape, end.shape)[:-1]) if weight is None else weight
    covariance = np.einsum("...n,...ni,...nj->...ij", w, end, start)
    u, _, vt = np.linalg.svd(covariance)
    sign = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    u = u * np.stack([np.ones_like(sign), np.ones_like(sign), sign], -1)[..., None, :]
    return np.asarray(u @ vt)


def frame(x: Real, y: Real) -> Real:
    """Matrix whose columns are x, y (made square to x) and their cross product."""
    first = unit(x)
    second = unit(y - (y * first).sum(-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], -1)


def euler_zxy(r: Real) -> Real:
    """Return (..., 3, 3) = Rz Rx Ry -> angles z, x, y in radians (..., 3)."""
    x = np.arcsin(np.clip(r[..., 2, 1], -1, 1))
    z = np.arctan2(-r[..., 0, 1], r[..., 1, 1])
    y = np.arctan2(-r[..., 2, 0], r[..., 2, 2])
    return np.stack([z, x, y], -1)


def from_euler_zxy(angles: Real) -> Real:
    z, x, y = np.moveaxis(angles, -1, 0)
    return about(z, 2) @ about(x, 0) @ about(y, 1)


def about(angle: Real, axis: int) -> Real:
    """Return rotation by `angle` (...) about coordinate axis 0, 1 or 2."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    r = np.zeros((*np.shape(angle), 3, 3))
    r[..., axis, axis] = 1.0
    r[..., i, i] = r[..., j, j] = np.cos(angle)
    r[..., j, i], r[..., i, j] = np.sin(angle), -np.sin(angle)
    return r


def to_quaternion(r: Real) -> Real:
    """Return (..., 3, 3) -> (..., 4) x, y, z, w with w >= 0: the eigenvector that fits all nine numbers best."""
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    k = np.zeros((*r.shape[:-2], 4, 4))
    k[..., 0, 0], k[..., 1, 1], k[..., 2, 2], k[..., 3, 3] = xx - yy - zz, yy - xx - zz, zz - xx - yy, xx + yy + zz
    for i, j, value in (
        (0, 1, r[..., 0, 1] + r[..., 1, 0]), (0, 2, r[..., 0, 2] + r[..., 2, 0]), (1, 2, r[..., 1, 2] + r[..., 2, 1]),
        (0, 3, r[..., 2, 1] - r[..., 1, 2]), (1, 3, r[..., 0, 2] - r[..., 2, 0]), (2, 3, r[..., 1, 0] - r[..., 0, 1]),
    ):  # fmt: skip
        k[..., i, j] = k[..., j, i] = value
    q = np.linalg.eigh(k)[1][..., :, -1]
    return np.asarray(q * np.where(q[..., 3:] < 0, -1.0, 1.0))


def from_quaternion(q: Real) -> Real:
    v, w = q[..., :3], q[..., 3, None, None]
    k = cross_matrix(v)
    return np.asarray(np.eye(3) + 2 * w * k + 2 * k @ k)


def y_up(up: Real) -> Real:
    """Return rotation from camera axes (x right, y down, z forward) to: y along `up`, x to the right, z towards the
    camera."""
    y = unit(np.asarray(up, np.float64))
    right = np.array([1.0, 0.0, 0.0]) if abs(y[0]) < 0.9 else np.array([0.0, 0.0, -1.0])
    x = unit(right - (right @ y) * y)
    return np.stack([x, y, np.cross(x, y)])
