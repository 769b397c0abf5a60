"""One scene of bursts: a camera, a room, a person's clothes; in it many moments of many people's motion.

Two kinds: whole people at a distance, and half bodies at a desk before a webcam.  A scene is a function of its seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import Body, J
from realtime.demo.camera import DemoCamera, look_at
from realtime.demo.hidden import HiddenJoints, hidden
from realtime.demo.looks import BOARD_PATTERNS, CLOTHS, Pool, SceneAppearance, draw_look
from realtime.demo.occluders import Occluder
from realtime.demo.render import flesh_out, render_people
from trainers.data.motion import MotionSegment
from trainers.synthesis.burst_poses import FRAMES, PoseShares, draw_poses
from trainers.synthesis.pose_changes import turned

F64 = NDArray[np.float64]
Image = NDArray[np.uint8]
BURSTS = 14  # of a scene
KEPT = (1, 2)  # frames of a burst: the detector has found the new person
# small pictures: the networks see 224 and 256 px of them, and painting costs by the pixel
SIZES = ((480, 360), (480, 360), (360, 480), (480, 270), (270, 480), (360, 480), (400, 400), (640, 480))
DESK_SIZES = ((480, 360), (480, 270), (480, 270), (400, 300), (640, 360))
WHOLE, DESK = 0, 1
# what an occluder hides: limbs of either side, and halves
TARGETS: tuple[tuple[str, ...], ...] = (
    *((f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist") for s in ("left", "right")),
    *((f"{s}_elbow", f"{s}_wrist") for s in ("left", "right")),
    *((f"{s}_hip", f"{s}_knee", f"{s}_ankle") for s in ("left", "right")),
    *((f"{s}_knee", f"{s}_ankle") for s in ("left", "right")),
    ("left_knee", "right_knee", "left_ankle", "right_ankle"),
    ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    *(tuple(f"{s}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
      for s in ("left", "right")),
)  # fmt: skip


@dataclass(frozen=True)
class Burst:
    """FRAMES frames of one person; `boards` stand from frame `since` on."""

    joints: F64  # (FRAMES, 17, 3) world
    twist: float
    boards: tuple[Occluder, ...]  # camera axes
    since: int


@dataclass(frozen=True)
class BurstScene:
    kind: int  # WHOLE | DESK
    camera: DemoCamera
    look: SceneAppearance
    jpeg: int  # quality, 0: not compressed
    bursts: tuple[Burst, ...]

    @cached_property
    def bodies(self) -> list[list[Body]]:
        """[burst][frame], camera axes."""
        to = self.camera.to_camera
        return [[flesh_out(to(x), self.camera, burst.twist) for x in burst.joints] for burst in self.bursts]

    def boards(self, b: int, k: int) -> tuple[Occluder, ...]:
        burst = self.bursts[b]
        return burst.boards if k >= burst.since else ()

    def truth(self, b: int, k: int) -> tuple[Body, HiddenJoints]:
        person = self.bodies[b][k]
        return person, hidden([person], self.camera, self.boards(b, k))[0]

    def image(self, b: int, k: int) -> Image:
        frame = b * FRAMES + k
        image = render_people([self.bodies[b][k]], [self.look], self.camera, self.boards(b, k), frame=frame)
        return _compressed(image, self.jpeg) if self.jpeg else image


def draw_burst_scene(
    segments: list[MotionSegment], weights: F64, seed: list[int], pool: Pool, desk_share: float, occluders: float,
    active: float = 0.0,
) -> BurstScene:  # fmt: skip
    """`weights` (S,): how often each segment is drawn; sums to 1.  `active`: 1 for many legs and trunks moved."""
    rng = np.random.default_rng(seed)
    kind = DESK if rng.random() < desk_share else WHOLE
    camera = _desk_camera(rng) if kind == DESK else _room_camera(rng)
    look = _dressed(draw_look(int(rng.integers(1 << 31)), pool), rng)
    turn = float(rng.choice([0.5, 1.1, np.pi], p=[0.55, 0.33, 0.12]))
    shares = _desk_shares(active, turn) if kind == DESK else _room_shares(active)
    jpeg = int(rng.integers(35, 92)) if rng.random() < 0.35 else 0
    place = _at_desk if kind == DESK else _in_room
    bursts = tuple(
        _burst(place(draw_poses(segments, weights, shares, rng), camera, rng), camera, kind, pool, occluders, rng)
        for _ in range(BURSTS)
    )
    return BurstScene(kind, camera, look, jpeg, bursts)


def _desk_shares(active: float, turn: float) -> PoseShares:
    return PoseShares(reach=0.55, seat=0.5, bend=0.15 * active, turn=turn)


def _room_shares(active: float) -> PoseShares:
    return PoseShares(
        reach=0.25 + 0.1 * active, seat=0.04 + 0.02 * active, step=0.3 * active, bend=0.35 * active, lie=0.04 * active
    )


def _burst(
    joints: F64, camera: DemoCamera, kind: int, pool: Pool, occluders: float, rng: np.random.Generator
) -> Burst:  # fmt: skip
    boards: tuple[Occluder, ...] = ()
    here = camera.to_camera(joints[-1])
    if kind == DESK and rng.random() < 0.3:
        boards = (_desk_edge(here, camera, pool, rng),)
    elif rng.random() < occluders:
        boards = (_over_limb(here, pool, rng),)
    return Burst(joints, float(rng.normal(0, 0.6)), boards, int(rng.choice([0, 2])))


def _dressed(look: SceneAppearance, rng: np.random.Generator) -> SceneAppearance:
    """Return one skirt in twenty, short enough that knees and shins are seen; a room that is soon painted."""
    look = replace(look, pictures=min(look.pictures, 1), furniture=min(look.furniture, 1))
    if look.bottom != "skirt":
        return look
    if rng.random() < 0.75:
        return replace(look, bottom="trousers", bottom_length=float(rng.uniform(0.93, 1.0)))
    return replace(look, bottom_length=min(look.bottom_length, float(rng.uniform(0.28, 0.42))))


# --- cameras and places -------------------------------------------------------------------------------------------


def _room_camera(rng: np.random.Generator) -> DemoCamera:
    """Draw a camera, mostly level, with a person about the origin filling a third to all of the picture's height."""
    size = SIZES[int(rng.integers(len(SIZES)))]
    fov = float(rng.uniform(35, 95))
    focal = 0.5 * max(size) / np.tan(np.radians(fov) / 2)
    distance = float(np.clip(1.85 * focal / (rng.uniform(0.5, 1.05) * size[1]), 1.5, 9.0))
    pitch = np.radians(np.clip(rng.normal(5, 8), -20, 25) if rng.random() < 0.75 else rng.uniform(-20, 38))
    roll = float(rng.normal(0, 2.5) if rng.random() < 0.8 else rng.uniform(-30, 30))
    aim = np.array([0.0, rng.uniform(0.75, 1.1), 0.0])
    return _placed(size, fov, roll, aim, distance, pitch, rng.uniform(-np.pi, np.pi))


