"""Convert pixels to undistorted rays and back, by calibration, field of view, or a guess."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.config.loader import load_intrinsics
from realtime.config.schema import CameraConfig, Intrinsics
from realtime.wire.arrays import F32

GUESSED_FOV = 63.0  # degrees over the longer side of the picture: between webcams and phones


@dataclass(frozen=True)
class CameraModel:
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    calibrated: bool = False  # False: guessed

    @property
    def matrix(self) -> NDArray[np.float64]:
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def rays(self, xy: F32) -> F32:
        """(…, 2) px -> (…, 2): x and y at depth 1, without distortion."""
        if self.distortion:
            flat = np.ascontiguousarray(xy, np.float32).reshape(-1, 1, 2)
            bent = np.asarray(self.distortion, np.float64)
            return np.asarray(cv2.undistortPoints(flat, self.matrix, bent), np.float32).reshape(xy.shape)
        return np.asarray((xy - (self.cx, self.cy)) / (self.fx, self.fy), np.float32)

    def pixels(self, xyz: F32) -> F32:
        """(…, 3) m, camera axes, before the camera -> (…, 2) px."""
        if self.distortion:
            flat = np.ascontiguousarray(xyz, np.float64).reshape(-1, 1, 3)
            zero, bent = np.zeros(3), np.asarray(self.distortion, np.float64)
            seen = cv2.projectPoints(flat, zero, zero, self.matrix, bent)[0]
            return np.asarray(seen, np.float32).reshape(*xyz.shape[:-1], 2)
        depth = np.maximum(xyz[..., 2:], 1e-3)
        return np.asarray(xyz[..., :2] / depth * (self.fx, self.fy) + (self.cx, self.cy), np.float32)


def read_calibration(config: CameraConfig) -> Intrinsics | None:
    """Read the calibration that the settings name, once and before the first frame; ConfigError says what is wrong."""
    return load_intrinsics(config.intrinsics) if config.intrinsics else None


def camera_model_for(
    config: CameraConfig, width: int, height: int, calibration: Intrinsics | None = None
) -> CameraModel:
    """Model the camera for pictures of this size; a picture without size is taken for one pixel."""
    width, height = max(width, 1), max(height, 1)
    if known := calibration or read_calibration(config):
        return scaled(known, width, height)
    if config.fov_deg is not None:
        focal = width / 2 / math.tan(math.radians(config.fov_deg) / 2)
    else:
        focal = max(width, height) / 2 / math.tan(math.radians(GUESSED_FOV) / 2)
    return CameraModel(focal, focal, width / 2, height / 2, calibrated=config.fov_deg is not None)


def scaled(known: Intrinsics, width: int, height: int) -> CameraModel:
    """Scale a calibration to another picture size of the same camera."""
    x, y = width / known.width, height / known.height
    return CameraModel(known.fx * x, known.fy * y, known.cx * x, known.cy * y, known.distortion, calibrated=True)
