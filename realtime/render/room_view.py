"""Draw a 3D view of the people of one frame: floor, shadows and skeletons, seen from aside.

Room axes: metres, y up, x to the camera's right, z towards the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.render.skeleton import DrawnSkeleton, draw
from realtime.render.standing_feet import NOTHING_KNOWN, FeetOnGround, mark_standing, stands
from realtime.render.style import Image, fixed
from realtime.rotations import about, y_up
from realtime.wire.messages import ABSENT, Hello, Person3D, Pose3D

Real = NDArray[np.float64]
BACKGROUND, GRID, SHADOW = (38, 30, 24), (92, 78, 62), (22, 17, 13)
YAW, PITCH = np.radians(35.0), np.radians(14.0)  # from the camera's direction to its right and down
FOV = np.radians(40.0)
MEMORY_S = 1.0  # time constant of floor, centre and distance
NEAR_M = 0.2
LEAST_REACH_M = 0.6
FEET, THORAX_M = ("ankle", "heel", "foot_index"), 1.43  # of the thorax above the floor where no foot is known
GRID_STEP_M, GRID_REACH_M = 0.5, 3.0
UNKNOWN_PLACE_M = 3.5  # somebody without a position stands so far from the camera


@dataclass
class RoomView:
    """Follows the people smoothly; `draw` one frame after another."""

    width: int
    height: int
    _centre: Real | None = None
    _floor: float = 0.0
    _reach_m: float = 1.2
    _last_ns: int = 0
    _rotation: Real = field(default_factory=lambda: about(np.array(PITCH), 0) @ about(np.array(-YAW), 1))

    def draw(self, hello: Hello, pose: Pose3D | None, feet: FeetOnGround = NOTHING_KNOWN) -> Image:
        image = np.empty((self.height, self.width, 3), np.uint8)
        image[:] = BACKGROUND
        people = [(p, in_room(p, pose.up)) for p in pose.people] if pose else []
        if pose and people:
            ground = min(under(hello.joints, xyz) for _, xyz in people)
            self._follow([xyz for _, xyz in people], ground, pose.stamp.t_capture_ns)
        if self._centre is None:
            return image
        self._draw_floor(image)
        for _, xyz in people:
            self._draw_shadow(image, xyz)
        for person, xyz in people:
            skeleton = self._skeleton(hello, person, xyz)
            draw(image, skeleton)
            mark_standing(image, skeleton, stands(feet, pose, person.id))
        return image

    def _follow(self, people: list[Real], floor: float, now_ns: int) -> None:
        points = np.concatenate([xyz[np.isfinite(xyz).all(-1)] for xyz in people])
        if not len(points):
            return
        centre = (points.min(0) + points.max(0)) / 2
        reach = max(LEAST_REACH_M, float(np.linalg.norm(points - centre, axis=-1).max()) * 1.15)
        if self._centre is None:
            self._centre, self._floor, self._reach_m = centre, floor, reach
        part = 1 - float(np.exp(-max(now_ns - self._last_ns, 0) * 1e-9 / MEMORY_S))
        self._last_ns = now_ns
        self._centre = self._centre + part * (centre - self._centre)
        self._reach_m += part * (reach - self._reach_m)
        self._floor += (floor - self._floor) * (part if floor > self._floor else min(1.0, 4 * part))

    def _project(self, points: Real) -> tuple[Real, Real]:
        """Return (..., 3) m -> px (..., 2) and depth (...,) m."""
        assert self._centre is not None
        seen = (points - self._centre) @ self._rotation.T
        depth = self._reach_m / np.sin(FOV / 2) - seen[..., 2]
        focal = min(self.width, self.height) / 2 / np.tan(FOV / 2)
        scale = focal / np.maximum(depth, NEAR_M)
        at = np.stack([self.width / 2 + seen[..., 0] * scale, self.height / 2 - seen[..., 1] * scale], -1)
        return at, depth

    def _skeleton(self, hello: Hello, person: Person3D, xyz: Real) -> DrawnSkeleton:
        at, depth = self._project(xyz)
        focal = min(self.width, self.height) / 2 / np.tan(FOV / 2)
        sigma_px = person.sigma * focal / np.maximum(depth, NEAR_M)
        return DrawnSkeleton(hello.joints, hello.parents, at, person.state, sigma_px, max(2, self.height // 180))

    def _draw_floor(self, image: Image) -> None:
        assert self._centre is not None
        middle = np.round(self._centre / GRID_STEP_M) * GRID_STEP_M
        lines = np.arange(-GRID_REACH_M, GRID_REACH_M + 1e-9, GRID_STEP_M)
        ends = np.array([-GRID_REACH_M, GRID_REACH_M])
        for offset in lines:
            for x, z in (([offset, offset], ends), (ends, [offset, offset])):
                line = np.stack([middle[0] + np.asarray(x), np.full(2, self._floor), middle[2] + np.asarray(z)], -1)
                at, depth = self._project(line)
                if (depth > NEAR_M).all():
                    cv2.line(image, fixed(at[0]), fixed(at[1]), GRID, 1, cv2.LINE_AA, 4)

    def _draw_shadow(self, image: Image, xyz: Real) -> None:
        """Draw a soft shadow disc below the person."""
        there = xyz[np.isfinite(xyz).all(-1)]
        if not len(there):
            return
        middle = there.mean(0)
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        rim = np.stack([middle[0] + 0.3 * np.cos(angle), np.full(24, self._floor), middle[2] + 0.3 * np.sin(angle)], -1)
        at, depth = self._project(rim)
        if (depth > NEAR_M).all():
            cv2.fillPoly(image, [np.array([fixed(point) for point in at], np.int32)], SHADOW, cv2.LINE_AA, 4)


def under(joints: tuple[str, ...], xyz: Real) -> float:
    """Return the height of the floor below one person; inf where nothing of them is known."""
    heights = xyz[:, 1]
    feet = [name.endswith(FEET) for name in joints]
    thorax = heights[joints.index("thorax")] if "thorax" in joints else np.nan
    if np.isnan(heights[feet]).all() and np.isfinite(thorax):
        return float(thorax - THORAX_M)
    return float(np.nanmin(heights)) if np.isfinite(heights).any() else np.inf


def in_room(person: Person3D, up: tuple[float, float, float]) -> Real:
    """Return (J, 3) upright; NaN for ABSENT joints."""
    root = np.zeros(3) + [0, 0, UNKNOWN_PLACE_M] if person.root_cam is None else person.root_cam
    xyz = np.where((person.state != ABSENT)[:, None], person.xyz + root, np.nan)
    return np.asarray(xyz @ y_up(np.asarray(up, np.float64)).T, np.float64)
