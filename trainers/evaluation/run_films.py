"""Run a film through the production cores: detector -> tracker -> occlusion filter once, then lifter after lifter.

What the detector and the filter say of a film does not depend on the lifter, so it is computed once and lifted often.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from engines.engine import Engine
from engines.errors import EngineError
from engines.skeleton import BLAZEPOSE_33, JointSet
from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.config.schema import CameraConfig, OcclusionConfig, RunConfig
from realtime.detect.mediapipe_detector import Detector
from realtime.detect.tracker import Tracker
from realtime.lift.lifter import Lifter
from realtime.occlude.occlusion_filter import OcclusionFilter, open_filter
from realtime.occlude.rule_based import SEEN
from realtime.transport.frame_ring import grey_copy
from realtime.wire.messages import Keypoints2D, Pose3D, Stamp
from trainers.errors import UserError

Image = NDArray[np.uint8]
F64 = NDArray[np.float64]
PEOPLE = 1  # one person is judged, whom the detector follows


@dataclass(frozen=True)
class Observed:
    """One film as detector and occlusion filter see it."""

    keypoints: list[Keypoints2D]  # a frame each, with reliabilities
    world: F64  # (T, 33, 3) m, the detector's own 3D before the filter mends swapped sides; NaN before anybody is found

    def reliability(self, joints: tuple[str, ...]) -> F64:
        """Return (T, J) of the detector's joints by name; 0 where nobody is followed."""
        at = [BLAZEPOSE_33.index(name) for name in joints]
        return np.stack([_reliability(frame)[at] for frame in self.keypoints])


@dataclass(frozen=True)
class LiftedFilm:
    """What a lifter says of a film."""

    xyz: F64  # (T, J, 3) m, camera axes; NaN where there is no answer
    sigma: F64 | None = None  # (T, J) m


def observe(images: Iterable[Image], fps: float, detector: Detector, config: RunConfig) -> Observed:
    """Return a film from its first picture on, as a new stream."""
    detector.reset()
    tracker, occlusion = Tracker(PEOPLE, config.tracking.lost_s, 1), opened_filter(config.occlusion)
    keypoints, world = [], []
    for k, image in enumerate(images):
        t_ns = round(k / fps * 1e9)
        people = detector.detect(image, t_ns // 1_000_000)
        found = tracker.update(people, Stamp("film", 1, k, t_ns, t_ns), image.shape[1], image.shape[0])
        world.append(_world(found))
        keypoints.append(occlusion.update(found, *grey_copy(image)))
    return Observed(keypoints, np.stack(world))


def opened_filter(config: OcclusionConfig) -> OcclusionFilter:
    try:
        return open_filter(config, PEOPLE)
    except EngineError as error:
        raise UserError(f"--reliability: {error}") from None


def _world(frame: Keypoints2D) -> F64:
    """Return (33, 3) of the first person; NaN without one."""
    if not frame.people or frame.people[0].world is None:
        return np.full((len(BLAZEPOSE_33), 3), np.nan)
    return np.asarray(frame.people[0].world, np.float64)


def _reliability(frame: Keypoints2D) -> F64:
    if not frame.people or frame.people[0].reliability is None:
        return np.zeros(len(BLAZEPOSE_33))
    return np.asarray(frame.people[0].reliability, np.float64)


def lifted(observed: Observed, engine: Engine, config: RunConfig) -> tuple[list[Pose3D], JointSet]:
    """Return a pose a frame, and its joints."""
    lifter = Lifter(engine, config.lift, config.camera, config.occlusion.source())
    lifter.reset()
    return [pose for frame in observed.keypoints for pose in lifter.lift(frame)] + lifter.flush(), lifter.joints


def lift(observed: Observed, engine: Engine, config: RunConfig, joints: tuple[str, ...]) -> LiftedFilm:
    """Return joints by name; NaN where the lifter has no answer or no such joint."""
    poses, of = lifted(observed, engine, config)
    xyz = np.full((len(observed.keypoints), len(joints), 3), np.nan)
    sigma = np.full(xyz.shape[:2], np.nan)
    there = [(k, of.index(name)) for k, name in enumerate(joints) if name in of.joints]
    for pose in poses:
        for person in pose.people[:PEOPLE]:
            for k, joint in there:
                xyz[pose.stamp.seq, k], sigma[pose.stamp.seq, k] = person.xyz[joint], person.sigma[joint]
    return LiftedFilm(xyz, sigma)


def detector_3d(observed: Observed, joints: tuple[str, ...]) -> F64:
    """(T, J, 3) m: the detector's own 3D as it came; the last one while nobody is found."""
    return observed.world[:, [BLAZEPOSE_33.index(name) for name in joints]]


def last_observed(observed: Observed, joints: tuple[str, ...]) -> F64:
    """Return (T, J, 3) m: the detector's own 3D, an occluded joint where it was last observed, from the middle of the
    hips."""
    at = [BLAZEPOSE_33.index(name) for name in joints]
    mended = np.stack([_world(frame)[at] for frame in observed.keypoints])
    seen = observed.reliability(joints) >= SEEN
    frames = np.arange(len(seen))[:, None]
    last = np.maximum.accumulate(np.where(seen, frames, -1), 0)
    held = np.take_along_axis(mended, np.maximum(last, 0)[..., None], 0)
    return np.where((last >= 0)[..., None], held, mended)


@contextmanager
def calibrated(config: RunConfig, camera: CalibratedCamera) -> Iterator[RunConfig]:
    """Provide the run's settings with this camera's lens, given as a user gives it: in a file of intrinsics."""
    (fx, fy), (cx, cy) = np.diag(camera.K)[:2].tolist(), camera.K[:2, 2].tolist()
    lens = {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": camera.size[0], "height": camera.size[1]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "intrinsics.yaml"
        path.write_text(yaml.safe_dump(lens | {"distortion": camera.dist.tolist()}))
        yield replace(config, camera=CameraConfig(intrinsics=str(path)))
