"""Compose rotation matrices of angles about named axes, for whole recordings at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


LARGEST = 1e7  # of any number in a file of motion, degrees and micrometres included


def about(axis: str, degrees: F64) -> F64:
    """Return (...) degrees about 'x', 'y' or 'z' -> (..., 3, 3)."""
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    out = np.zeros((*angle.shape, 3, 3))
    k = "xyz".index(axis)
    i, j = (k + 1) % 3, (k + 2) % 3
    out[..., k, k] = 1
    out[..., i, i] = out[..., j, j] = cos
    out[..., j, i], out[..., i, j] = sin, -sin
    return out


def numbers(words: list[str], count: int) -> F64:
    """Read exactly `count` finite numbers of a size that motion has; ValueError for anything else."""
    values = np.array([float(word) for word in words])
    if len(values) != count or not (np.abs(values) < LARGEST).all():
        raise ValueError(f"{' '.join(words)[:60]!r} are not {count} finite numbers")
    return values


def chain(axes: str, degrees: F64) -> F64:
    """Return (..., n) degrees about `axes` -> the product in the written order: the last one turns the point first."""
    out = np.broadcast_to(np.eye(3), (*degrees.shape[:-1], 3, 3))
    for k, axis in enumerate(axes):
        out = out @ about(axis, degrees[..., k])
    return out
