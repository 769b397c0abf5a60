"""Estimate reliability by Eq. 2 of Cheng et al. 2019 and further factors in [0, 1].

Every cue is a factor in [0, 1] and can be switched off; confidence and flow alone are the paper's equation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.config.schema import CueConfig
from realtime.occlude import features
from realtime.occlude.features import FeatureMemory, JointObservation, Measures, measure
from realtime.occlude.optical_flow import Flow
from realtime.wire.arrays import F32

BACK_SIGMA = 0.02  # box heights: flow that returns this far off its start says little
JERK_SIGMA = 0.15  # box heights: keypoints that jump so far off their pixels are outliers
SEEN = 0.5  # whatever a reliability is made of: from here on a keypoint counts as observed
NOWHERE = np.float32(-1)  # in a message: no flow was measured


@dataclass(frozen=True)
class Evidence:
    """(J,) each, lengths in box heights."""

    score: F32
    presence: F32
    residual: F32  # -1 where the pixels could not be traced
    back_error: F32
    acceleration: F32
    border: F32


def gather(
    past: FeatureMemory,
    now: FeatureMemory,
    observation: JointObservation,
    flow: Flow | None,
    measures: Measures | None = None,
) -> Evidence:
    of = measures or measure(observation, flow)
    border, acceleration = of.border / of.size, features.acceleration(past, now, of.size)
    if flow is None:
        unknown = np.full(len(observation.xy), NOWHERE)
        return Evidence(observation.score, observation.presence, unknown, np.zeros_like(unknown), acceleration, border)
    residual = flow_residual(len(observation.xy), flow, of)
    return Evidence(observation.score, observation.presence, residual, flow.back_error / of.size, acceleration, border)


def flow_residual(joints: int, flow: Flow | None, measures: Measures) -> F32:
    """Return the flow residual (J,), box heights; -1 where the pixels could not be traced."""
    if flow is None or measures.residual is None:
        return np.full(joints, NOWHERE)
    return np.where(flow.known, measures.residual, NOWHERE)


def reliability(evidence: Evidence, used: CueConfig, sigma: float) -> F32:
    """Multiply the features in use, each in [0, 1]; confidence and flow alone are Eq. 2."""
    factors = np.ones_like(evidence.score)
    if used.confidence:
        factors = factors * evidence.score
    if used.presence:
        factors = factors * evidence.presence
    if used.flow:
        trust = bell(evidence.back_error, BACK_SIGMA) if used.forward_backward else np.float32(1)
        factors = factors * bell(np.maximum(evidence.residual, 0) * trust, sigma)
    if used.acceleration:
        factors = factors * bell(unexplained(evidence), JERK_SIGMA)
    if used.out_of_frame:
        factors = within(factors, evidence.border)
    return np.asarray(factors, np.float32)


def same_threshold(reliability: F32, threshold: float, wanted: float) -> F32:
    """Rescale reliabilities from `threshold` to `wanted`; 0 and 1 stay."""
    if threshold == wanted or not 0 < threshold < 1:
        return reliability
    low = reliability * (wanted / threshold)
    high = 1 - (1 - reliability) * ((1 - wanted) / (1 - threshold))
    return np.where(reliability < threshold, low, high).astype(np.float32)


def within(values: F32, border: F32) -> F32:
    """Set values of joints outside the picture to 0."""
    return np.asarray(np.where(border >= 0, values, 0), np.float32)


def unexplained(evidence: Evidence) -> F32:
    """Return the acceleration that the pixels did not make, too."""
    both = np.minimum(evidence.acceleration, evidence.residual)
    return np.asarray(np.where(evidence.residual >= 0, both, evidence.acceleration), np.float32)


def bell(distance: F32, sigma: float) -> F32:
    return np.asarray(np.exp(-0.5 * np.square(distance / sigma)), np.float32)
