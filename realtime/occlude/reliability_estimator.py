"""Estimate the reliability of keypoints, by Eq. 2 of Cheng et al. 2019 and further cues or by a learned engine.

A filter has one estimator; a learned one leaves to the rule whom it has no slot for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from engines.skeleton import JointSet
from realtime.config.schema import OcclusionConfig
from realtime.occlude.features import (
    FeatureMemory,
    JointObservation,
    Measures,
    joint_features,
    measure,
    remembered,
)
from realtime.occlude.learned import LearnedReliability
from realtime.occlude.optical_flow import Flow
from realtime.occlude.rule_based import SEEN, gather, reliability, same_threshold, within
from realtime.wire.arrays import F32


class MeasuredPerson(NamedTuple):
    """What an estimator has of one person in one frame, and before."""

    past: FeatureMemory
    now: FeatureMemory
    observed: JointObservation
    flow: Flow | None
    measures: Measures
    features: F32 | None = None  # (J, F) for a learned engine


class ReliabilityEstimator(Protocol):
    """Reliabilities in [0, 1] whose threshold is `rule_based.SEEN`."""

    samples_pixels: bool  # wants the appearance around keypoints in an observation

    def reset(self) -> None:
        """Forget everybody: another stream begins."""

    def measure(
        self, past: FeatureMemory | None, observed: JointObservation, flow: Flow | None, dt: float
    ) -> MeasuredPerson:
        """Measure one person; `dt` s since `past`, which is None where a track begins."""

    def estimate(self, t_ns: int, people: Mapping[int, MeasuredPerson]) -> dict[int, F32]:
        """Estimate reliability (J,) of everybody in the frame, by id."""


@dataclass
class RuleBasedEstimator:
    """A `ReliabilityEstimator` by Eq. 2 and the cues that are switched on."""

    config: OcclusionConfig
    samples_pixels: bool = False

    def reset(self) -> None:
        """Nothing is remembered here."""

    def measure(
        self, past: FeatureMemory | None, observed: JointObservation, flow: Flow | None, dt: float
    ) -> MeasuredPerson:
        """Measure one person."""
        now = remembered(past, observed, dt)
        return MeasuredPerson(past or now, now, observed, flow, measure(observed, flow))

    def estimate(self, t_ns: int, people: Mapping[int, MeasuredPerson]) -> dict[int, F32]:
        """Multiply the cues in use."""
        return {i: self.by_rule(person) for i, person in people.items()}

    def by_rule(self, person: MeasuredPerson) -> F32:
        """Multiply the cues in use of one person, (J,)."""
        cues = gather(person.past, person.now, person.observed, person.flow, person.measures)
        return same_threshold(reliability(cues, self.config.cues, self.config.sigma), self.config.threshold, SEEN)


@dataclass
class LearnedEstimator:
    """A `ReliabilityEstimator` that asks an engine; `rule` answers for whom the engine has no slot."""

    learned: LearnedReliability
    rule: RuleBasedEstimator
    joints: JointSet
    samples_pixels: bool = True

    def reset(self) -> None:
        """Start the engine's state anew."""
        self.learned.reset()

    def measure(
        self, past: FeatureMemory | None, observed: JointObservation, flow: Flow | None, dt: float
    ) -> MeasuredPerson:
        """Measure one person and compute the engine's features."""
        measures = measure(observed, flow)
        features, now = joint_features(past, observed, flow, dt, self.joints, measures)
        return MeasuredPerson(past or now, now, observed, flow, measures, features)

    def estimate(self, t_ns: int, people: Mapping[int, MeasuredPerson]) -> dict[int, F32]:
        """Ask the engine once for everybody."""
        rows = {i: person.features for i, person in people.items() if person.features is not None}
        answers = self.learned.judge(t_ns, rows)
        return {
            i: self._bounded(answers[i], person) if i in answers else self.rule.by_rule(person)
            for i, person in people.items()
        }

    def _bounded(self, answer: F32, person: MeasuredPerson) -> F32:
        """Rescale the engine's reliability to the common threshold; 0 for joints undetected or outside the picture."""
        answer = same_threshold(answer, self.learned.threshold, SEEN)
        answer = np.where(person.observed.score > 0, answer, np.float32(0))
        return within(answer, person.measures.border) if self.rule.config.cues.out_of_frame else answer
