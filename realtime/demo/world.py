"""Play the demo: cylinder people in a room, occluders passing in front, with exact truth.

`frame(i)` is a pure function of the seed and i: frames may be asked for in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import Body, J
from realtime.demo.camera import DemoCamera, look_at
from realtime.demo.hidden import HiddenJoints, hidden
from realtime.demo.looks import BOARD_PATTERNS, CLOTHS, Pool, SceneAppearance, draw_look
from realtime.demo.motion import draw_motion
from realtime.demo.occluders import Occluder
from realtime.demo.render import flesh_out, render_people
from realtime.demo.skeleton import draw_bones
from realtime.wire.messages import Stamp, Truth

F64 = NDArray[np.float64]
Image = NDArray[np.uint8]
_BOARD_EVERY_S = 4.0
_TARGETS = (
    "left_wrist",
    "right_wrist",
    "left_elbow",
    "right_elbow",
    "left_knee",
    "right_knee",
    "pelvis",
    "right_ankle",
    "left_ankle",
)


class CylinderWorld:
    def __init__(
        self,
        seed: int = 0,
        size: tuple[int, int] = (640, 480),
        fps: float = 30.0,
        look: SceneAppearance | None = None,
        motion: str = "mix",
        people: int = 1,
        fov_deg: float = 60.0,
        boards: bool = True,
        camera: DemoCamera | None = None,
        look_pool: Pool = "train",
    ) -> None:
        if people < 1 or fps <= 0 or min(size) < 16:
            raise ValueError(f"a world needs people >= 1, fps > 0 and a size from 16x16; got {people}, {fps}, {size}")
        self.seed, self.fps, self.with_boards, self.pool = seed, fps, boards, look_pool
        self.camera = camera or _front_camera(size, fov_deg)
        self.looks = [look if look and k == 0 else draw_look(seed * 101 + k, look_pool) for k in range(people)]
        self.bones = [draw_bones(seed * 101 + k) for k in range(people)]
        facing = _facing(self.camera)
        self.motions = [draw_motion(seed * 101 + k, motion, facing, bones) for k, bones in enumerate(self.bones)]
        self.homes = [np.array([_home(k, people), 0.0, 0.0]) for k in range(people)]

    def people(self, i: int) -> list[Body]:
        """Everyone's body in frame i, camera axes."""
        t = i / self.fps
        joints = [motion.at(t, bones) + home for motion, bones, home in zip(self.motions, self.bones, self.homes)]
        return [flesh_out(self.camera.to_camera(x), self.camera) for x in joints]

    def boards(self, i: int) -> tuple[Occluder, ...]:
        if not self.with_boards:
            return ()
        t = i / self.fps
        passing = _passing_board(self, int(t // _BOARD_EVERY_S), t % _BOARD_EVERY_S)
        return (passing,) if passing else ()

    def hidden(self, i: int) -> list[HiddenJoints]:
        """Return why points are hidden, by reason, for everyone in frame i."""
        return hidden(self.people(i), self.camera, self.boards(i))

    def frame(self, i: int) -> tuple[Image, Truth]:
        people, boards = self.people(i), self.boards(i)
        image = render_people(people, self.looks, self.camera, boards, frame=i)
        reasons = hidden(people, self.camera, boards)
        xyz = np.stack([person.joints for person in people])
        t_ns = round(i / self.fps * 1e9)
        truth = Truth(
            Stamp("demo", self.seed, i, t_ns, t_ns),
            xyz_cam=xyz.astype(np.float32),
            xy=self.camera.project(xyz).astype(np.float32),
            hidden=np.stack([r.any[:17] for r in reasons]).astype(np.uint8),
        )
        return image, truth


def _front_camera(size: tuple[int, int], fov_deg: float) -> DemoCamera:
    """Stands back far enough to show a whole person walking about."""
    narrow = np.tan(np.radians(fov_deg) / 2) * min(size) / max(size)
    tall = 1.35 if size[1] <= size[0] else 1.35 * size[1] / size[0] / 1.6
    away = float(np.clip(max(tall, 1.3) / narrow, 2.2, 7.0))
    return look_at(size, (0.0, 1.35, away), (0.0, 0.92, 0.0), fov_deg)


def turned_camera(size: tuple[int, int], fov_deg: float, turn_deg: float) -> DemoCamera:
    """Return the front camera, moved about the people by an angle to their left."""
    front = _front_camera(size, fov_deg)
    angle, away = np.radians(turn_deg), front.eye[2]
    return look_at(
        size, (float(away * np.sin(angle)), front.eye[1], float(away * np.cos(angle))), (0.0, 0.92, 0.0), fov_deg
    )


def _facing(camera: DemoCamera) -> float:
    return float(np.arctan2(camera.eye[0], camera.eye[2]))


def _home(k: int, people: int) -> float:
    return (k - (people - 1) / 2) * 0.9


def _passing_board(world: CylinderWorld, number: int, since: float) -> Occluder | None:
    """Board `number` of the schedule, `since` seconds after its turn began: it crosses or hangs still."""
    rng = np.random.default_rng([world.seed, 13, number])
    start, length = rng.uniform(0.8, 1.6), rng.uniform(0.4, 2.0)
    if not start <= since <= start + length:
        return None
    middle = (number * _BOARD_EVERY_S + start + length / 2) * world.fps
    person = world.people(round(middle))[int(rng.integers(len(world.looks)))]
    target = person.joints[J[_TARGETS[int(rng.integers(len(_TARGETS)))]]]
    depth = float(np.clip(rng.uniform(0.6, 0.88) * person.joints[:, 2].min(), 0.3, 20.0))
    centre = target * depth / max(target[2], 0.3)
    speed = rng.uniform(0.3, 1.2) * rng.choice([-1, 1]) * (rng.random() < 0.6)
    centre[0] += speed * (since - start - length / 2)
    half = rng.uniform(0.08, 0.28, 2) * depth / person.joints[0, 2] * (1, 1.4)
    tilt = rng.uniform(-0.4, 0.4)
    across, along = (
        half[0] * np.array([np.cos(tilt), np.sin(tilt), 0]),
        half[1] * np.array([-np.sin(tilt), np.cos(tilt), 0]),
    )
    patterns, tones = BOARD_PATTERNS[world.pool], CLOTHS[world.pool]
    pattern, tone = patterns[int(rng.integers(len(patterns)))], tones[int(rng.integers(len(tones)))]
    return Occluder(_vector(centre), _vector(across), _vector(along), pattern, tone, seed=world.seed * 1000 + number)


def _vector(v: F64) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
