"""Distort and undistort image rays, radially and tangentially (Brown-Conrady, OpenCV's order of coefficients)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Coefficients = tuple[float, float, float, float, float]  # k1, k2, p1, p2, k3
NONE: Coefficients = (0.0, 0.0, 0.0, 0.0, 0.0)
ITERATIONS = 20  # of the fixed point; real lenses converge to 1e-9 in about ten
WIDEST = 2.0  # squared tangent; further out the polynomial keeps its last value

Rays = NDArray[np.float64]


def bending(rays: Rays, coefficients: ArrayLike) -> tuple[Rays, Rays]:
    """Radial factor (..., 1) and tangential offset (..., 2) at undistorted rays (..., 2)."""
    k1, k2, p1, p2, k3 = np.asarray(coefficients, np.float64)
    x, y = rays[..., :1], rays[..., 1:]
    square = np.minimum(x * x + y * y, WIDEST)
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    aside = np.concatenate([2 * p1 * x * y + p2 * (square + 2 * x * x), p1 * (square + 2 * y * y) + 2 * p2 * x * y], -1)
    return radial, aside


def distort(rays: ArrayLike, coefficients: ArrayLike) -> Rays:
    """Undistorted rays (..., 2) -> where the lens puts them."""
    flat = np.asarray(rays, np.float64)
    radial, aside = bending(flat, coefficients)
    return np.asarray(flat * radial + aside)


def undistort(rays: ArrayLike, coefficients: ArrayLike) -> Rays:
    """Distorted rays (..., 2) -> undistorted ones, by fixed-point iteration."""
    bent = np.asarray(rays, np.float64)
    flat = bent
    for _ in range(ITERATIONS if np.any(coefficients) else 0):
        radial, aside = bending(flat, coefficients)
        flat = (bent - aside) / np.maximum(radial, 0.1)
    return np.asarray(flat)
