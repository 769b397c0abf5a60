"""Compute one row of occlusion features per joint and frame from one person's keypoints.

Trainers and runtime call the same `features`; a learned reliability engine sees nothing else.
Lengths are in box heights of the person, so that distance and resolution do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engines.contract import TICK_S
from engines.skeleton import JointSet
from realtime.occlude.appearance import remember
from realtime.occlude.optical_flow import Flow
from realtime.wire.arrays import F32
from realtime.wire.keypoints import box, distance, logit, size_of

FEATURES = (
    "score",  # log-odds of the visibility, this frame's own, / 4
    "presence",  # log-odds of the presence, / 4
    "flow_residual",  # keypoint's step against the step of the pixels under it; x 10
    "back_error",  # of the flow traced forth and back; x 10
    "patch_error",  # how much the pixels that were followed changed, 0..1; x 4
    "flow_known",  # 1: the three above were measured
    "speed",  # of the keypoint relative to the body's own, per 1/30 s; x 10
    "acceleration",  # change of velocity in 1/30 s; x 10
    "speed_x",  # signed, of the keypoint, per 1/30 s; x 10
    "speed_y",
    "parent_x",  # offset from the parent joint; x 2
    "parent_y",
    "body_x",  # offset from the middle of the box
    "body_y",
    "border",  # distance to the nearest picture border, negative outside, within [-0.5, 0.5]; x 2
    "depth",  # the detector's own depth from the middle of the hips, m; x 2
    "depth_parent",  # the same against the parent; x 4
    "mean_score",  # of the whole person, log-odds / 4
    "size",  # box height over picture height
    "tone",  # change of the brightness around it against what is remembered of it; x 6
    "grain",  # the same of the deviation of the brightness; x 10
    "look_known",  # 1: the two above were measured
    "age",  # s since the track began, at most 2; / 2
)
LIMIT = 4.0  # no feature is larger; outliers say no more than "large"


@dataclass(frozen=True)
class JointObservation:
    """One person in one frame, as the detector answered (left and right repaired)."""

    xy: F32  # (J, 2) px
    score: F32  # (J,)
    presence: F32  # (J,)
    world: F32 | None  # (J, 3) m
    width: int
    height: int
    look: F32 | None = None  # (J, 2) of realtime.occlude.appearance; None when the pixels were lost


@dataclass(frozen=True)
class FeatureMemory:
    """What the next frame needs to know of this one."""

    xy: F32  # (J, 2) px
    velocity: F32  # (J, 2) px/s
    age_s: float
    look: F32 | None = None  # (J, 2) what is remembered of the pixels


@dataclass(frozen=True)
class Measures:
    """What several judges ask of one observation, measured once."""

    low: F32  # (2,) px, of the box around the keypoints
    high: F32
    size: float  # px, box height
    border: F32  # (J,) px to the nearest border of the picture, negative outside
    residual: F32 | None  # (J,) box heights: |o - d| of Eq. 2 of Cheng 2019; None when the pixels were lost


def measure(observation: JointObservation, flow: Flow | None) -> Measures:
    low, high = box(observation.xy)
    size = size_of(low, high)
    border = border_distance(observation.xy, observation.width, observation.height)
    return Measures(low, high, size, border, None if flow is None else residual(observation.xy, flow, size))


def joint_features(
    past: FeatureMemory | None, observation: JointObservation, flow: Flow | None, dt: float, joints: JointSet,
    measures: Measures | None = None,
) -> tuple[F32, FeatureMemory]:  # fmt: skip
    """Return (J, F) in the order of FEATURES, and the past for the next frame.

    `past` None starts a track.  `flow` traces `past.xy` into this frame; None when the pixels were lost.
    """
    now, of = remembered(past, observation, dt), measures or measure(observation, flow)
    if past is None:
        past, flow = now, None
    table = np.zeros((len(joints), len(FEATURES)), np.float32)
    _confidence(table, observation)
    if flow is not None and of.residual is not None:
        _flow(table, of.residual, flow, of.size)
    _motion(table, past, now, of.size)
    _looks(table, past, observation)
    _shape(table, observation, of, parents_of(joints))
    table[:, AGE] = min(now.age_s, 2.0) / 2
    if not np.isfinite(np.add.reduce(table, None)):
        np.nan_to_num(table, copy=False)
    np.maximum(table, -LIMIT, out=table)
    return np.minimum(table, LIMIT, out=table), now


def remembered(past: FeatureMemory | None, observation: JointObservation, dt: float) -> FeatureMemory:
    if past is None:
        return FeatureMemory(observation.xy, np.zeros_like(observation.xy), 0.0, observation.look)
    velocity = np.asarray((observation.xy - past.xy) / max(dt, 1e-3), np.float32)
    return FeatureMemory(observation.xy, velocity, past.age_s + dt, remember(past.look, observation.look, dt))


def residual(xy: F32, flow: Flow, size: float) -> F32:
    """(J,) box heights: |o - d| of Eq. 2 of Cheng 2019.  Both steps start at the last keypoint: their ends differ."""
    return np.asarray(distance(flow.moved, xy) / size, np.float32)


def acceleration(past: FeatureMemory, now: FeatureMemory, size: float) -> F32:
    """Return the acceleration (J,), box heights: change of the step of one tick."""
    return np.asarray(distance(now.velocity, past.velocity) * TICK_S / size, np.float32)


def border_distance(xy: F32, width: int, height: int) -> F32:
    """Return the distance to the nearest picture border (J,), px, negative outside."""
    return np.asarray(np.minimum.reduce(np.minimum(xy, np.array([width, height], np.float32) - xy), 1), np.float32)


@cache
def parents_of(joints: JointSet) -> NDArray[np.int64]:
    """(J,) each joint's parent; the root is its own."""
    return np.array([i if parent < 0 else parent for i, parent in enumerate(joints.parents)])


