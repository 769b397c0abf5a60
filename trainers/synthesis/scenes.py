"""Draw a scene for one clip of motion from a seed: camera, appearance, occluders, the sensor's rate.

A scene is pure: frame k of it is the same picture in every process and order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import Body
from realtime.demo.camera import DemoCamera, look_at
from realtime.demo.hidden import HiddenJoints, hidden
from realtime.demo.looks import BOARD_PATTERNS, CLOTHS, Pool, SceneAppearance, draw_look
from realtime.demo.occluders import Occluder
from realtime.demo.render import flesh_out, render_people
from trainers.skeleton.retarget import mirrored, resampled, reshape
from trainers.synthesis.occluder_schedule import OccluderEvent, OccluderScene, draw_events

F64 = NDArray[np.float64]
Image = NDArray[np.uint8]
SIZES = ((640, 480), (640, 480), (640, 360), (480, 640), (640, 480), (360, 640), (960, 540), (540, 960), (320, 240))
RATES = (15.0, 20.0, 24.0, 25.0, 50.0, 60.0)
_LOWEST_EYE = 0.15  # metres


@dataclass(frozen=True)
class Scene:
    joints: F64  # (T, 17, 3) world
    times: F64  # (T,) s
    fps: float
    base: DemoCamera
    sway: F64  # (T, 2) m: how a held camera's target wanders; zeros for one that stands
    look: SceneAppearance
    events: tuple[OccluderEvent, ...]
    twist: float
    jpeg: int  # quality, 0: not compressed

    def __len__(self) -> int:
        return len(self.times)

    def camera(self, k: int) -> DemoCamera:
        return self.base if not self.sway.any() else _swayed(self.base, self.sway[k])

    @cached_property
    def bodies(self) -> list[Body]:
        cameras = [self.camera(k) for k in range(len(self))]
        return [flesh_out(c.to_camera(x), c, self.twist) for c, x in zip(cameras, self.joints)]

    def body(self, k: int) -> Body:
        return self.bodies[k]

    def boards(self, k: int) -> tuple[Occluder, ...]:
        now = [event for event in self.events if event.first <= k < event.last]
        return tuple(event.board(k, self.body) for event in now)

    def truth(self, k: int) -> tuple[Body, HiddenJoints]:
        person = self.body(k)
        return person, hidden([person], self.camera(k), self.boards(k))[0]

    def image(self, k: int) -> Image:
        image = render_people([self.body(k)], [self.look], self.camera(k), self.boards(k), frame=k)
        return _compressed(image, self.jpeg) if self.jpeg else image


def draw_scene(motion: NDArray[Any], fps: float, seed: list[int], pool: Pool, frames: int) -> Scene:
    """`motion` (T, 17, 3) at `fps`, world; the scene lasts `frames` frames or as long as the motion does."""
    rng = np.random.default_rng(seed)
    rate = 30.0 if rng.random() < 0.65 else float(rng.choice(RATES))
    tempo = float(rng.uniform(0.8, 1.25))
    count = max(2, min(frames, int((len(motion) - 1) / fps / tempo * rate)))
    start = rng.uniform(0, max(0.0, (len(motion) - 1) / fps - count / rate * tempo))
    times = np.arange(count) / rate
    joints = resampled(motion, fps, start + times * tempo)
    joints = reshape(mirrored(joints) if rng.random() < 0.5 else joints, rng)
    joints -= joints[count // 2, 0] * (1, 0, 1)
    camera = _draw_camera(joints, rng)
    look = draw_look(int(rng.integers(1 << 31)), pool)
    jpeg = int(rng.integers(35, 92)) if rng.random() < 0.5 else 0
    bare = Scene(joints, times, rate, camera, _draw_sway(rng, times), look, (), float(rng.normal(0, 0.5)), jpeg)
    stage = OccluderScene(count, rate, bare.body, BOARD_PATTERNS[pool], CLOTHS[pool])
    return replace(bare, events=draw_events(stage, rng))


def _draw_camera(joints: F64, rng: np.random.Generator) -> DemoCamera:
    """Anywhere around, mostly level and showing the whole person; sometimes half of it, or at the edge."""
    size = SIZES[int(rng.integers(len(SIZES)))]
    fov = float(rng.uniform(40, 100))
    focal = 0.5 * max(size) / np.tan(np.radians(fov) / 2)
    close = rng.random() < 0.2  # webcam on a desk: legs out of the picture for the whole clip
    share = rng.uniform(1.1, 2.0) if close else rng.uniform(0.33, 0.95)
    distance = float(np.clip(1.7 * focal / (share * size[1]), 0.9 if close else 1.5, 8.0))
    pitch = np.radians(np.clip(rng.normal(6, 8), -20, 25) if rng.random() < 0.7 else rng.uniform(-36, 36))
    roll = float(rng.normal(0, 2.5) if rng.random() < 0.75 else rng.uniform(-36, 36))
    yaw = rng.uniform(0, 2 * np.pi)
    middle = joints[len(joints) // 2]
    aim = middle[8].copy() if close else joints[:, 0].mean(0)
    shift = rng.uniform(-0.5, 0.5, 2) * (1.0 if rng.random() < 0.3 else 0.3) * np.array(size) / focal * distance
    aim += shift[0] * np.array([np.cos(yaw), 0, -np.sin(yaw)]) * 0.8 + np.array([0, shift[1] * 0.5, 0])
    back = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)]) * distance
    eye = aim + back
    eye[1] = max(eye[1], _LOWEST_EYE)
    return look_at(size, _triple(eye), _triple(aim), fov, roll)


def _draw_sway(rng: np.random.Generator, times: F64) -> F64:
    """One camera in seven is held in a hand."""
    if rng.random() > 0.15:
        return np.zeros((len(times), 2))
    size, waves = rng.uniform(0.005, 0.04), rng.uniform(0.1, 1.2, (3, 2))
    phase = rng.uniform(0, 6.28, (3, 2))
    return np.asarray(size * np.sin(2 * np.pi * waves[None] * times[:, None, None] + phase[None]).sum(1))


def _swayed(camera: DemoCamera, sway: NDArray[Any]) -> DemoCamera:
    """Sway the camera by some hundredths of a radian to the side and up."""
    right, down, forward = camera.rotation
    turned = forward + right * sway[0] + down * sway[1]
    turned /= np.linalg.norm(turned)
    side = np.cross(down, turned)
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(turned, side), turned])
    return DemoCamera(
        camera.width,
        camera.height,
        camera.focal,
        camera.cx,
        camera.cy,
        tuple(float(v) for v in axes.ravel()),
        camera.eye,
    )


def _compressed(image: Image, quality: int) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _triple(v: NDArray[Any]) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
