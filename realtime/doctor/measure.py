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
from realtime.config.detector_models import AUTO, DEFAULT, NAMES
from realtime.config.schema import RunConfig
from realtime.detect.model_download import ModelError, fault, model_path
from realtime.doctor.machine import Finding
from realtime.offline.chain import Chain, open_chain

SECONDS = 3.0  # for each size of picture
WARM_UP = 3  # frames
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


def measured(config: RunConfig, opener: Opener = open_chain, seconds: float = SECONDS) -> list[Finding]:
    """Time lifter and each model of the detector that is there on rendered people, and recommend.

    A machine that is too slow for all of them is tried with small pictures too.
    """
    models = there(config)
    if not models:
        return [Finding("note", "speed", f"not measured: the model is {fault(model_path())}", "realtime fetch-model")]
    size, rate_hz = (config.source.width, config.source.height), config.source.fps
    try:
        costs = {model: cost_of(with_model(config, model), size, opener, seconds) for model in models}
        quickest = max(costs, key=lambda model: costs[model].rate_hz)
        smaller = costs[quickest]
        if too_slow(smaller, rate_hz) and math.prod(size) > math.prod(SMALL):
            smaller = cost_of(with_model(config, quickest), SMALL, opener, seconds)
    except (EngineError, ModelError) as error:
        return [Finding("note", "speed", f"not measured: {error}")]
    found = [Finding("good", f"speed {model}", f"sustains {words_of(cost)}") for model, cost in costs.items()]
    return [*found, recommended(costs, (quickest, smaller), rate_hz)]


def there(config: RunConfig) -> list[str]:
    """Return the detector's models that can be timed now: a doctor fetches nothing."""
    if config.detector.model in (*NAMES, AUTO):
        return [name for name in NAMES if not fault(model_path(name))]
    return [config.detector.model]


def with_model(config: RunConfig, model: str) -> RunConfig:
    return replace(config, detector=replace(config.detector, model=model))


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


def too_slow(cost: StageCosts, rate_hz: float) -> bool:
    return cost.rate_hz < rate_hz


def recommended(costs: dict[str, StageCosts], smaller: tuple[str, StageCosts], rate_hz: float) -> Finding:
    """Return one line: the best model that keeps up with the camera; where none does, what to run all the same."""
    fit = [model for model, cost in costs.items() if not too_slow(cost, rate_hz)]
    if fit:
        fix = "" if fit[-1] == DEFAULT else f"realtime run --model {fit[-1]}"
        words = f"{fit[-1]} is the best model that keeps up with a {rate_hz:g} Hz camera"
        return Finding("note" if fix else "good", "speed", words, fix)
    model, cost = smaller
    whole = costs[model]
    best = max(whole, cost, key=lambda one: one.rate_hz)
    tried = f" ({model} sustains {words_of(cost)})" if cost.size != whole.size else ""
    width, height = best.size
    named = "" if model == DEFAULT else f"--model {model} "
    fix = f"realtime run {named}--size {width}x{height} --max-age {max_age_ms(best):.0f}"
    return Finding("note", "speed", f"no model keeps up with a {rate_hz:g} Hz camera{tried}; the rest is dropped", fix)


def words_of(cost: StageCosts) -> str:
    return (
        f"{cost.rate_hz:.1f} Hz at {cost.size[0]}x{cost.size[1]} "
        f"(detector {cost.detect:.1f} ms, occlusion {cost.occlude:.1f} ms, lifter {cost.lift:.1f} ms)"
    )


def max_age_ms(cost: StageCosts) -> float:
    """Twice what the slowest frames take, in steps; never below the default."""
    least, step = MAX_AGE_MS
    return max(least, math.ceil(2 * cost.p95 / step) * step)
