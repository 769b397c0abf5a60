"""Project points through a calibrated camera and back: pinhole matrix, OpenCV distortion, place in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
PADDING_PX = 16  # video coders pad a side to a multiple of 16: 1080 becomes 1088, the pixels stay where they were
SAME_SHAPE = 0.01  # relative difference of the two scale factors of a film that was resized


@dataclass(frozen=True)
class CalibratedCamera:
    """World -> camera: X_cam = R X + t, metres; x right, y down, z forward."""

    name: str
    size: tuple[int, int]  # px, width and height that K refers to
    K: F64  # (3, 3) px
    dist: F64  # (n,) OpenCV's order: k1, k2, p1, p2, k3, ...
    R: F64  # (3, 3)
    t: F64  # (3,) m

    @property
    def centre(self) -> F64:
        """(3,) m, where the camera stands in the world."""
        return np.asarray(-self.R.T @ self.t, np.float64)

    def intrinsics(self) -> dict[str, float | int | list[float]]:
        """Return the lens alone, as a file of --intrinsics has it."""
        (fx, _, cx), (_, fy, cy) = self.K[0].tolist(), self.K[1].tolist()
        lens: dict[str, float | int | list[float]] = {"fx": fx, "fy": fy, "cx": cx, "cy": cy}
        return lens | {"width": self.size[0], "height": self.size[1], "distortion": self.dist.tolist()}

    def to_camera(self, xyz: NDArray[Any]) -> F64:
        """Return (..., 3) m in the world -> camera axes."""
        return np.asarray(xyz @ self.R.T + self.t, np.float64)

    def pixels(self, xyz: NDArray[Any]) -> F64:
        """Return (..., 3) m in the world -> (..., 2) px, distorted; NaN where the point is unknown."""
        flat = np.asarray(xyz, np.float64).reshape(-1, 3)
        known = np.isfinite(flat).all(-1)
        seen = np.full((len(flat), 2), np.nan)
        if known.any():
            turn = cv2.Rodrigues(self.R)[0]
            seen[known] = cv2.projectPoints(flat[known, None], turn, self.t, self.K, self.dist)[0].reshape(-1, 2)
        return seen.reshape(*np.shape(xyz)[:-1], 2)

    def rays(self, xy: NDArray[Any]) -> F64:
        """Return (..., 2) px -> (..., 2) undistorted rays at depth 1."""
        flat = np.ascontiguousarray(xy, np.float64).reshape(-1, 1, 2)
        return np.asarray(cv2.undistortPoints(flat, self.K, self.dist), np.float64).reshape(np.shape(xy))

    def fitted(self, size: tuple[int, int]) -> CalibratedCamera:
        """Return the same camera for a film of this size: padded by the coder, or resized; ValueError for any other."""
        if all(abs(a - b) < PADDING_PX for a, b in zip(size, self.size)):
            return replace(self, size=size)
        scale = np.array([size[0] / self.size[0], size[1] / self.size[1]])
        if abs(scale[0] / scale[1] - 1) > SAME_SHAPE:
            raise ValueError(
                f"its film is {size[0]}x{size[1]} px, the calibration {self.size[0]}x{self.size[1]}: another shape"
            )
        return replace(self, size=size, K=np.diag([*scale, 1.0]) @ self.K)
