"""Measure what a frame costs on this machine, and recommend the settings it keeps up with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from engines.errors import EngineError
from realtime import clock
from realtime.capture.open_source import open_source
from realtime.capture.source import Picture
from realtime.config.schema import RunConfig
from realtime.detect.model_download import ModelError, fault, model_path
from realtime.doctor.machine import Finding
from realtime.offline.chain import Chain, open_chain

SECONDS = 3.0  # for each size of picture
WARM_UP = 3  # frames
ENOUGH_HZ = 30.0
SMALL = (424, 240)  # px
MAX_AGE_MS = (150.0, 50.0)  # the default, and the step in which it is raised
STAGES = ("detect", "occlude", "lift")

Opener = Callable[[RunConfig], Chain]


@dataclass(frozen=True)
class StageCosts:
    """Mean time of each stage, and the 95th percentile of their sum, ms a frame; size in px."""

    size: tuple[int, int]
    detect: float
    occlude: float
    lift: float
    p95: float

    @property
    def rate_hz(self) -> float:
        """What is sustained when the stages follow one another on one core."""
        return 1000.0 / (self.detect + self.occlude + self.lift)


def measured(config: RunConfig, opener: Opener = open_chain, seconds: float = SECONDS) -> Finding:
    """Time detector and lifter on rendered people; a machine that is too slow is tried with small pictures too."""
    if wrong := missing(config):
        return wrong
    size = (config.source.width, config.source.height)
    try:
        cost = cost_of(config, size, opener, seconds)
        smaller = (
            cost_of(config, SMALL, opener, seconds) if too_slow(cost) and math.prod(size) > math.prod(SMALL) else cost
        )
    except (EngineError, ModelError) as error:
        return Finding("note", "speed", f"not measured: {error}")
    return recommended(cost, smaller)


def missing(config: RunConfig) -> Finding | None:
    """A doctor fetches nothing."""
    wrong = fault(model_path()) if config.detector.model == "auto" else ""
    return Finding("note", "speed", f"not measured: the model is {wrong}", "realtime fetch-model") if wrong else None


def cost_of(config: RunConfig, size: tuple[int, int], opener: Opener, seconds: float) -> StageCosts:
    """Of the rendered frames that are done in so many seconds, at least one."""
    source = replace(config.source, spec="demo", every_frame=True, width=size[0], height=size[1])
    took = list(_took_us(replace(config, source=source), opener, seconds))
    table = np.array(took) / 1000.0
    detect, occlude, lift = (float(mean) for mean in table.mean(axis=0))
    return StageCosts(size, detect, occlude, lift, float(np.percentile(table.sum(axis=1), 95)))


def _took_us(config: RunConfig, opener: Opener, seconds: float) -> Iterator[tuple[int, ...]]:
    source, chain = open_source(config), opener(config)
    try:
        for _ in range(WARM_UP):
            _answer_us(source.read(), chain)
        deadline, some = clock.Deadline(seconds * 1000), False
        while not (some and deadline.passed()):
            for took in _answer_us(source.read(), chain):
                some = True
                yield took
    finally:
        chain.close()
        source.close()


def _answer_us(picture: Picture | None, chain: Chain) -> list[tuple[int, ...]]:
    if picture is None:
        return []
    return [tuple(answer.pose.stage_us[stage] for stage in STAGES) for answer in chain.answer(picture)]


def too_slow(cost: StageCosts) -> bool:
    return cost.rate_hz < ENOUGH_HZ


def recommended(cost: StageCosts, smaller: StageCosts) -> Finding:
    """One line: the rate this machine sustains; and, where that is too low, what to run."""
    words = f"sustains {words_of(cost)}"
    if not too_slow(cost):
        return Finding("good", "speed", words)
    best = max(cost, smaller, key=lambda one: one.rate_hz)
    tried = f"; {words_of(smaller)}" if smaller.size != cost.size else ""
    width, height = best.size
    fix = f"realtime run --size {width}x{height} --max-age {max_age_ms(best):.0f}"
    return Finding("note", "speed", f"{words}{tried}; of a {ENOUGH_HZ:.0f} Hz camera the rest is dropped", fix)


def words_of(cost: StageCosts) -> str:
    return (
        f"{cost.rate_hz:.1f} Hz at {cost.size[0]}x{cost.size[1]} "
        f"(detector {cost.detect:.1f} ms, occlusion {cost.occlude:.1f} ms, lifter {cost.lift:.1f} ms)"
    )


def max_age_ms(cost: StageCosts) -> float:
    """Twice what the slowest frames take, in steps; never below the default."""
    least, step = MAX_AGE_MS
    return max(least, math.ceil(2 * cost.p95 / step) * step)