COLUMN = {name: place for place, name in enumerate(FEATURES)}
FLOW = slice(COLUMN["flow_residual"], COLUMN["patch_error"] + 1)
STEP = slice(COLUMN["speed_x"], COLUMN["speed_y"] + 1)
FROM_PARENT = slice(COLUMN["parent_x"], COLUMN["parent_y"] + 1)
FROM_BODY = slice(COLUMN["body_x"], COLUMN["body_y"] + 1)
AGE = COLUMN["age"]


def _confidence(table: F32, observation: JointObservation) -> None:
    odds = logit(observation.score)
    table[:, COLUMN["score"]] = odds * 0.25
    table[:, COLUMN["presence"]] = logit(observation.presence) * 0.25
    table[:, COLUMN["mean_score"]] = np.add.reduce(odds) / np.float32(len(odds)) / 4


def _flow(table: F32, residual: F32, flow: Flow, size: float) -> None:
    known, columns = flow.known.astype(np.float32), table[:, FLOW]
    columns[:, 0] = residual * 10
    columns[:, 1] = flow.back_error / size * 10
    columns[:, 2] = flow.patch_error * 4
    columns *= known[:, None]
    table[:, COLUMN["flow_known"]] = known


def _looks(table: F32, past: FeatureMemory, observation: JointObservation) -> None:
    if past.look is None or observation.look is None:
        return
    change = np.abs(observation.look - past.look)
    known = np.isfinite(change).all(1)
    if not known.all():
        change = np.where(known[:, None], change, 0)
    table[:, COLUMN["tone"]] = change[:, 0] * 6
    table[:, COLUMN["grain"]] = change[:, 1] * 10
    table[:, COLUMN["look_known"]] = known


def _motion(table: F32, past: FeatureMemory, now: FeatureMemory, size: float) -> None:
    step = now.velocity * (TICK_S / size * 10)  # (J, 2)
    table[:, COLUMN["speed"]] = distance(step, median(step))
    table[:, COLUMN["acceleration"]] = acceleration(past, now, size) * 10
    table[:, STEP] = step


def median(values: F32) -> F32:
    """Map (N, C) -> (C,); an odd N, as joints are, needs no mean."""
    middle, even = len(values) // 2, len(values) % 2 == 0
    return np.median(values, 0) if even else np.sort(values, 0)[middle]


def _shape(table: F32, observation: JointObservation, of: Measures, parents: NDArray[np.int64]) -> None:
    table[:, FROM_PARENT] = (observation.xy - observation.xy[parents]) / of.size * 2
    table[:, FROM_BODY] = (observation.xy - (of.low + of.high) / 2) / of.size
    border = of.border / of.size
    table[:, COLUMN["border"]] = np.minimum(np.maximum(border, -0.5), 0.5) * 2
    table[:, COLUMN["size"]] = of.size / max(observation.height, 1)
    if observation.world is not None:
        depth = observation.world[:, 2]
        table[:, COLUMN["depth"]] = depth * 2
        table[:, COLUMN["depth_parent"]] = (depth - depth[parents]) * 4
