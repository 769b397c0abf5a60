"""Draw the room behind the people: textured walls and floor, pictures, furniture, shadows.

A background is drawn once for each camera and kept; a moving camera costs one drawing per frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.demo.camera import NEAR, DemoCamera
from realtime.demo.looks import CLOTHS, Colour, SceneAppearance
from realtime.demo.textures import texture

F64 = NDArray[np.float64]
Image = NDArray[np.uint8]
PX_PER_M = 100
_MAX_TEXTURE = 1400  # px


@dataclass(frozen=True)
class Panel:
    """A textured rectangle in the world: corner, and the vectors along its texture's width and height."""

    corner: F64
    across: F64
    along: F64
    image: Image


def room_reach(camera: DemoCamera, look: SceneAppearance) -> float:
    """Return half the width of the room in metres: what the look draws, but always around the camera."""
    drawn = 3.5 + (look.seed * 0.37) % 3.0
    return float(np.ceil(max(drawn, max(abs(camera.eye[0]), abs(camera.eye[2])) + 0.6)))


@lru_cache(maxsize=4)
def background(camera: DemoCamera, look: SceneAppearance) -> Image:
    reach, height = room_reach(camera, look), float(np.ceil(max(2.6, camera.eye[1] + 0.4)))
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    for panel in _panels(look, reach, height):
        _draw(image, panel, camera)
    image.setflags(write=False)
    return image


@lru_cache(maxsize=4)
def _panels(look: SceneAppearance, reach: float, height: float) -> tuple[Panel, ...]:
    rng = np.random.default_rng([look.seed, 31])
    floor = Panel(
        np.array([-reach, 0, -reach]), np.array([2 * reach, 0, 0]), np.array([0, 0, 2 * reach]), _floor(look, reach)
    )
    ceiling = Panel(
        np.array([-reach, height, -reach]), floor.across, floor.along, _flat((225, 228, 230), look.ambient + 0.35)
    )
    walls = [_wall(look, reach, height, turn, rng) for turn in range(4)]
    pieces = [piece for _ in range(look.furniture) for piece in _furniture(look, reach, rng)]
    return (floor, ceiling, *walls, *pieces)


def _sized(metres_wide: float, metres_high: float) -> tuple[int, int]:
    return min(int(metres_wide * PX_PER_M), _MAX_TEXTURE), min(int(metres_high * PX_PER_M), _MAX_TEXTURE)


def _flat(colour: Colour, light: float) -> Image:
    return np.asarray(np.clip(np.full((8, 8, 3), colour) * light, 0, 255), np.uint8)


def _floor(look: SceneAppearance, reach: float) -> Image:
    width, height = _sized(2 * reach, 2 * reach)
    return _lit(texture(look.floor_pattern, look.floor, width, height, look.seed + 1), look, np.array([0, 1.0, 0]))


def _lit(image: Image, look: SceneAppearance, normal: F64) -> Image:
    light = np.array(look.light) / np.linalg.norm(look.light)
    level = look.ambient + (1.1 - look.ambient) * max(0.0, 0.35 + 0.65 * float(normal @ light))
    return np.asarray(cv2.convertScaleAbs(image, alpha=float(level)), np.uint8)


def _wall(look: SceneAppearance, reach: float, height: float, turn: int, rng: np.random.Generator) -> Panel:
    width_px, height_px = _sized(2 * reach, height)
    image = texture(look.wall_pattern, look.wall, width_px, height_px, look.seed + 2 + turn)
    for _ in range(look.pictures):
        _hang_picture(image, rng)
    cv2.rectangle(image, (0, height_px - 10), (width_px, height_px), tuple(0.6 * c for c in look.wall), -1)
    c, s = float(np.cos(turn * np.pi / 2)), float(np.sin(turn * np.pi / 2))
    spin = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    inward = spin @ np.array([0, 0, 1.0])
    corner, across = spin @ np.array([-reach, height, -reach]), spin @ np.array([2 * reach, 0, 0])
    return Panel(corner, across, np.array([0, -height, 0]), _lit(image, look, inward))


