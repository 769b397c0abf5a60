"""Project through a pinhole camera in a world with y up and its floor at y = 0.

Camera axes: x right, y down, z forward, metres.  `fov_deg` spans the longer side of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
NEAR = 0.05  # metres; nothing nearer is drawn or called visible


@dataclass(frozen=True)
class DemoCamera:
    width: int
    height: int
    focal: float  # px
    cx: float
    cy: float
    axes: tuple[float, ...]  # 3x3 row-major: right, down, forward in world axes
    eye: tuple[float, float, float]  # world position

    @property
    def rotation(self) -> F64:
        return np.array(self.axes).reshape(3, 3)

    @property
    def matrix(self) -> F64:
        return np.array([[self.focal, 0, self.cx], [0, self.focal, self.cy], [0, 0, 1.0]])

    @property
    def up(self) -> F64:
        """World up in camera axes."""
        return np.array(self.axes[1::3])

    def to_camera(self, world: NDArray[Any]) -> F64:
        return np.asarray((np.asarray(world, np.float64) - np.array(self.eye)) @ self.rotation.T)

    def to_world(self, xyz_cam: NDArray[Any]) -> F64:
        return np.asarray(np.asarray(xyz_cam, np.float64) @ self.rotation + np.array(self.eye))

    def project(self, xyz_cam: NDArray[Any]) -> F64:
        """Return (..., 3) -> (..., 2) px; what lies behind the camera is projected as if just before it."""
        xyz = np.asarray(xyz_cam, np.float64)
        depth = np.maximum(xyz[..., 2:], NEAR)
        return np.asarray(xyz[..., :2] / depth * self.focal + np.array([self.cx, self.cy]))

    def sees(self, xyz_cam: NDArray[Any]) -> NDArray[np.bool_]:
        """Return (..., 3) -> (...): in front of the camera and inside the picture."""
        xy, depth = self.project(xyz_cam), np.asarray(xyz_cam)[..., 2]
        inside = (xy >= 0).all(-1) & (xy[..., 0] < self.width) & (xy[..., 1] < self.height)
        return np.asarray(inside & (depth > NEAR))


def look_at(
    size: tuple[int, int],
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    fov_deg: float = 60.0,
    roll_deg: float = 0.0,
) -> DemoCamera:
    """Return a camera at `eye` whose centre shows `target`."""
    width, height = size
    focal = 0.5 * max(width, height) / np.tan(np.radians(fov_deg) / 2)
    axes = _turned(_axes(np.subtract(target, eye)), np.radians(roll_deg))
    flat = tuple(float(v) for v in axes.ravel())
    return DemoCamera(
        width, height, float(focal), width / 2, height / 2, flat, (float(eye[0]), float(eye[1]), float(eye[2]))
    )


def _axes(direction: NDArray[Any]) -> F64:
    forward = direction / np.linalg.norm(direction)
    sideways = np.cross(forward, [0.0, 1.0, 0.0])
    if np.linalg.norm(sideways) < 1e-6:  # straight up or down: any horizontal direction is right
        sideways = np.array([1.0, 0.0, 0.0])
    right = sideways / np.linalg.norm(sideways)
    return np.stack([right, np.cross(forward, right), forward])


def _turned(axes: F64, roll: float) -> F64:
    c, s = np.cos(roll), np.sin(roll)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]) @ axes
