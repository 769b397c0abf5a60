"""Prepare one person's keypoints for the lifter, and finish its answer into the person of a pose message."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.contract import Contract
from engines.skeleton import JOINT_SETS, JointSet, mapping
from realtime.config.schema import CameraConfig, LiftConfig
from realtime.engine_io.engine_feed import LifterInput, LifterOutput
from realtime.lift.camera_model import CameraModel
from realtime.lift.innovation_gate import FADE, TALL_M, InnovationGate
from realtime.lift.joint_state import FEWEST_SEEN, JointTracker, parents_of
from realtime.lift.root import Stature, fit_root
from realtime.occlude.rule_based import SEEN, same_threshold
from realtime.wire.arrays import F32
from realtime.wire.keypoints import distance, within_bounds
from realtime.wire.messages import ABSENT, OBSERVED, Person2D, Person3D

FAR_PX = 1e6  # keypoints beyond are no keypoints
UNSURE_M = 1.0  # sigma of a joint of which nothing is known
FEWEST_FOR_ROOT = 3  # joints observed; with fewer the root stays where it was


@dataclass(frozen=True)
class PersonObservation:
    """One person in one frame: what the detector claimed and what the gate left of it."""

    inputs: LifterInput
    xy: F32  # (J, 2) px, of the pose's joints
    reliability: F32  # (J,)


@dataclass(frozen=True)
class JointMapping:
    """How the joints of a pose are made from the detector's: the same for everybody."""

    joints: JointSet
    weights: F32  # (J, detector's joints)
    sources: NDArray[np.int64]  # (J,) the one source of a joint; -1: several
    among: NDArray[np.int64]  # (J, K) all of its sources, the first one repeated
    threshold: float  # of the engine: reliable from here on

    @staticmethod
    def of(contract: Contract) -> JointMapping:
        joints = JOINT_SETS[contract.joints_out]
        weights = mapping(contract.joints_in, joints.name)
        used = weights != 0
        sources = np.where(used.sum(1) == 1, used.argmax(1), -1)
        every = [np.flatnonzero(row) for row in used]
        among = np.array([np.resize(one, max(map(len, every))) for one in every])
        return JointMapping(joints, weights, sources, among, contract.threshold)

    def reliability(self, of_sources: F32) -> F32:
        """(J,) as `map_reliability` of the contract: a joint is as reliable as the worst of its sources."""
        return np.asarray(np.minimum.reduce(of_sources[self.among], 1), np.float32)