def _desk_camera(rng: np.random.Generator) -> DemoCamera:
    """Return a webcam or a laptop's lens before somebody's chest: from below, level or from above."""
    size = DESK_SIZES[int(rng.integers(len(DESK_SIZES)))]
    fov = float(rng.uniform(50, 95))
    distance = float(rng.uniform(0.55, 1.5))
    pitch = np.radians(rng.uniform(-32, 32) if rng.random() < 0.5 else rng.normal(0, 8))
    roll = float(rng.normal(0, 2.5) if rng.random() < 0.85 else rng.uniform(-20, 20))
    return _placed(size, fov, roll, np.array([0.0, 1.35, 0.0]), distance, pitch, rng.uniform(-np.pi, np.pi))


def _placed(
    size: tuple[int, int], fov: float, roll: float, aim: F64, distance: float, pitch: float, yaw: float
) -> DemoCamera:
    back = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)]) * distance
    eye = aim + back
    eye[1] = max(eye[1], 0.12)
    return look_at(
        size, (float(eye[0]), float(eye[1]), float(eye[2])), (float(aim[0]), float(aim[1]), float(aim[2])), fov, roll
    )


def _facing(camera: DemoCamera) -> float:
    return float(np.arctan2(camera.eye[0], camera.eye[2]))


def _in_room(joints: F64, camera: DemoCamera, rng: np.random.Generator) -> F64:
    """About the middle of the picture; backwards where it would otherwise be cut off, six times in seven."""
    away = float(np.hypot(camera.eye[0], camera.eye[2]))
    wide = 0.5 * away * camera.width / camera.focal
    shift = np.array([rng.uniform(-0.35, 0.35) * wide, 0.0, rng.uniform(-0.25, 0.12) * away])
    joints = turned(joints + shift, _facing(camera))
    if rng.random() < 6 / 7:
        joints = _inside(joints, camera)
    return joints


