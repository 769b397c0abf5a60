"""2D keypoints with reliabilities -> 3D poses: any engine under the contract, for everybody in the picture.

Knows: people and their history, what a pose message says.  Does not know: sockets, stages, pixels of pictures.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import open_engine
from engines.contract import BATCHES, TICK_S, map_reliability
from engines.engine import Engine
from engines.skeleton import JOINT_SETS, mapping
from engines.store import names
from realtime.config.schema import CameraConfig, LiftConfig, RunConfig
from realtime.engine_io.engine_feed import LifterInput, LifterOutput, feed_for
from realtime.lift.camera_model import CameraModel, camera_model_for
from realtime.lift.innovation_gate import FADE, TALL_M, InnovationGate
from realtime.lift.joint_state import FEWEST_SEEN, JointTracker
from realtime.lift.root import Gravity, Stature, fit_root
from realtime.occlude.rule_based import SEEN, same_threshold
from realtime.wire.arrays import F32
from realtime.wire.messages import ABSENT, OBSERVED, Keypoints2D, Person2D, Person3D, Pose3D, Stamp

UNSURE_M = 1.0  # sigma of a joint of which nothing is known
PREFERRED = ("causal-small", "hold")  # what `auto` means, best first
LONGEST_REASON = 200  # characters
FEWEST_FOR_ROOT = 3  # joints seen; with fewer the root stays where it was


@dataclass
class Body:
    """What is remembered of one person."""

    gate: InnovationGate
    memory: JointTracker
    stature: Stature
    root: F32 | None = None
    xyz: F32 | None = None


@dataclass(frozen=True)
class PersonObservation:
    """One person in one frame: what the detector claimed and what the gate left of it."""

    inputs: LifterInput
    xy: F32  # (J, 2) px, of the pose's joints
    reliability: F32  # (J,)


@dataclass(frozen=True)
class Frame:
    keypoints: Keypoints2D
    claims: dict[int, PersonObservation]


def open_lifter(config: RunConfig) -> Lifter:
    """The engine asked for, verified and warmed up, ready for as many people as the run may meet."""
    batch = next(b for b in BATCHES if b >= config.detector.people)
    engine = open_engine(chosen(config.lift.engine), config.lift.device, batch, config.lift.allow_cpu)
    return Lifter(engine, config.lift, config.camera, config.occlusion.source())


def chosen(engine: str) -> str:
    """`auto` is the best lifter the store has."""
    if engine != "auto":
        return engine
    there = names()
    return next((name for name in PREFERRED if name in there), PREFERRED[-1])


class Lifter:
    def __init__(self, engine: Engine, config: LiftConfig, camera: CameraConfig, reliability_source: str) -> None:
        self.engine, self.config, self.camera = engine, config, camera
        self.joints = JOINT_SETS[engine.contract.joints_out]
        self.reliability_source = reliability_source
        self._weights = mapping(engine.contract.joints_in, self.joints.name)
        single = (self._weights != 0).sum(1) == 1
        self._sources = np.where(single, (self._weights != 0).argmax(1), -1)
        self._feed = feed_for(engine, int(config.max_gap_ms * 1e6))
        self._bodies: dict[int, Body] = {}
        self._frames: deque[Frame] = deque()
        self._gravity = Gravity(camera.tilt_deg)
        self._last: Stamp | None = None
        self._lens: CameraModel | None = None
        self._size = (0, 0)

    def info(self) -> dict[str, Any]:
        """What Hello says about this lifter."""
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
        self._bodies.clear()
        self._frames.clear()
        self._last = None

    def lift(self, found: Keypoints2D) -> list[Pose3D]:
        """The answers this frame makes possible: without look-ahead, exactly its own."""
        stamp = found.stamp
        if self._last and (stamp.stream != self._last.stream or stamp.t_capture_ns <= self._last.t_capture_ns):
            self.reset()
        if self._lens is None or self._size != (found.width, found.height):
            self._size, self._lens = (
                (found.width, found.height),
                camera_model_for(self.camera, found.width, found.height),
            )
        self._last = stamp
        people = [p for p in found.people if p.reliability is not None]
        gone = set(self._bodies) - {p.id for p in people}
        frame = Frame(found, {p.id: self._claim(p, stamp.t_capture_ns) for p in people})
        self._frames.append(frame)
        answers = self._feed.feed(stamp.t_capture_ns, {i: c.inputs for i, c in frame.claims.items()})
        poses = self._poses(answers)
        if not self._frames:
            for i in gone:
                del self._bodies[i]
        return poses

    def flush(self) -> list[Pose3D]:
        """The frames that still waited for their future."""
        return self._poses(self._feed.flush())

    # --- before the network ---------------------------------------------------------------------------------------

    def _claim(self, person: Person2D, t_ns: int) -> PersonObservation:
        """Finite input, gated."""
        assert person.reliability is not None and self._lens is not None
        body = self._bodies.setdefault(person.id, self._born())
        good = np.isfinite(person.xy).all(-1) & (np.abs(person.xy) < 1e6).all(-1) & np.isfinite(person.reliability)
        xy = np.where(good[:, None], person.xy, 0).astype(np.float32)
        told = np.where(good, person.reliability, 0).clip(0, 1).astype(np.float32)
        told = same_threshold(told, SEEN, self.engine.contract.threshold)
        mapped = np.asarray(self._weights @ xy, np.float32)
        reliable = map_reliability(told, self._weights) >= self.engine.contract.threshold
        height = self._height_px(body)
        doubted = body.gate.is_outlier(t_ns, mapped, reliable, height, self._bone_px(body))
        told[self._sources[doubted & (self._sources >= 0)]] *= FADE
        reliability = map_reliability(told, self._weights)
        body.gate.accept(t_ns, mapped, reliability >= self.engine.contract.threshold)
        world = np.zeros((len(xy), 3), np.float32) if person.world is None else finite(person.world)
        return PersonObservation(LifterInput(self._lens.rays(xy), told, world), mapped, reliability)

    def _born(self) -> Body:
        limbs = np.flatnonzero((self._sources >= 0) & (np.asarray(self.joints.parents) >= 0))
        memory = JointTracker(self.joints, self.config.inferred_ms, self.config.held_ms)
        return Body(InnovationGate(self.joints, limbs, self.config.gate), memory, Stature(self.camera.height_m))

    def _height_px(self, body: Body) -> float:
        if body.root is None or self._lens is None:
            return 0.0
        return float(TALL_M * self._lens.fy / max(body.root[2], 0.1))

    def _bone_px(self, body: Body) -> F32:
        if body.root is None or body.xyz is None or self._lens is None:
            return np.zeros(len(self.joints), np.float32)
        parents = np.asarray(self.joints.parents)
        length = np.linalg.norm(body.xyz - body.xyz[parents], axis=-1)
        depth = np.maximum(body.root[2] + body.xyz[:, 2] - length, 0.2)
        return np.asarray(length * self._lens.fx / depth * (parents >= 0), np.float32)

    # --- after the network ----------------------------------------------------------------------------------------

    def _poses(self, answers: list[tuple[int, dict[int, LifterOutput]]]) -> list[Pose3D]:
        return [self._pose(self._frames.popleft(), lifted) for _, lifted in answers]

    def _pose(self, frame: Frame, lifted: dict[int, LifterOutput]) -> Pose3D:
        found, t_ns = frame.keypoints, frame.keypoints.stamp.t_capture_ns
        made = [self._person(i, frame.claims[i], one, t_ns) for i, one in lifted.items() if i in frame.claims]
        people = tuple(p for p in made if p is not None)
        up, source = self._gravity.update(t_ns, people, self.joints)
        return Pose3D(
            found.stamp, found.width, found.height, "OK" if people else "NO_PERSON", people, up, source,
            self.look_ahead_ms, dropped=found.dropped, stage_us=dict(found.stage_us),
        )  # fmt: skip

    def _person(self, i: int, claim: PersonObservation, lifted: LifterOutput, t_ns: int) -> Person3D | None:
        if not np.isfinite(lifted.xyz).all():
            raise FloatingPointError(f"{self.engine.name} answered with numbers that are not finite")
        body, lens = self._bodies[i], self._lens
        assert lens is not None
        observed = claim.reliability >= self.engine.contract.threshold
        state, age = body.memory.see(t_ns, observed)
        scale = body.stature.update(lifted.xyz, observed, self.joints)
        xyz = body.memory.freeze_bones(np.asarray(scale * lifted.xyz, np.float32), state)
        if observed.sum() >= FEWEST_FOR_ROOT:
            body.root = fit_root(xyz, lens.rays(claim.xy), claim.reliability * observed)
        body.xyz = xyz
        sigma = np.full(len(xyz), UNSURE_M, np.float32) if lifted.log_sigma is None else np.exp(lifted.log_sigma)
        return Person3D(
            i, "TRACKED" if (state == OBSERVED).sum() >= FEWEST_SEEN else "OCCLUDED", xyz,
            np.where(state == ABSENT, UNSURE_M, scale * finite(sigma)).astype(np.float32), state, age,
            claim.reliability, self._shown(claim.xy, observed, xyz, body.root, lens), body.root,
            metric=lens.calibrated and self.camera.height_m is not None,
        )  # fmt: skip

    @staticmethod
    def _shown(xy: F32, observed: NDArray[np.bool_], xyz: F32, root: F32 | None, lens: CameraModel) -> F32:
        """Observed keypoints where they were seen, hidden ones where the pose puts them."""
        if root is None:
            return xy
        return np.where(observed[:, None], xy, lens.pixels(xyz + root).clip(-1e5, 1e5)).astype(np.float32)


def finite(values: F32) -> F32:
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
