"""Triangulate joints from calibrated views: weighted, a view that disagrees is rejected, NaN where too few agree."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from realtime.calibration.calibrated_camera import CalibratedCamera
from trainers.geometry.triangulation import crossing, lines, triangulate

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
TOLERANCE = 0.015  # reprojection error of a view that agrees, of its picture's longer side: 29 px of 1920
FEWEST_VIEWS = 2
SMALLEST_ANGLE_DEG = 5.0  # between two agreeing lines of sight; below, depth is a guess


@dataclass(frozen=True)
class Triangulated:
    xyz: F64  # (T, J, 3) m in the world, NaN where unknown
    error_px: F64  # (V, T, J) reprojection error, NaN where the joint is unknown
    agrees: Mask  # (V, T, J) views that the point was made from


def triangulate_joints(
    xy: F64, weight: F64, cameras: list[CalibratedCamera], tolerance: float = TOLERANCE
) -> Triangulated:
    """Return keypoints (V, T, J, 2) px with weights (V, T, J) >= 0; 0: not seen."""
    origin, direction = _lines(xy, cameras)
    seen = torch.from_numpy(weight)
    points, _ = triangulate(origin, direction, seen)
    agrees = weight > 0
    for _ in range(2):  # rejecting a view moves the point, which may bring another back
        near = _errors(points.numpy(), xy, cameras) <= _limits(cameras, tolerance)
        agrees = near & (weight > 0)
        points = crossing(origin, direction, seen * torch.from_numpy(agrees) + 1e-9)
    error = _errors(points.numpy(), xy, cameras)
    agrees = agrees & (error <= _limits(cameras, tolerance))
    known = (agrees.sum(0) >= FEWEST_VIEWS) & _wide_enough(direction.numpy(), agrees)
    xyz = np.where(known[..., None], points.numpy(), np.nan)
    return Triangulated(xyz, np.where(known & (weight > 0), error, np.nan), agrees & known)


def _lines(xy: F64, cameras: list[CalibratedCamera]) -> tuple[Any, Any]:
    rays = np.stack([camera.rays(seen) for camera, seen in zip(cameras, xy)])
    turn, shift = np.stack([camera.R for camera in cameras]), np.stack([camera.t for camera in cameras])
    return lines(torch.from_numpy(rays), torch.from_numpy(turn), torch.from_numpy(shift))


def _errors(points: F64, xy: F64, cameras: list[CalibratedCamera]) -> F64:
    """Return (V, T, J) px; infinite behind a camera."""
    gap = np.stack([np.linalg.norm(camera.pixels(points) - seen, axis=-1) for camera, seen in zip(cameras, xy)])
    before = np.stack([camera.to_camera(points)[..., 2] > 0 for camera in cameras])
    return np.where(before, gap, np.inf)


def _limits(cameras: list[CalibratedCamera], tolerance: float) -> F64:
    return np.array([tolerance * max(camera.size) for camera in cameras])[:, None, None]


def _wide_enough(direction: F64, agrees: Mask) -> Mask:
    """Return (T, J): two agreeing views look at the point from directions that differ."""
    wide = np.zeros(agrees.shape[1:], bool)
    for i, j in combinations(range(len(agrees)), 2):
        cosine = np.abs((direction[i] * direction[j]).sum(-1))
        wide |= agrees[i] & agrees[j] & (cosine < np.cos(np.radians(SMALLEST_ANGLE_DEG)))
    return wide
