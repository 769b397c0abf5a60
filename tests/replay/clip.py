"""A recorded clip and what the cores answer to it: the rendered man, seen by the real detector, behind a board.

`python -m tests.replay.clip record` records pictures and detections anew (needs the detector's model) and
`python -m tests.replay.clip golden` the answers: only after a change of the output that was wanted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines import open_engine
from realtime.config.schema import OcclusionConfig, RunConfig
from realtime.detect.mediapipe_detector import Detection
from realtime.detect.tracker import Tracker
from realtime.lift.lifter import Lifter
from realtime.occlude.occlusion_filter import open_filter
from realtime.wire.messages import JOINT_STATES, Pose3D, Stamp
from tests.support.paths import DATA

CLIP, GOLDEN = DATA / "clip.npz", DATA / "golden.npz"
SIZE, HZ = (320, 240), 30
SCALE = 0.5  # of the grey pictures
WORLD_SEED, FIRST, COUNT = 2, 20, 60
START_NS = 10**12
TOLERANCE_M, TOLERANCE_RELIABILITY, TOLERANCE_STATES = 0.005, 0.05, 0.01

Detections = list[Detection]


@dataclass(frozen=True)
class Moment:
    """What the stages behind the detector are given of one frame."""

    i: int  # frame number: 1/30 s each
    grey: np.ndarray | None
    people: Detections
    stream: int = 1

    @property
    def stamp(self) -> Stamp:
        return Stamp("clip", self.stream, self.i, START_NS + self.i * 10**9 // HZ, 0)


def load(path: Path = CLIP) -> list[Moment]:
    with np.load(path) as data:
        ends = np.cumsum(data["jpeg_bytes"])
        greys = [cv2.imdecode(part, cv2.IMREAD_GRAYSCALE) for part in np.split(data["jpeg"], ends[:-1])]
        return [Moment(i, grey, [_detection(row)]) for i, (grey, row) in enumerate(zip(greys, data["found"]))]


def _detection(row: np.ndarray) -> Detection:
    row = row.astype(np.float32)
    return Detection(row[:, :2], row[:, 2], row[:, 3], row[:, 4:])


def there_and_back(clip: list[Moment], count: int) -> list[Moment]:
    """A longer clip without a jump: forwards, backwards, forwards, ..."""
    period = clip + clip[-2:0:-1]
    return [Moment(i, period[i % len(period)].grey, period[i % len(period)].people) for i in range(count)]


def open_lifter(config: RunConfig, people: int = 1) -> Lifter:
    batch = next(b for b in (1, 4, 16) if b >= people)
    engine = open_engine("hold", "cpu", batch)
    return Lifter(engine, config.lift, config.camera, config.occlusion.source())


def answers(
    moments: Iterable[Moment], people: int = 1, size: tuple[int, int] = SIZE, reliability: str = ""
) -> list[Pose3D]:
    """Tracking, occlusion filter and lifter, one after another, as the offline chain has them.

    By rules, unless a reliability engine is named: answers must not change when a network is trained anew.
    """
    config = RunConfig(occlusion=OcclusionConfig(engine=reliability))
    tracker, occlusion = Tracker(people, config.tracking.lost_s, 1), open_filter(config.occlusion, people)
    lifter = open_lifter(config, people)
    poses: list[Pose3D] = []
    for moment in moments:
        found = tracker.update(moment.people, moment.stamp, *size)
        poses += lifter.lift(occlusion.update(found, moment.grey, SCALE))
    return poses


def compare(golden: dict[str, np.ndarray], poses: Sequence[Pose3D], joints: Sequence[str]) -> list[str]:
    """One line for each joint that differs; empty when all is as it was."""
    found = table(poses)
    if found["xyz"].shape != golden["xyz"].shape:
        return [f"shape {found['xyz'].shape}, golden {golden['xyz'].shape}"]
    apart = np.linalg.norm(found["xyz"] - golden["xyz"], axis=-1)  # (T, J)
    doubt = np.abs(found["reliability"] - golden["reliability"])
    states = found["state"] != golden["state"]
    bad = (apart.max(0) > TOLERANCE_M) | (np.quantile(doubt, 0.99, 0) > TOLERANCE_RELIABILITY)
    bad |= states.mean(0) > TOLERANCE_STATES
    return [_line(joints[j], j, apart, doubt, states, golden, found) for j in np.flatnonzero(bad).tolist()]


def _line(
    name: str, j: int, apart: np.ndarray, doubt: np.ndarray, states: np.ndarray, *sides: dict[str, np.ndarray]
) -> str:
    worst = int(apart[:, j].argmax())
    was, now = (JOINT_STATES[int(side["state"][worst, j])] for side in sides)
    return (
        f"{name:15s} worst {apart[worst, j] * 1e3:6.1f} mm in frame {worst} ({was} -> {now}), "
        f"mean {apart[:, j].mean() * 1e3:5.1f} mm, reliability {doubt[:, j].max():.2f}, "
        f"states {states[:, j].mean():.0%} of frames"
    )


def table(poses: Sequence[Pose3D]) -> dict[str, np.ndarray]:
    people = [pose.people[0] for pose in poses]
    return {name: np.stack([getattr(p, name) for p in people]) for name in ("xyz", "state", "reliability")}


def record() -> None:
    from realtime.config.schema import DetectorConfig
    from realtime.demo.world import CylinderWorld
    from realtime.detect.mediapipe_detector import open_detector

    world, detector = CylinderWorld(WORLD_SEED, size=SIZE), open_detector(DetectorConfig())
    images = [world.frame(FIRST + i)[0] for i in range(COUNT)]
    found = [detector.detect(image, i * 1000 // HZ)[0] for i, image in enumerate(images)]
    detector.close()
    greys = [
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA)
        for image in images
    ]
    jpegs = [cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 75])[1] for grey in greys]
    rows = [np.hstack([d.xy, d.score[:, None], d.presence[:, None], d.world]) for d in found]  # type: ignore[list-item]
    np.savez_compressed(
        CLIP, jpeg=np.concatenate(jpegs), jpeg_bytes=[len(j) for j in jpegs], found=np.array(rows, np.float32)
    )


def record_golden() -> None:
    found = table(answers(load()))
    arrays: dict[str, Any] = {k: v if k == "state" else v.astype(np.float32) for k, v in found.items()}
    np.savez_compressed(GOLDEN, **arrays)


COMMANDS: dict[str, Callable[[], None]] = {"record": record, "golden": record_golden}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]]()