def _hang_picture(image: Image, rng: np.random.Generator) -> None:
    high, wide = image.shape[:2]
    w, h = int(rng.integers(35, 120)), int(rng.integers(30, 90))
    x, y = int(rng.integers(0, max(1, wide - w))), int(rng.integers(high // 10, max(high // 10 + 1, high // 2)))
    patch = image[y : y + h, x : x + w]
    tones = CLOTHS["train"]
    patch[:] = texture("clutter", tones[int(rng.integers(len(tones)))], w, h, int(rng.integers(1 << 30)))[
        : patch.shape[0], : patch.shape[1]
    ]
    cv2.rectangle(image, (x, y), (x + w, y + h), (30, 35, 45) if rng.random() < 0.6 else (225, 225, 225), 3)


def _furniture(look: SceneAppearance, reach: float, rng: np.random.Generator) -> list[Panel]:
    """Return a cupboard or box that stands against a wall: its front, its sides and its top."""
    wide, high, deep = rng.uniform(0.4, 1.8), rng.uniform(0.4, 2.0), rng.uniform(0.3, 0.6)
    turn, along = int(rng.integers(4)), rng.uniform(-reach * 0.8, reach * 0.8 - wide)
    pattern = ("wood", "plain", "stripes")[int(rng.integers(3))] if look.pool == "train" else "panels"
    tones = CLOTHS[look.pool]
    image = texture(pattern, tones[int(rng.integers(len(tones)))], *_sized(wide, high), int(rng.integers(1 << 30)))
    c, s = float(np.cos(turn * np.pi / 2)), float(np.sin(turn * np.pi / 2))
    spin = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    x, y, z = spin @ np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), spin @ np.array([0, 0, 1.0])
    left = spin @ np.array([along, 0, -reach])
    sides = [
        Panel(left + y * high, z * deep, -y * high, _lit(image, look, -x)),
        Panel(left + x * wide + y * high, z * deep, -y * high, _lit(image, look, x)),
        Panel(left + y * high, x * wide, z * deep, _lit(image, look, y)),
        Panel(left + z * deep + y * high, x * wide, -y * high, _lit(image, look, z)),
    ]
    return sides


def _draw(image: Image, panel: Panel, camera: DemoCamera) -> None:
    """Paints a panel; what lies behind the camera is clipped away."""
    corners = panel.corner + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) @ np.stack([panel.across, panel.along])
    outline = clip(camera.to_camera(corners), camera)
    if len(outline) < 3:
        return
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.asarray((camera.project(outline) - 0.5) * 16, np.int32), 255, cv2.LINE_8, 4)
    x, y, w, h = cv2.boundingRect(mask)
    if w == 0 or h == 0:
        return
    high, wide = panel.image.shape[:2]
    plane = np.stack([panel.across / wide, panel.along / high, panel.corner - np.array(camera.eye)], 1)
    to_image = camera.matrix @ camera.rotation @ plane
    shift = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])
    warped = cv2.warpPerspective(
        panel.image, shift @ to_image, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    cv2.copyTo(warped, mask[y : y + h, x : x + w], image[y : y + h, x : x + w])


def clip(points: NDArray[Any], camera: DemoCamera) -> F64:
    """Return a convex polygon (N, 3) in camera axes, cut to what the camera sees and a little more."""
    wide, high = camera.width * 0.6 / camera.focal, camera.height * 0.6 / camera.focal
    sides = [(0, 0, 1, -NEAR), (1, 0, wide, 0), (-1, 0, wide, 0), (0, 1, high, 0), (0, -1, high, 0)]
    for *normal, offset in sides:
        points = _cut(points, points @ np.array(normal, np.float64) + offset) if len(points) else points
    return np.asarray(points)


def _cut(points: NDArray[Any], distance: F64) -> F64:
    """Return what of a convex polygon lies on the positive side."""
    kept = []
    for a, b, da, db in zip(points, np.roll(points, -1, axis=0), distance, np.roll(distance, -1)):
        if da >= 0:
            kept.append(a)
        if (da >= 0) != (db >= 0):
            kept.append(a + (b - a) * (da / (da - db)))
    return np.array(kept).reshape(-1, 3)
