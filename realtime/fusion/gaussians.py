"""Fuse lines of sight and single-camera poses of one person: a 3D Gaussian a joint, by iterated least squares.

A camera that observes a joint says where it is across its line of sight, to within a few pixels; a single-camera pose
says where it is altogether, to within its sigma.  Information adds; what disagrees with the rest counts less (Cauchy).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
ROUNDS = 4  # of reweighting; the third changes less than a millimetre
ROBUST = 2.5  # standard deviations from which on a claim counts half
NEAREST_M = 0.2  # depth; nobody stands closer to the lens
PARALLEL = 4e-4  # squared sine of the angle between two lines that meet nowhere
ALONE = 1e-6  # information (1/m2) that keeps the system solvable where nobody knows anything


@dataclass(frozen=True)
class Sight:
    """Lines of sight of V cameras to J joints."""

    origin: F64  # (V, 3) m, where cameras stand
    direction: F64  # (V, J, 3) unit vectors
    weight: F64  # (V, J) reliability; 0: not observed
    angle: F64  # (V,) rad, standard deviation of a keypoint


@dataclass(frozen=True)
class Prior:
    """Where single cameras' poses, moved into the room, and the past have the joints: P claims."""

    mean: F64  # (P, J, 3) m
    sigma: F64  # (P, J) m; infinite: says nothing


@dataclass(frozen=True)
class FusedJoints:
    """(J, 3) m and the standard deviation of a coordinate, m."""

    xyz: F64
    sigma: F64
    views: NDArray[np.int64]  # (J,) cameras whose line of sight agrees


def fuse(sight: Sight, prior: Prior, start: F64) -> FusedJoints:
    """Return the most likely joints, from a first guess (J, 3) on; its sigma grows with disagreement."""
    across = np.eye(3) - sight.direction[..., :, None] * sight.direction[..., None, :]  # (V, J, 3, 3)
    anchored = (across @ sight.origin[:, None, :, None])[..., 0]
    known = np.isfinite(prior.sigma)
    certain = np.where(known, 1 / np.where(known, prior.sigma, 1.0) ** 2, 0.0)
    mean = np.where(known[..., None], prior.mean, 0.0)
    x = start
    for _ in range(ROUNDS):
        offset = x - sight.origin[:, None]
        depth = np.maximum((offset * sight.direction).sum(-1), NEAREST_M)
        sigma = depth * sight.angle[:, None]
        apart = np.linalg.norm((across @ offset[..., None])[..., 0], axis=-1) / sigma
        off = np.linalg.norm(x - mean, axis=-1) * np.sqrt(certain)
        rays = sight.weight / sigma**2 * cauchy(apart)
        poses = certain * cauchy(off / np.sqrt(3))
        total = (rays[..., None, None] * across).sum(0) + (poses.sum(0) + ALONE)[:, None, None] * np.eye(3)
        target = (rays[..., None] * anchored).sum(0) + (poses[..., None] * mean).sum(0) + ALONE * start
        x = np.linalg.solve(total, target[..., None])[..., 0]
    spread = np.sqrt(np.trace(np.linalg.inv(total), axis1=-2, axis2=-1) / 3)
    return FusedJoints(x, spread, ((sight.weight > 0) & (apart < 2 * ROBUST)).sum(0))


def cauchy(deviations: F64) -> F64:
    """Return weight of a claim that lies so many standard deviations off."""
    return np.asarray(1 / (1 + (deviations / ROBUST) ** 2))


def crossings(sight: Sight, narrow: float) -> tuple[F64, NDArray[np.bool_]]:
    """Return where lines of sight meet, weighted by reliability: (J, 3) m, and for which joints that says something.

    `narrow`: angle in rad between two lines of sight below which their crossing is a guess.
    """
    across = (np.eye(3) - sight.direction[..., :, None] * sight.direction[..., None, :]) * sight.weight[..., None, None]
    total = across.sum(0) + ALONE * np.eye(3)
    target = (across @ sight.origin[:, None, :, None])[..., 0].sum(0)
    x = np.linalg.solve(total, target[..., None])[..., 0]
    before = ((x - sight.origin[:, None]) * sight.direction).sum(-1) > NEAREST_M
    return x, np.asarray(_wide(sight, narrow) & (before | (sight.weight <= 0)).all(0))


def _wide(sight: Sight, narrow: float) -> NDArray[np.bool_]:
    """Return (J,) two cameras see the joint from directions that differ."""
    wide = np.zeros(sight.weight.shape[1], bool)
    for i, j in combinations(range(len(sight.weight)), 2):
        cosine = np.abs((sight.direction[i] * sight.direction[j]).sum(-1))
        wide |= (sight.weight[i] > 0) & (sight.weight[j] > 0) & (cosine < np.cos(narrow))
    return wide


def gaps(a: Sight, b: Sight) -> F64:
    """Return (J,) m between the lines of sight of two single cameras; infinite where one does not see or they part."""
    one, other, apart = a.direction[0], b.direction[0], b.origin[0] - a.origin[0]
    normal = np.cross(one, other)
    square = np.maximum((normal * normal).sum(-1), 1e-9)
    depths = [(np.cross(apart, d) * normal).sum(-1) / square for d in (other, one)]
    meet = (a.weight[0] > 0) & (b.weight[0] > 0) & (square > PARALLEL) & (np.minimum(*depths) > NEAREST_M)
    return np.where(meet, np.abs(normal @ apart) / np.sqrt(square), np.inf)
