"""Filter occlusions: keypoints and grey pictures -> one reliability in [0, 1] per keypoint.

Flow runs from the previous to this frame; the paper looks one ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from engines.contract import BATCHES
from engines.skeleton import BLAZEPOSE_33, JointSet
from realtime.config.schema import OcclusionConfig
from realtime.occlude.appearance import sample_patch
from realtime.occlude.features import FeatureMemory, JointObservation
from realtime.occlude.learned import LearnedReliability
from realtime.occlude.left_right_swaps import SwapRepair
from realtime.occlude.optical_flow import Flow, Grey, trace
from realtime.occlude.reliability_estimator import (
    LearnedEstimator,
    MeasuredPerson,
    ReliabilityEstimator,
    RuleBasedEstimator,
)
from realtime.occlude.rule_based import NOWHERE, flow_residual
from realtime.wire.arrays import F32
from realtime.wire.keypoints import sane, sane_presence, sane_world
from realtime.wire.messages import Keypoints2D, Person2D, Stamp

FLOW_GAP_S = 0.25  # pixels are not traced across a longer gap


@dataclass
class PersonFilter:
    """What is remembered of one person between frames."""

    swaps: SwapRepair
    past: FeatureMemory | None = None
    t_ns: int = 0


@dataclass(frozen=True)
class Traced:
    """Flow from the frame before into a frame whose keypoints are not known yet."""

    stamp: Stamp
    people: tuple[int, ...]  # in the order of the flow's points
    flow: Flow


class ObservedPerson(NamedTuple):
    detected: Person2D
    measured: MeasuredPerson | None = None  # None: lost


@dataclass
class OcclusionFilter:
    """Give it every frame of a stream in order.  `without_flow` counts people in frames whose pixels were lost."""

    config: OcclusionConfig
    learned: LearnedReliability | None = None
    joints: JointSet = BLAZEPOSE_33
    without_flow: int = 0
    _people: dict[int, PersonFilter] = field(default_factory=dict)
    _stream: int | None = None
    _grey: Grey | None = None
    _grey_ns: int = 0
    _traced: Traced | None = None

    def __post_init__(self) -> None:
        rule = RuleBasedEstimator(self.config)
        self.estimator: ReliabilityEstimator = (
            LearnedEstimator(self.learned, rule, self.joints) if self.learned else rule
        )

    def prepare(self, stamp: Stamp, grey: Grey, scale: float) -> None:
        """Trace everybody of the last frame into this one, before it is known who is seen in it; changes no answer."""
        self._traced = None
        pasts = {i: self._past(i) for i in self._people if self._just_seen(i, stamp.t_capture_ns)}
        if stamp.stream == self._stream and self._grey is not None and pasts:
            self._traced = Traced(stamp, tuple(pasts), self._trace(pasts, grey, scale))

    def update(self, keypoints: Keypoints2D, grey: Grey | None, scale: float) -> Keypoints2D:
        """`grey` is this frame's picture, `scale` its width over the frame's; None when it was overwritten."""
        if keypoints.stamp.stream != self._stream:
            self._forget(keypoints.stamp.stream)
        flows = self._flows(keypoints, grey, scale)
        pixels = (grey, scale) if grey is not None and self.estimator.samples_pixels else None
        observed = [self._person(person, keypoints, flows.get(person.id), pixels) for person in keypoints.people]
        measured = {p.detected.id: p.measured for p in observed if p.measured}
        reliability = self.estimator.estimate(keypoints.stamp.t_capture_ns, measured)
        people = tuple(
            weighed(p.detected, p.measured, reliability[p.detected.id]) if p.measured else lost(p.detected)
            for p in observed
        )
        self._people = {p.id: self._people[p.id] for p in people}
        self._grey, self._grey_ns = grey, keypoints.stamp.t_capture_ns
        return replace(keypoints, people=people)

    def _forget(self, stream: int) -> None:
        self._people, self._grey, self._stream = {}, None, stream
        self.estimator.reset()

    def _flows(self, keypoints: Keypoints2D, grey: Grey | None, scale: float) -> dict[int, Flow]:
        """Compute the optical flow of everybody seen in the previous frame and in this one, in one call."""
        t_ns = keypoints.stamp.t_capture_ns
        pasts = {p.id: self._past(p.id) for p in keypoints.people if p.score.any() and self._just_seen(p.id, t_ns)}
        self.without_flow += len(pasts) if grey is None or self._grey is None else 0
        if grey is None or self._grey is None or not pasts:
            return {}
        ahead = self._traced
        same = ahead is not None and ahead.stamp == keypoints.stamp and ahead.people == tuple(pasts)
        flow = ahead.flow if ahead and same else self._trace(pasts, grey, scale)
        count = len(self.joints)
        return {i: flow.part(slice(k * count, (k + 1) * count)) for k, i in enumerate(pasts)}

    def _trace(self, pasts: dict[int, FeatureMemory], grey: Grey, scale: float) -> Flow:
        assert self._grey is not None
        return trace(self._grey, grey, np.concatenate([past.xy for past in pasts.values()]), scale)

    def _just_seen(self, person: int, t_ns: int) -> bool:
        known = self._people.get(person)
        return bool(
            known and known.past and known.t_ns == self._grey_ns and 0 < t_ns - self._grey_ns < FLOW_GAP_S * 1e9
        )

    def _past(self, person: int) -> FeatureMemory:
        past = self._people[person].past
        assert past is not None
        return past

    def _person(
        self, detected: Person2D, keypoints: Keypoints2D, flow: Flow | None, pixels: tuple[Grey, float] | None
    ) -> ObservedPerson:
        """Repair left and right, and measure."""
        known = self._people.setdefault(detected.id, PersonFilter(SwapRepair(self.joints)))
        if not detected.score.any():
            return ObservedPerson(detected)
        dt = (keypoints.stamp.t_capture_ns - known.t_ns) * 1e-9 if known.past else 0.0
        seen = self._seen(detected, keypoints, known.past, pixels)
        if self.config.cues.swap:
            seen = known.swaps.repair(known.past, seen, dt)
        measured = self.estimator.measure(known.past, seen, flow, dt)
        known.past, known.t_ns = measured.now, keypoints.stamp.t_capture_ns
        return ObservedPerson(detected, measured)

    def _seen(
        self, detected: Person2D, keypoints: Keypoints2D, past: FeatureMemory | None, pixels: tuple[Grey, float] | None
    ) -> JointObservation:
        if len(detected.xy) != len(self.joints):
            raise ValueError(f"keypoints have {len(detected.xy)} joints, the filter was opened for {self.joints.name}")
        xy, score = sane(detected.xy, detected.score, past.xy if past else None)
        world = detected.world
        if world is not None:
            world, good = sane_world(world)
            score = score if good.all() else np.where(good, score, 0).astype(np.float32)
        look = sample_patch(pixels[0], xy, pixels[1]) if pixels else None
        return JointObservation(
            xy, score, sane_presence(detected.presence), world, keypoints.width, keypoints.height, look
        )


def open_filter(config: OcclusionConfig, people: int, joints: JointSet = BLAZEPOSE_33) -> OcclusionFilter:
    """With the learned engine when one is named; it is verified and warmed up, or EngineError."""
    if not config.engine:
        return OcclusionFilter(config, None, joints)
    from engines import open_engine

    engine = open_engine(config.engine, "cpu", next(b for b in BATCHES if b >= people))
    return OcclusionFilter(config, LearnedReliability(engine, joints), joints)


def weighed(detected: Person2D, measured: MeasuredPerson, reliability: F32) -> Person2D:
    """Add flow and reliability to an observed person."""
    seen = measured.observed
    flow = flow_residual(len(seen.xy), measured.flow, measured.measures)
    return Person2D(detected.id, seen.xy, seen.score, seen.presence, seen.world, flow, reliability)


def lost(detected: Person2D) -> Person2D:
    nothing = np.zeros(len(detected.xy), np.float32)
    return replace(detected, flow=np.full(len(detected.xy), NOWHERE), reliability=nothing)