def _inside(joints: F64, camera: DemoCamera) -> F64:
    """Move the body in the camera's plane, then away from it, until the picture holds it with a small rim."""
    forward = camera.rotation[2] * (1, 0, 1)
    forward = forward / max(float(np.linalg.norm(forward)), 1e-6)
    rim = np.array([0.02, 0.03]) * (camera.width, camera.height)
    for _ in range(12):
        x = camera.to_camera(joints[-1])
        if x[:, 2].min() > 0.3:
            at = camera.project(x)
            low_gap, high_gap = at.min(0) - rim, np.array([camera.width, camera.height]) - rim - at.max(0)
            if (low_gap >= 0).all() and (high_gap >= 0).all():
                return joints
            sideways = float((high_gap[0] - low_gap[0]) / 2 / camera.focal * x[:, 2].mean())
            joints = joints + camera.rotation[0] * (1, 0, 1) * sideways
        joints = joints + forward * 0.12 * max(float(x[:, 2].mean()), 0.5)
    return np.asarray(joints)


def _at_desk(joints: F64, camera: DemoCamera, rng: np.random.Generator) -> F64:
    """Return the face or the chest about the camera's aim, the body turned to the camera give or take."""
    anchor = joints[-1, J["thorax"]] + np.array([0, rng.uniform(-0.15, 0.22), 0])
    shift = np.array([rng.normal(0, 0.14), rng.normal(0, 0.05), rng.uniform(-0.25, 0.15)])
    return np.asarray(turned(joints - anchor + shift, _facing(camera)) + (0.0, 1.35, 0.0))


# --- occluders ----------------------------------------------------------------------------------------------------


def _over_limb(joints: F64, pool: Pool, rng: np.random.Generator) -> Occluder:
    """Return a board that covers a limb or a half of the body, as wide as its joints and some centimetres more."""
    there = joints[[J[name] for name in TARGETS[int(rng.integers(len(TARGETS)))]]]
    away = max(float(there[:, 2].mean()), 0.3)
    depth = float(np.clip(there[:, 2].min() * rng.uniform(0.55, 0.9), 0.2, 20.0))
    flat = there[:, :2] / np.maximum(there[:, 2:], 0.2) * depth
    middle = (flat.min(0) + flat.max(0)) / 2
    size = (flat.max(0) - flat.min(0)) / 2 + rng.uniform(0.04, 0.14, 2) * depth / away
    return _board(np.array([*middle, depth]), size, float(rng.normal(0, 0.2)), pool, rng)


def _desk_edge(joints: F64, camera: DemoCamera, pool: Pool, rng: np.random.Generator) -> Occluder:
    """Return a table's front or a monitor's back: hides everything below a line."""
    depth = float(np.clip(joints[J["thorax"], 2] * rng.uniform(0.5, 0.9), 0.2, 5.0))
    top = rng.uniform(0.55, 0.98) * camera.height
    y = (top - camera.cy) / camera.focal * depth
    half = np.array([rng.uniform(0.5, 3.0) * camera.width, camera.height]) / camera.focal * depth / 2
    return _board(np.array([rng.normal(0, 0.1), y + half[1], depth]), half, float(rng.normal(0, 0.04)), pool, rng)


def _board(centre: F64, half: NDArray[Any], tilt: float, pool: Pool, rng: np.random.Generator) -> Occluder:
    c, s = float(np.cos(tilt)), float(np.sin(tilt))
    patterns, tones = BOARD_PATTERNS[pool], CLOTHS[pool]
    tone = np.clip(np.array(tones[int(rng.integers(len(tones)))]) * rng.uniform(0.6, 1.25), 0, 245)
    return Occluder(
        (float(centre[0]), float(centre[1]), float(centre[2])), (float(half[0]) * c, float(half[0]) * s, 0.0),
        (-float(half[1]) * s, float(half[1]) * c, 0.0), patterns[int(rng.integers(len(patterns)))],
        (float(tone[0]), float(tone[1]), float(tone[2])), int(rng.integers(8)),
    )  # fmt: skip


def _compressed(image: Image, quality: int) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
