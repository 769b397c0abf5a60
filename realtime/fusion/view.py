"""Tell what one camera of a room says about one person: lines of sight, and its pose moved into the room."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.fusion.gaussians import Sight
from realtime.wire.messages import ABSENT, OBSERVED, Person3D

F64 = NDArray[np.float64]
KEYPOINT = 0.006  # standard deviation of a keypoint that counts, of the picture's longer side
FLOOR_M = 0.04  # no single camera's pose is better
FEWEST_TO_MOVE, FEWEST_TO_TURN = 3, 6  # joints that a pose is moved and scaled by, and turned by
SCALES = 0.6, 1.6  # of a single camera's body to the true one; beyond, something else is wrong


@dataclass(frozen=True)
class CameraView:
    """One person as one camera has it."""

    camera: CalibratedCamera  # of the picture's size
    person: Person3D

    @cached_property
    def observed(self) -> NDArray[np.bool_]:
        """(J,) joints the camera sees now."""
        return np.asarray((self.person.state == OBSERVED) & (self.person.reliability > 0))

    @cached_property
    def sight(self) -> Sight:
        """One line of sight a joint; joints that are not observed weigh nothing."""
        rays = self.camera.rays(self.person.xy)
        ahead = np.concatenate([rays, np.ones_like(rays[:, :1])], -1) @ self.camera.R
        direction = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
        weight = np.where(self.observed, self.person.reliability, 0.0).astype(np.float64)
        angle = KEYPOINT * max(self.camera.size) / float(self.camera.K[0, 0])
        return Sight(self.camera.centre[None], direction[None], weight[None], np.array([angle]))

    @cached_property
    def shape(self) -> F64:
        """(J, 3) m the pose in the room's axes, relative to its root."""
        return np.asarray(self.person.xyz.astype(np.float64) @ self.camera.R)

    def placed(self, scale: float) -> F64:
        """Return (J, 3) m in the room, as far as one camera knows: where its root is, for a body of this scale."""
        root = np.zeros(3) if self.person.root_cam is None else self.person.root_cam.astype(np.float64)
        return np.asarray(self.camera.centre + scale * (self.shape + root @ self.camera.R))

    def sigma(self) -> F64:
        """Return (J,) m; infinite where the joint is absent."""
        said = np.maximum(self.person.sigma.astype(np.float64), FLOOR_M)
        return np.where(self.person.state == ABSENT, np.inf, said)


def stacked(sights: list[Sight]) -> Sight:
    """Return all cameras' lines of sight."""
    return Sight(*(np.concatenate([getattr(s, f) for s in sights]) for f in ("origin", "direction", "weight", "angle")))


def moved(shape: F64, onto: F64, weight: F64) -> tuple[F64, float] | None:
    """Return a pose (J, 3) turned, scaled and moved onto joints (J, 3) by weights (J,), and its scale; None: too
    few."""
    count = int((weight > 0).sum())
    if count < FEWEST_TO_MOVE:
        return None
    share = weight / weight.sum()
    middle, target = share @ shape, share @ onto
    a, b = shape - middle, onto - target
    turn = _turn((a * share[:, None]).T @ b) if count >= FEWEST_TO_TURN else np.eye(3)
    a = a @ turn
    size = float(share @ (a * a).sum(-1))
    scale = float(share @ (a * b).sum(-1)) / max(size, 1e-9)
    if not SCALES[0] < scale < SCALES[1]:
        return None
    return scale * a + target, scale


def _turn(covariance: F64) -> F64:
    """Return the rotation that brings the first set of directions nearest to the second (Kabsch), for row vectors."""
    u, _, v = np.linalg.svd(covariance)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    return np.asarray(u @ flip @ v)
