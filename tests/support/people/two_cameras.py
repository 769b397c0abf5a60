"""The rendered man before two calibrated cameras, with the reference that the renderer knows: made in a second."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engines.skeleton import BLAZEPOSE_33
from realtime.demo.camera import DemoCamera, look_at
from realtime.demo.world import CylinderWorld
from realtime.detect.mediapipe_detector import Detection

FPS, FRAMES = 20.0, 16
JOINTS = tuple(
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)  # fmt: skip
CAMERAS = {  # sizes differ, so that a fake detector knows whom it looks through
    "cam_a": look_at((320, 400), (0.8, 1.4, 3.4), (0.0, 0.95, 0.0), 62.0),
    "cam_b": look_at((400, 320), (-2.2, 1.2, 2.6), (0.0, 0.95, 0.0), 62.0),
}


@dataclass(frozen=True)
class Stage:
    folder: Path
    world: np.ndarray  # (T, 33, 3) m, all points of the man in the room


def rendered(folder: Path, frames: int = FRAMES) -> Stage:
    """calibration.json, reference.npz and a film of each camera."""
    folder.mkdir(parents=True)
    world = CylinderWorld(3, (320, 400), FPS, motion="wave", boards=False)
    entries, points = [], np.zeros((frames, len(BLAZEPOSE_33), 3))
    for name, camera in CAMERAS.items():
        world.camera = camera
        writer = cv2.VideoWriter(
            str(folder / f"{name}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (camera.width, camera.height)
        )
        for k in range(frames):
            writer.write(world.frame(k)[0])
        writer.release()
        entries.append(calibration(name, camera))
        points = np.stack([camera.to_world(world.people(k)[0].points) for k in range(frames)])
    (folder / "calibration.json").write_text(json.dumps(entries))
    at = [BLAZEPOSE_33.index(joint) for joint in JOINTS]
    np.savez(folder / "reference.npz", xyz=points[:, at], joints=np.array(JOINTS), fps=FPS)
    return Stage(folder, points)


def calibration(name: str, camera: DemoCamera) -> dict:
    return {
        "name": name, "size": [camera.width, camera.height], "K": camera.matrix.tolist(), "dist": [0.0] * 5,
        "R": camera.rotation.tolist(), "t": (-camera.rotation @ np.array(camera.eye)).tolist(),
    }  # fmt: skip


class SeeingDetector:
    """Answers with the man's own points; a point under a grey rectangle is invented 0.3 m off, and hardly visible."""

    joints = BLAZEPOSE_33
    name = "seeing"

    def __init__(self, world: np.ndarray, offset: dict[str, tuple[float, float, float]] | None = None) -> None:
        self.world, self.pictures = world, 0
        self.offset = np.zeros((len(BLAZEPOSE_33), 3))
        for joint, shift in (offset or {}).items():
            self.offset[BLAZEPOSE_33.index(joint)] = shift

    def detect(self, image: np.ndarray, t_ms: int) -> list[Detection]:
        self.pictures += 1
        camera = next(c for c in CAMERAS.values() if (c.height, c.width) == image.shape[:2])
        xyz = camera.to_camera(self.world[round(t_ms * FPS / 1000)])
        hidden = under_grey(image, camera.project(xyz))
        xyz = xyz + self.offset + hidden[:, None] * np.array([0.3, 0, 0])
        hips = xyz[[BLAZEPOSE_33.index("left_hip"), BLAZEPOSE_33.index("right_hip")]].mean(0)
        score = np.where(hidden, 0.05, 0.99).astype(np.float32)
        sure = np.full(len(xyz), 0.99, np.float32)
        return [Detection(camera.project(xyz).astype(np.float32), score, sure, (xyz - hips).astype(np.float32))]

    def reset(self) -> None: ...

    def close(self) -> None: ...


def under_grey(image: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """(J,): the pixels there have no colour at all, as only pasted rectangles have."""
    at = np.clip(np.rint(xy), 0, (image.shape[1] - 1, image.shape[0] - 1)).astype(int)
    colour = image.max(-1).astype(int) - image.min(-1)
    return np.array([colour[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].max() == 0 for x, y in at])
