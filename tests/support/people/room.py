"""A man in a room before two cameras, as poses of single cameras: exact truth, detector-like errors, joints hidden."""

from __future__ import annotations

import numpy as np

from engines.skeleton import H36M_17
from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.demo.camera import DemoCamera, look_at
from realtime.wire.messages import INFERRED, OBSERVED, Person3D, Pose3D, Stamp
from tests.support.people.walker import walker

FPS = 30.0
EYES = {"left": (-2.4, 1.3, 2.8), "right": (2.4, 1.4, 2.8), "back": (0.3, 1.5, -3.4)}


def calibrated(name: str, camera: DemoCamera) -> CalibratedCamera:
    centre = -camera.rotation @ np.array(camera.eye)
    return CalibratedCamera(name, (camera.width, camera.height), camera.matrix, np.zeros(5), camera.rotation, centre)


def cameras(*names: str) -> list[CalibratedCamera]:
    return [calibrated(name, look_at((640, 480), EYES[name], (0.0, 0.95, 0.0), 60.0)) for name in names]


def man(t: float, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """(17, 3) m in the room."""
    return walker(t) + np.array(at)


def person(
    camera: CalibratedCamera, xyz: np.ndarray, rng: np.random.Generator, i: int = 1, hidden: tuple[str, ...] = (),
    px: float = 2.0, scale: float = 1.1, deep: float = 0.12,
) -> Person3D:  # fmt: skip
    """What one camera's lifter answers: too large by `scale`, depths off by `deep` m, hidden joints guessed."""
    unseen = np.isin(H36M_17.joints, hidden)
    true = camera.to_camera(xyz)
    wrong = true - true[0]
    wrong[1:, 2] += np.linspace(-deep, deep, 16)
    wrong[unseen] += rng.normal(0, 0.12, (unseen.sum(), 3))
    root = scale * true[0]
    xy = camera.pixels(xyz) + rng.normal(0, px, (17, 2)) + unseen[:, None] * rng.normal(0, 40, (17, 2))
    state = np.where(unseen, INFERRED, OBSERVED).astype(np.uint8)
    sigma = np.where(unseen, 0.15, 0.08).astype(np.float32)
    age = np.where(unseen, 300, 0).astype(np.float32)
    reliability = np.where(unseen, 0.1, 0.9).astype(np.float32)
    return Person3D(
        i, "TRACKED", (scale * wrong).astype(np.float32), sigma, state, age, reliability, xy.astype(np.float32),
        root.astype(np.float32),
    )  # fmt: skip


def pose(source: str, camera: CalibratedCamera, t: float, people: tuple[Person3D, ...], seq: int = 0) -> Pose3D:
    t_ns = round(t * 1e9)
    stamp = Stamp(source, 7, seq, t_ns, t_ns)
    return Pose3D(stamp, *camera.size, "OK" if people else "NO_PERSON", people)


def error_mm(found: Person3D, camera: CalibratedCamera, truth: np.ndarray, joints: tuple[str, ...] = ()) -> float:
    """Mean distance in the room, of some joints or all."""
    assert found.root_cam is not None
    at = [H36M_17.index(joint) for joint in joints] or list(range(17))
    off = found.xyz.astype(np.float64) + found.root_cam - camera.to_camera(truth)
    return float(1000 * np.linalg.norm(off, axis=-1)[at].mean())
