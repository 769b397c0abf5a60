"""Lift 2D keypoints with reliabilities to 3D poses: one call of the engine for everybody in the picture."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines import open_engine
from engines.contract import BATCHES, TICK_S
from engines.engine import Engine
from engines.store import names
from realtime.config.detector_models import named_in
from realtime.config.schema import CameraConfig, LiftConfig, RunConfig
from realtime.engine_io.engine_feed import LifterOutput, feed_for
from realtime.lift.camera_model import CameraModel, camera_model_for, read_calibration
from realtime.lift.person import JointMapping, PersonLifter, PersonObservation
from realtime.lift.root import Gravity
from realtime.wire.messages import Keypoints2D, Pose3D, Stamp

PREFERRED = ("causal-37", "causal-small", "hold")  # what `auto` means, best first
LONGEST_REASON = 200  # characters


@dataclass(frozen=True)
class PendingFrame:
    """A frame that waits for its answer."""

    keypoints: Keypoints2D
    people: dict[int, PersonObservation]
    camera: CameraModel


def open_lifter(config: RunConfig) -> Lifter:
    """Open the engine asked for, verified and warmed up, for as many people as the run may meet."""
    batch = next(b for b in BATCHES if b >= config.detector.people)
    name = chosen(config.lift.engine, config.detector.model)
    engine = open_engine(name, config.lift.device, batch, config.lift.allow_cpu)
    return Lifter(engine, config.lift, config.camera, config.occlusion.source())


def chosen(engine: str, detector: str) -> str:
    """Resolve `auto` to the best lifter that the store has for a detector, told by its name or its model's."""
    if engine != "auto":
        return engine
    there, own = names(), f"{PREFERRED[0]}-{named_in(detector)}"
    return next((name for name in (own, *PREFERRED) if name in there), PREFERRED[-1])


class Lifter:
    def __init__(self, engine: Engine, config: LiftConfig, camera: CameraConfig, reliability_source: str) -> None:
        self.engine, self.config, self.camera = engine, config, camera
        self.reliability_source = reliability_source
        self._mapped = JointMapping.of(engine.contract)
        self.joints = self._mapped.joints
        self._calibration = read_calibration(camera)
        self._feed = feed_for(engine, int(config.max_gap_ms * 1e6))
        self._people: dict[int, PersonLifter] = {}
        self._frames: deque[PendingFrame] = deque()
        self._gravity = Gravity(camera.tilt_deg)
        self._last: Stamp | None = None
        self._camera_model: CameraModel | None = None
        self._size = (0, 0)

    def info(self) -> dict[str, Any]:
        """Describe this lifter for Hello."""
        return {
            "joints": self.joints.joints,
            "parents": self.joints.parents,
            "reliability_source": self.reliability_source,
            "threshold": self.engine.contract.threshold,
            "engine": self.engine.name,
            "engine_sha256": self.engine.sha256,
            "provider": self.engine.provider,
            "why": self.engine.reason[:LONGEST_REASON],
            "look_ahead_ms": self.look_ahead_ms,
        }

    @property
    def look_ahead_ms(self) -> float:
        return self.engine.contract.look_ahead * TICK_S * 1e3

    def reset(self) -> None:
        """Forget everybody."""
        self._feed.reset()
        self._people.clear()
        self._frames.clear()
        self._last = None

    def lift(self, keypoints: Keypoints2D) -> list[Pose3D]:
        """Answer what this frame makes possible: without look-ahead, exactly its own pose."""
        stamp = keypoints.stamp
        if self._last and (stamp.stream != self._last.stream or stamp.t_capture_ns <= self._last.t_capture_ns):
            self.reset()
        self._last = stamp
        frame = self._prepared(keypoints)
        gone = set(self._people) - set(frame.people)
        self._frames.append(frame)
        poses = self._poses(self._feed.feed(stamp.t_capture_ns, {i: p.inputs for i, p in frame.people.items()}))
        if not self._frames:
            for i in gone:
                del self._people[i]
        return poses

    def rest(self) -> None:
        """Do beforehand what the next frame needs and its keypoints do not; changes no answer."""
        if self._camera_model is not None:
            for person in self._people.values():
                person.expect(self._camera_model)

    def flush(self) -> list[Pose3D]:
        """Answer the frames that still waited for their future."""
        return self._poses(self._feed.flush())

    def _prepared(self, keypoints: Keypoints2D) -> PendingFrame:
        camera, t_ns = self._camera(keypoints.width, keypoints.height), keypoints.stamp.t_capture_ns
        people = {
            p.id: self._person(p.id).prepare(p, t_ns, camera) for p in keypoints.people if p.reliability is not None
        }
        return PendingFrame(keypoints, people, camera)

    def _person(self, i: int) -> PersonLifter:
        if i not in self._people:
            self._people[i] = PersonLifter(self._mapped, self.config, self.camera)
        return self._people[i]

    def _camera(self, width: int, height: int) -> CameraModel:
        if self._camera_model is None or self._size != (width, height):
            self._size = width, height
            self._camera_model = camera_model_for(self.camera, width, height, self._calibration)
        return self._camera_model

    def _poses(self, answers: list[tuple[int, dict[int, LifterOutput]]]) -> list[Pose3D]:
        return [self._pose(self._frames.popleft(), outputs) for _, outputs in answers]

    def _pose(self, frame: PendingFrame, outputs: dict[int, LifterOutput]) -> Pose3D:
        if not all(np.isfinite(output.xyz).all() for output in outputs.values()):
            raise FloatingPointError(f"{self.engine.name} answered with numbers that are not finite")
        keypoints, t_ns = frame.keypoints, frame.keypoints.stamp.t_capture_ns
        people = tuple(
            self._people[i].finish(i, frame.people[i], output, t_ns, frame.camera)
            for i, output in outputs.items()
            if i in frame.people
        )
        up, source = self._gravity.update(t_ns, people, self.joints)
        return Pose3D(
            keypoints.stamp, keypoints.width, keypoints.height, "OK" if people else "NO_PERSON", people, up, source,
            self.look_ahead_ms, dropped=keypoints.dropped, stage_us=dict(keypoints.stage_us),
        )  # fmt: skip
