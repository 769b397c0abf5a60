"""Fuse one person of a room: triangulated where two cameras see, else by one camera's pose and the past."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import JointSet
from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.fusion.gaussians import FusedJoints, Prior, crossings, fuse
from realtime.fusion.sides import aligned
from realtime.fusion.view import CameraView, moved, stacked
from realtime.lift.joint_state import FEWEST_SEEN
from realtime.wire.messages import ABSENT, OBSERVED, Person3D

F64 = NDArray[np.float64]
Expected = tuple[F64, F64]  # (J, 3) m, (J,) m
NARROW_RAD = math.radians(5.0)  # between two lines of sight: below, depth is a guess
SCALE_SHARE = 0.05  # of a new frame in the remembered scale of a camera's body
SEEN_TWICE = 3.0  # times the sigma of a single camera's pose, for a joint that two cameras see
REMEMBERED_S = 0.5  # where somebody was longer ago says nothing
CHANGE_M_S = 1.0  # how far joints depart from their path, a second
SPEED_S, DAMPED_S = 0.1, 0.15  # memory of a joint's velocity; how long it goes on
EXPECTED_WEIGHT = 0.1  # of where a joint should be, against where cameras see it
UNSURE_M = 1.0  # sigma of a joint of which nothing is known
FARTHEST_PX = 1e5


@dataclass
class Past:
    """Where the joints were, and how they moved."""

    xyz: F64 | None = None  # (J, 3) m in the room
    sigma: F64 | None = None  # (J,) m
    speed: F64 | None = None  # (J, 3) m/s
    t_ns: int = 0

    def expected(self, t_ns: int) -> Expected | None:
        """Return where the joints should be now, and how unsure that is; None where the past is too old."""
        dt = (t_ns - self.t_ns) * 1e-9
        if self.xyz is None or self.sigma is None or self.speed is None or not 0 < dt <= REMEMBERED_S:
            return None
        return self.xyz + self.speed * dt * math.exp(-dt / DAMPED_S), np.hypot(self.sigma, CHANGE_M_S * dt)

    def see(self, t_ns: int, fused: FusedJoints) -> None:
        dt = (t_ns - self.t_ns) * 1e-9
        if self.xyz is None or self.speed is None or not 0 < dt <= REMEMBERED_S:
            self.speed = np.zeros_like(fused.xyz)
        else:
            share = 1 - math.exp(-dt / SPEED_S)
            self.speed = self.speed + share * ((fused.xyz - self.xyz) / dt - self.speed)
        self.xyz, self.sigma, self.t_ns = fused.xyz, fused.sigma, t_ns


@dataclass
class FusedPerson:
    """What is remembered of a person: how each camera's idea of the body differs in scale."""

    id: int
    scales: dict[int, float] = field(default_factory=dict)  # camera -> true size / its size
    past: Past = field(default_factory=Past)

    def fuse(self, views: dict[int, CameraView], lead: CalibratedCamera, joints: JointSet, t_ns: int) -> Person3D:
        """Return the person in the axes of the lead, camera 0."""
        expected = self.past.expected(t_ns)
        views = aligned(views, joints, None if expected is None else expected[0])
        found, root = self._joints(views, expected), joints.parents.index(-1)
        self.past.see(t_ns, found)
        state = np.stack([view.person.state for view in views.values()]).min(0).astype(np.uint8)
        xyz, sigma = lead.to_camera(found.xyz), np.where(state == ABSENT, UNSURE_M, found.sigma)
        return Person3D(
            self.id, "TRACKED" if np.count_nonzero(state == OBSERVED) >= FEWEST_SEEN else "OCCLUDED",
            (xyz - xyz[root]).astype(np.float32), sigma.astype(np.float32), state,
            np.min([view.person.age_ms for view in views.values()], 0),
            np.max([view.person.reliability for view in views.values()], 0),
            _in_picture(found.xyz, lead, views.get(0)), xyz[root].astype(np.float32),
            metric=len(views) > 1 or bool(self.scales),
        )  # fmt: skip

    def _joints(self, views: dict[int, CameraView], expected: Expected | None) -> FusedJoints:
        sight = stacked([view.sight for view in views.values()])
        crossed, twice = crossings(sight, NARROW_RAD) if len(views) > 1 else _nothing(sight.weight.shape[1])
        onto, weight = crossed, np.where(twice, sight.weight.min(0) + 0.1, 0.0)
        if expected is not None:
            onto, weight = np.where(twice[:, None], crossed, expected[0]), np.where(twice, weight, EXPECTED_WEIGHT)
        unsure = math.sqrt(len(views)) * np.where(twice, SEEN_TWICE, 1.0)  # poses of one detector err alike
        places = [self._place(number, view, onto, weight) for number, view in views.items()]
        sigmas = [view.sigma() * self._scale(number) * unsure for number, view in views.items()]
        if expected is not None:
            places, sigmas = [*places, expected[0]], [*sigmas, expected[1] * np.where(twice, SEEN_TWICE, 1.0)]
        prior = Prior(np.stack(places), np.stack(sigmas))
        return fuse(sight, prior, np.where(twice[:, None], crossed, _mean(prior.mean, prior.sigma)))

    def _place(self, number: int, view: CameraView, onto: F64, weight: F64) -> F64:
        """Return one camera's pose in the room: onto the joints that are known there, else where it says itself."""
        fitted = moved(view.shape, onto, weight)
        if fitted is None:
            return view.placed(self._scale(number))
        place, scale = fitted
        before = self.scales.get(number)
        self.scales[number] = scale if before is None else before + SCALE_SHARE * (scale - before)
        return place

    def _scale(self, number: int) -> float:
        return self.scales.get(number, 1.0)


def _nothing(joints: int) -> tuple[F64, NDArray[np.bool_]]:
    return np.zeros((joints, 3)), np.zeros(joints, bool)


def _mean(places: F64, sigmas: F64) -> F64:
    """Return (J, 3) of the cameras' poses; of joints absent everywhere the plain mean."""
    weight = np.where(np.isfinite(sigmas), 1 / np.where(np.isfinite(sigmas), sigmas, 1.0) ** 2, 1e-6)
    return np.asarray((places * weight[..., None]).sum(0) / weight.sum(0)[:, None])


def _in_picture(xyz: F64, lead: CalibratedCamera, view: CameraView | None) -> NDArray[np.float32]:
    """Return (J, 2) px in the lead's picture: its own keypoints where it sees, else where the pose projects."""
    with np.errstate(all="ignore"):
        projected = np.nan_to_num(lead.pixels(xyz)).clip(-FARTHEST_PX, FARTHEST_PX)
    if view is not None:
        projected = np.where(view.observed[:, None], view.person.xy, projected)
    return projected.astype(np.float32)
