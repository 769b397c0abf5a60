"""Compute one row of occlusion features per joint and frame from one person's keypoints.

Trainers and runtime call the same `features`; a learned reliability engine sees nothing else.
Lengths are in box heights of the person, so that distance and resolution do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.contract import TICK_S
from engines.skeleton import JointSet
from realtime.occlude.appearance import remember
from realtime.occlude.optical_flow import Flow
from realtime.wire.arrays import F32
from realtime.wire.keypoints import box_size, logit

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


def joint_features(
    past: FeatureMemory | None, seen: JointObservation, flow: Flow | None, dt: float, joints: JointSet
) -> tuple[F32, FeatureMemory]:
    """(J, F) in the order of FEATURES, and the past for the next frame.

    `past` None starts a track.  `flow` traces `past.xy` into this frame; None when the pixels were lost.
    """
    now = remembered(past, seen, dt)
    if past is None:
        past, flow = now, None
    size = box_size(seen.xy)
    columns = {
        **_confidence(seen),
        **_flow(seen, flow, size),
        **_motion(past, now, size),
        **_looks(past, seen),
        **_shape(seen, joints, size),
        "age": min(now.age_s, 2.0) / 2,
    }
    table = np.empty((len(joints), len(FEATURES)), np.float32)
    for place, name in enumerate(FEATURES):
        table[:, place] = columns[name]
    return np.clip(np.nan_to_num(table), -LIMIT, LIMIT), now


def remembered(past: FeatureMemory | None, seen: JointObservation, dt: float) -> FeatureMemory:
    if past is None:
        return FeatureMemory(seen.xy, np.zeros_like(seen.xy), 0.0, seen.look)
    velocity = np.asarray((seen.xy - past.xy) / max(dt, 1e-3), np.float32)
    return FeatureMemory(seen.xy, velocity, past.age_s + dt, remember(past.look, seen.look, dt))


def residual(xy: F32, flow: Flow, size: float) -> F32:
    """(J,) box heights: |o - d| of Eq. 2 of Cheng 2019.  Both steps start at the last keypoint: their ends differ."""
    return np.asarray(np.linalg.norm(flow.moved - xy, axis=1) / size, np.float32)


def acceleration(past: FeatureMemory, now: FeatureMemory, size: float) -> F32:
    """(J,) box heights: change of the step of one tick."""
    return np.asarray(np.linalg.norm(now.velocity - past.velocity, axis=1) * TICK_S / size, np.float32)


def border_distance(xy: F32, width: int, height: int) -> F32:
    """(J,) px to the nearest border of the picture, negative outside."""
    return np.asarray(np.minimum(xy, np.array([width, height], np.float32) - xy).min(1), np.float32)


Columns = dict[str, NDArray[np.floating[Any]] | float]


def _confidence(seen: JointObservation) -> Columns:
    score = logit(seen.score)
    return {"score": score * 0.25, "presence": logit(seen.presence) * 0.25, "mean_score": float(score.mean()) / 4}


def _flow(seen: JointObservation, flow: Flow | None, size: float) -> Columns:
    names = ("flow_residual", "back_error", "patch_error", "flow_known")
    if flow is None:
        return dict.fromkeys(names, 0.0)
    known = flow.known.astype(np.float32)
    parted = residual(seen.xy, flow, size) * 10, flow.back_error / size * 10, flow.patch_error * 4
    return dict(zip(names, (*(column * known for column in parted), known)))


def _looks(past: FeatureMemory, seen: JointObservation) -> Columns:
    if past.look is None or seen.look is None:
        return dict.fromkeys(("tone", "grain", "look_known"), 0.0)
    change = np.abs(seen.look - past.look)
    known = np.isfinite(change).all(1)
    tone, grain = np.where(known[:, None], change, 0).T
    return {"tone": tone * 6, "grain": grain * 10, "look_known": known.astype(np.float32)}


def _motion(past: FeatureMemory, now: FeatureMemory, size: float) -> Columns:
    step = now.velocity * (TICK_S / size * 10)  # (J, 2)
    body = np.median(step, 0)
    return {
        "speed": np.linalg.norm(step - body, axis=1).astype(np.float32),
        "acceleration": acceleration(past, now, size) * 10,
        "speed_x": step[:, 0],
        "speed_y": step[:, 1],
    }


def _shape(seen: JointObservation, joints: JointSet, size: float) -> Columns:
    parents = [i if parent < 0 else parent for i, parent in enumerate(joints.parents)]
    offset = (seen.xy - seen.xy[parents]) / size * 2
    place = (seen.xy - (seen.xy.min(0) + seen.xy.max(0)) / 2) / size
    depth = np.zeros(len(joints), np.float32) if seen.world is None else seen.world[:, 2]
    border = border_distance(seen.xy, seen.width, seen.height) / size
    return {
        "parent_x": offset[:, 0],
        "parent_y": offset[:, 1],
        "body_x": place[:, 0],
        "body_y": place[:, 1],
        "border": np.clip(border, -0.5, 0.5) * 2,
        "depth": depth * 2,
        "depth_parent": (depth - depth[parents]) * 4,
        "size": size / max(seen.height, 1),
    }