class PersonLifter:
    """What is remembered of one person between frames."""

    def __init__(self, mapped: JointMapping, config: LiftConfig, camera: CameraConfig) -> None:
        limbs = np.flatnonzero((mapped.sources >= 0) & (np.asarray(mapped.joints.parents) >= 0))
        self._mapped, self._metric = mapped, camera.height_m is not None
        self._gate = InnovationGate(mapped.joints, limbs, config.gate)
        self._states = JointTracker(mapped.joints, config.inferred_ms, config.held_ms)
        self._stature = Stature(camera.height_m)
        self._root: F32 | None = None
        self._xyz: F32 | None = None
        self._expected: tuple[CameraModel, float, F32] | None = None

    # --- before the network ---------------------------------------------------------------------------------------

    def prepare(self, person: Person2D, t_ns: int, camera: CameraModel) -> PersonObservation:
        """Make the lifter's input: finite, and without claims that no body could have made."""
        assert person.reliability is not None
        mapped = self._mapped
        xy, reliable = sane_claims(person.xy, person.reliability)
        reliable = same_threshold(reliable, SEEN, mapped.threshold)
        joints = np.asarray(mapped.weights @ xy, np.float32)
        reliability = self._without_outliers(reliable, joints, t_ns, camera)
        self._gate.accept(t_ns, joints, reliability >= mapped.threshold)
        world = np.zeros((len(xy), 3), np.float32) if person.world is None else finite(person.world)
        return PersonObservation(LifterInput(camera.rays(xy), reliable, world), joints, reliability)

    def _without_outliers(self, reliable: F32, joints: F32, t_ns: int, camera: CameraModel) -> F32:
        """Lower the reliability of outliers, in place, and return it joint by joint (J,)."""
        mapped = self._mapped
        reliability = mapped.reliability(reliable)
        counted = reliability >= mapped.threshold
        if self._expected is None or self._expected[0] is not camera:
            self.expect(camera)
        assert self._expected is not None
        outliers = self._gate.is_outlier(t_ns, joints, counted, *self._expected[1:])
        if not outliers.any():
            return reliability
        reliable[mapped.sources[outliers & (mapped.sources >= 0)]] *= FADE
        return mapped.reliability(reliable)

    def expect(self, camera: CameraModel) -> None:
        """Predict the person's height and longest bones in the next picture, px; needs no keypoints of it."""
        self._expected = camera, self._height_px(camera), self._bone_px(camera)

    def _height_px(self, camera: CameraModel) -> float:
        return 0.0 if self._root is None else float(TALL_M * camera.fy / max(self._root[2], 0.1))

    def _bone_px(self, camera: CameraModel) -> F32:
        """Return the longest apparent length of each bone (J,), px; 0 unknown."""
        if self._root is None or self._xyz is None:
            return np.zeros(len(self._mapped.joints), np.float32)
        parents = parents_of(self._mapped.joints)
        length = distance(self._xyz, self._xyz[parents])
        depth = np.maximum(self._root[2] + self._xyz[:, 2] - length, 0.2)
        return np.asarray(length * camera.fx / depth * (parents >= 0), np.float32)

    # --- after the network ----------------------------------------------------------------------------------------

    def finish(
        self, i: int, observation: PersonObservation, output: LifterOutput, t_ns: int, camera: CameraModel
    ) -> Person3D:
        """Make the message's person: joint states, stature, root, uncertainty."""
        observed = observation.reliability >= self._mapped.threshold
        state, age = self._states.see(t_ns, observed)
        scale = self._stature.update(output.xyz, observed, self._mapped.joints)
        xyz = self._states.freeze_bones(np.asarray(scale * output.xyz, np.float32), state)
        if np.count_nonzero(observed) >= FEWEST_FOR_ROOT:
            self._root = fit_root(xyz, camera.rays(observation.xy), observation.reliability * observed)
        self._xyz, self._expected = xyz, None
        sigma = np.full(len(xyz), UNSURE_M, np.float32) if output.log_sigma is None else np.exp(output.log_sigma)
        return Person3D(
            i, "TRACKED" if np.count_nonzero(state == OBSERVED) >= FEWEST_SEEN else "OCCLUDED", xyz,
            np.where(state == ABSENT, UNSURE_M, scale * finite(sigma)).astype(np.float32), state, age,
            observation.reliability, in_picture(observation.xy, observed, xyz, self._root, camera), self._root,
            metric=camera.calibrated and self._metric,
        )  # fmt: skip


def in_picture(xy: F32, observed: NDArray[np.bool_], xyz: F32, root: F32 | None, camera: CameraModel) -> F32:
    """Place observed keypoints where they were seen, hidden ones where the pose projects, px."""
    if root is None or observed.all():
        return xy
    return np.where(observed[:, None], xy, camera.pixels(xyz + root).clip(-1e5, 1e5)).astype(np.float32)


def sane_claims(xy: F32, reliability: F32) -> tuple[F32, F32]:
    """Return finite keypoints and a copy of their reliabilities; what is not finite lies at 0 with reliability 0."""
    if within_bounds(xy, -FAR_PX, FAR_PX) and within_bounds(reliability, 0, 1):
        return xy, reliability.copy()
    good = np.isfinite(xy).all(-1) & (np.abs(xy) < FAR_PX).all(-1) & np.isfinite(reliability)
    some = np.where(good, reliability, 0).clip(0, 1).astype(np.float32)
    return np.where(good[:, None], xy, 0).astype(np.float32), some


def finite(values: F32) -> F32:
    if np.isfinite(np.add.reduce(values, None)):
        return values
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
