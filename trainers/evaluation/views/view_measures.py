"""Measure poses of named joints against a triangulated reference: lengths in mm, angles in degrees, rates as shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.metrics import align_similarity, area_under_roc

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Bones = tuple[tuple[str, int, int], ...]
LIMBS = (  # name of the bone, its ends
    ("left upper arm", "left_shoulder", "left_elbow"), ("right upper arm", "right_shoulder", "right_elbow"),
    ("left forearm", "left_elbow", "left_wrist"), ("right forearm", "right_elbow", "right_wrist"),
    ("left thigh", "left_hip", "left_knee"), ("right thigh", "right_hip", "right_knee"),
    ("left shin", "left_knee", "left_ankle"), ("right shin", "right_knee", "right_ankle"),
)  # fmt: skip
FEWEST = 4  # joints that an alignment needs: three fit nearly anything
HALF = 0.5  # of the frames: a root whose joints are known less often is none


PROMISED = (1.0, 1.96)  # sigmas: 68 and 95 % of coordinates should lie within


@dataclass(frozen=True)
class Errors:
    """Per frame and joint, NaN where there is no reference or no answer."""

    unaligned: F64  # (T, J) mm, root-relative
    aligned: F64  # (T, J) mm, after a similarity of each frame
    degrees: F64  # (T, B) of the limb bones after it
    velocity: F64  # (T, J) mm a frame, root-relative; NaN in the first
    swapped: F64  # (T,) 1 where left and right exchanged would be nearer
    lengths: F64  # (T, B) mm of the answer's limb bones
    bones: Bones  # names, indices of both ends
    within: F64  # (2, T, J) share of root-relative coordinates that err by no more than 1 and 1.96 sigma
    jitter: F64  # (T, J) mm a frame², length of the answer's second difference less the reference's; NaN at both ends


def measure(xyz: F64, truth: F64, joints: tuple[str, ...], sigma: F64 | None = None) -> Errors:
    """Answer and reference (T, J, 3) m, both in camera axes; sigma (T, J) m of a coordinate."""
    known = all_finite(truth) & all_finite(xyz)
    there = np.where(known[..., None], truth, np.nan)
    rooted, target = xyz - root(xyz, truth, joints), there - root(there, truth, joints)
    fitted = aligned(xyz, there, known)
    ends = tuple((name, joints.index(a), joints.index(b)) for name, a, b in LIMBS if a in joints and b in joints)
    return Errors(
        1000 * _norm(rooted - target), 1000 * _norm(fitted - there), _degrees(fitted, there, ends),
        _first_unknown(1000 * _norm(np.diff(rooted - target, axis=0))), _swapped(fitted, there, xyz, known, joints),
        1000 * _lengths(xyz, known, ends), ends, _within(rooted - target, sigma), 1000 * _jitter(rooted - target),
    )  # fmt: skip


def all_finite(xyz: F64) -> Mask:
    """Return (..., 3) -> (...): points that are known."""
    return np.asarray(np.isfinite(xyz).all(-1))


def root(xyz: F64, truth: F64, joints: tuple[str, ...]) -> F64:
    """Return (T, 1, 3) the middle of the hips; of the shoulders where a film's reference lacks hips."""
    for pair in (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")):
        if all(joint in joints for joint in pair):
            at = [joints.index(joint) for joint in pair]
            if np.isfinite(truth[:, at]).all((1, 2)).mean() >= HALF:
                return np.asarray(xyz[:, at].mean(1, keepdims=True))
    raise ValueError("neither hips nor shoulders are known in half of the frames")


def aligned(xyz: F64, truth: F64, known: Mask) -> F64:
    """Answer turned, scaled and moved onto the reference, each frame by its known joints; NaN with fewer than four."""
    pose, target = (torch.from_numpy(np.where(known[..., None], values, 0.0)) for values in (xyz, truth))
    fitted = align_similarity(pose, target, torch.from_numpy(known)).numpy()
    good = known & (known.sum(-1, keepdims=True) >= FEWEST)
    return np.where(good[..., None], fitted, np.nan)


def _norm(vectors: F64) -> F64:
    return np.asarray(np.linalg.norm(vectors, axis=-1))


def _within(error: F64, sigma: F64 | None) -> F64:
    """Map (T, J, 3) and (T, J) -> (2, T, J); NaN where there is no error or no sigma."""
    if sigma is None:
        return np.full((len(PROMISED), *error.shape[:-1]), np.nan)
    least = np.abs(error) / sigma[..., None]
    told = np.stack([(least <= times).mean(-1) for times in PROMISED])
    return np.where(np.isfinite(least).all(-1), told, np.nan)


def _first_unknown(values: F64) -> F64:
    return np.concatenate([np.full((1, values.shape[1]), np.nan), values])


def _jitter(error: F64) -> F64:
    """Map (T, J, 3) -> (T, J): how much an answer trembles beyond the motion itself."""
    inner = _norm(np.diff(error, 2, axis=0))
    edge = np.full((1, error.shape[1]), np.nan)
    return np.concatenate([edge, inner, edge])[: len(error)]


def _degrees(xyz: F64, truth: F64, ends: Bones) -> F64:
    """Return angle between each bone's direction and the reference's."""
    a, b = [e[1] for e in ends], [e[2] for e in ends]
    one, other = (values[:, b] - values[:, a] for values in (xyz, truth))
    cosine = (one * other).sum(-1) / np.maximum(_norm(one) * _norm(other), 1e-12)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _lengths(xyz: F64, known: Mask, ends: Bones) -> F64:
    a, b = [e[1] for e in ends], [e[2] for e in ends]
    return np.where(known[:, a] & known[:, b], _norm(xyz[:, a] - xyz[:, b]), np.nan)


def _swapped(fitted: F64, truth: F64, xyz: F64, known: Mask, joints: tuple[str, ...]) -> F64:
    """Each way is aligned by itself: the exchanged pose must fit better to count."""
    order = [joints.index(_other_side(joint)) if _other_side(joint) in joints else k for k, joint in enumerate(joints)]
    both = known & known[:, order]
    exchanged = aligned(xyz[:, order], truth, both)
    paired = both & (np.array(order) != np.arange(len(order)))
    near, far = (np.where(paired, _norm(one - truth), 0).sum(-1) for one in (exchanged, fitted))
    return np.where(paired.any(-1) & np.isfinite(near) & np.isfinite(far), near < far, np.nan)


def _other_side(joint: str) -> str:
    side, _, rest = joint.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, joint)


def mean(values: F64, where: Mask | None = None) -> float:
    """Over what is known; NaN where nothing is."""
    chosen = values[np.isfinite(values) if where is None else np.isfinite(values) & where]
    return float(chosen.mean()) if chosen.size else math.nan


def length_variation(lengths: F64) -> float:
    """Return standard deviation of each bone's length over its mean, mean of the bones."""
    known = lengths[:, (np.isfinite(lengths).sum(0) > 1) & (np.nansum(lengths, 0) > 0)]
    return float(np.mean(np.nanstd(known, 0) / np.nanmean(known, 0))) if known.size else math.nan


def flags(reliability: F64, occluded: Mask, threshold: float) -> dict[str, float]:
    """Of "this joint is occluded": area under ROC of low reliability, precision and recall below the threshold."""
    said = reliability < threshold
    both = float((said & occluded).sum())
    return {
        "area": area_under_roc(-torch.from_numpy(reliability), torch.from_numpy(occluded)),
        "precision": both / float(said.sum()) if said.any() else math.nan,
        "recall": both / float(occluded.sum()) if occluded.any() else math.nan,
    }
