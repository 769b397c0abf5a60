"""Render any people in any pose through any camera: room, shadows, people, occluders, lens, sensor.

Joints are H36M_17 in camera axes, metres.  The same arguments give the same picture.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.skeleton import H36M_17
from realtime.demo.anatomy import Body, body
from realtime.demo.camera import NEAR, DemoCamera
from realtime.demo.looks import SceneAppearance
from realtime.demo.occluders import Occluder, draw_board
from realtime.demo.paint import paint_people
from realtime.demo.room import background

F64 = NDArray[np.float64]
Image = NDArray[np.uint8]
_NOISE_MARGIN = 64  # px by which the noise picture is larger than the frame


def flesh_out(xyz_cam: NDArray[Any], camera: DemoCamera, twist: float = 0.0) -> Body:
    """Map (17, 3) joints in camera axes -> the whole body, its feet level on the floor of the camera's world."""
    return body(xyz_cam, camera.up, floor=-float(camera.eye[1]), twist=twist)


def render(
    xyz_cam: NDArray[Any],
    camera: DemoCamera,
    look: SceneAppearance,
    boards: tuple[Occluder, ...] = (),
    frame: int = 0,
    twist: float = 0.0,
) -> Image:
    """Map (17, 3) metres -> BGR picture; `frame` only draws the sensor's noise."""
    return render_people([flesh_out(xyz_cam, camera, twist)], [look], camera, boards, frame)


def render_people(
    people: list[Body],
    looks: list[SceneAppearance],
    camera: DemoCamera,
    boards: tuple[Occluder, ...] = (),
    frame: int = 0,
) -> Image:
    """Return the first look also gives room, light and lens.  Boards lie in front of everyone, the nearest on top."""
    look = looks[0]
    light = np.array(look.light) / np.linalg.norm(look.light)
    image = background(camera, look).copy()
    for person in people:
        _cast_shadow(image, person, camera, light)
    paint_people(image, list(zip(people, looks)), camera, camera.rotation @ light)
    for board in sorted(boards, key=lambda b: -b.centre[2]):
        draw_board(image, board, camera)
    return _expose(image, look, frame)


def _cast_shadow(image: Image, person: Body, camera: DemoCamera, light: F64) -> None:
    """Dark strokes on the floor where the bones' shadows fall, softened."""
    world = camera.to_world(person.joints)
    steep = light / max(float(light[1]), 0.5)
    on_floor = camera.to_camera((world - steep * world[:, 1:2]) * (1, 0, 1))
    if on_floor[:, 2].min() < 2 * NEAR:
        return
    at = camera.project(on_floor) / 4
    shade = np.full(((image.shape[0] + 3) // 4, (image.shape[1] + 3) // 4), 255, np.uint8)
    for joint, parent in enumerate(H36M_17.parents):
        if parent >= 0:
            width = int(np.clip(0.16 * camera.focal / on_floor[joint, 2] / 4, 1, 60))
            a, b = (tuple(int(v) for v in np.clip(at[k], -4000, 4000)) for k in (joint, parent))
            cv2.line(shade, a, b, 165, width)
    x, y, w, h = _dark_box(shade)
    if w and h:
        soft = cv2.blur(shade[y : y + h, x : x + w], (5, 5), borderType=cv2.BORDER_REPLICATE)
        part = image[4 * y : 4 * (y + h), 4 * x : 4 * (x + w)]
        grey = cv2.resize(soft, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_LINEAR)
        cv2.multiply(part, cv2.merge([grey] * 3), part, 1 / 255)


def _dark_box(shade: Image) -> tuple[int, int, int, int]:
    x, y, w, h = cv2.boundingRect(255 - shade)
    x0, y0 = max(0, x - 3), max(0, y - 3)
    x1, y1 = min(shade.shape[1], x + w + 3), min(shade.shape[0], y + h + 3)
    return (x0, y0, x1 - x0, y1 - y0) if w and h else (0, 0, 0, 0)


def _expose(image: Image, look: SceneAppearance, frame: int) -> Image:
    """Lens blur, exposure, colour of the light, sensor noise."""
    seen: NDArray[Any] = image
    sigma = look.blur * image.shape[1] / 640
    if sigma > 0.25:
        seen = cv2.GaussianBlur(seen, (0, 0) if sigma > 0.9 else (3, 3), sigma)
    gains = np.array(look.tint) * look.gain
    if np.abs(gains - 1).max() > 0.01:
        seen = cv2.LUT(seen, _gain_table(tuple(gains.tolist())))
    if look.noise > 0.1:
        grain = _grain(image.shape[1], image.shape[0], look.noise)
        dx, dy = np.random.default_rng([look.seed, 41, frame]).integers(0, _NOISE_MARGIN, 2)
        seen = cv2.add(seen, grain[dy : dy + image.shape[0], dx : dx + image.shape[1]], dtype=cv2.CV_8U)
    return np.asarray(seen, np.uint8)


@lru_cache(maxsize=8)
def _gain_table(gains: tuple[float, ...]) -> Image:
    levels = np.arange(256)[:, None] * np.array(gains)[None]
    soft = np.where(levels > 215, 215 + (levels - 215) * 0.5, levels)  # a shoulder instead of hard clipping
    return np.asarray(np.clip(soft, 0, 255), np.uint8).reshape(256, 1, 3)


@lru_cache(maxsize=2)
def _grain(width: int, height: int, sigma: float) -> NDArray[np.int16]:
    rng = np.random.default_rng(43)
    size = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
    return np.asarray(np.round(rng.standard_normal(size, np.float32) * sigma), np.int16)
