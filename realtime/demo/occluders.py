"""Place flat textured occluders between camera and people, and tell what they cover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.demo.camera import NEAR, DemoCamera
from realtime.demo.looks import Colour
from realtime.demo.textures import texture

F64 = NDArray[np.float64]
Image = NDArray[np.uint8]
Vector = tuple[float, float, float]
_TEXTURE = 192  # px


@dataclass(frozen=True)
class Occluder:
    centre: Vector  # metres, camera axes
    across: Vector  # half its width
    along: Vector  # half its height
    pattern: str = "plain"
    colour: Colour = (120, 120, 120)
    seed: int = 0

    def corners(self) -> F64:
        sides = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return np.asarray(np.array(self.centre) + sides @ np.array([self.across, self.along]))


@lru_cache(maxsize=64)
def _picture(pattern: str, colour: Colour, seed: int) -> Image:
    return texture(pattern, colour, _TEXTURE, _TEXTURE, seed)


def draw_board(image: Image, board: Occluder, camera: DemoCamera) -> None:
    corners = board.corners()
    if corners[:, 2].min() <= NEAR:
        return
    at = camera.project(corners)
    x0, y0 = np.clip(np.floor(at.min(0)) - 1, 0, (camera.width, camera.height)).astype(int)
    x1, y1 = np.clip(np.ceil(at.max(0)) + 1, 0, (camera.width, camera.height)).astype(int)
    if x1 <= x0 or y1 <= y0:
        return
    source = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * _TEXTURE
    target = np.asarray(at - (x0, y0), np.float32)
    warp = cv2.getPerspectiveTransform(source - 0.5, target - 0.5)
    size = (int(x1 - x0), int(y1 - y0))
    picture = cv2.warpPerspective(
        _picture(board.pattern, board.colour, board.seed), warp, size, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, np.asarray(np.clip(target - 0.5, -20000, 20000) * 16, np.int32), 255, cv2.LINE_AA, 4)
    part = image[y0:y1, x0:x1]
    cv2.copyTo(picture, mask, part)


def behind(points: NDArray[Any], board: Occluder) -> NDArray[np.bool_]:
    """Map (N, 3) camera axes -> (N,): the line of sight meets the board before the point."""
    centre, across, along = (np.array(v) for v in (board.centre, board.across, board.along))
    normal = np.cross(across, along)
    points = np.asarray(points, np.float64)
    slope = points @ normal
    at = (centre @ normal) / np.where(np.abs(slope) < 1e-12, 1e-12, slope)  # share of the way at which the board is met
    meets = points * at[:, None] - centre
    u, v = meets @ across / (across @ across), meets @ along / (along @ along)
    return np.asarray((at > 0) & (at < 1) & (np.abs(u) <= 1) & (np.abs(v) <= 1))
