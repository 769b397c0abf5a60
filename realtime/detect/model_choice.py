"""Choose the detector's model for `detector.model: auto`: the best that this machine sustains at the camera's rate.

Measured with the pictures of the demo before the first frame is answered; what is not in the cache is not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median

from realtime import clock
from realtime.config.detector_models import COSTS, DEFAULT, NAMES
from realtime.config.schema import DetectorConfig, SourceConfig
from realtime.demo.world import CylinderWorld
from realtime.detect.mediapipe_detector import open_detector
from realtime.detect.model_download import fault, model_path

REST = 0.2  # of what the default model takes: filter and lifter (`realtime bench`: 1.6 + 3.75 ms beside 26.5)
FRAMES = 12  # different pictures, played forwards and backwards
WARM_UP = 4  # frames; the first one searches the whole picture
SECONDS = 1.0  # a model, at most
LEAST = 5  # frames that are timed, however long they take

Measure = Callable[[str], float]  # a model's name -> ms a frame


@dataclass(frozen=True)
class Choice:
    """A model, and what was measured of which, ms a frame."""

    model: str
    took_ms: dict[str, float]
    rate_hz: float

    @property
    def words(self) -> str:
        """For Hello and the status line."""
        measured = ", ".join(f"{name} {ms:.0f} ms" for name, ms in self.took_ms.items())
        return f"auto took {self.model} for {self.rate_hz:g} Hz ({measured} a frame)"


def choose(rate_hz: float, there: Iterable[str], measure: Measure) -> Choice:
    """Time the default model, then the one beside it that the result asks for, where it is there."""
    took = {DEFAULT: measure(DEFAULT)}
    asked = wanted(took[DEFAULT], rate_hz)
    if asked != DEFAULT and asked in set(there):
        took[asked] = measure(asked)
    return Choice(best(took, rate_hz), took, rate_hz)


def wanted(default_ms: float, rate_hz: float) -> str:
    """Choose the best model that should be sustained, by its usual cost beside the default's; else the cheapest."""
    likely = {name: default_ms * COSTS[name] / COSTS[DEFAULT] for name in NAMES}
    return best(likely, rate_hz)


def best(took_ms: dict[str, float], rate_hz: float) -> str:
    """Of what was measured: the last in order of quality that leaves time for the other stages; else the quickest."""
    budget_ms = 1000 / rate_hz - REST * took_ms[DEFAULT]
    fit = [name for name in NAMES if took_ms.get(name, budget_ms + 1) <= budget_ms]
    return fit[-1] if fit else min(took_ms, key=lambda name: took_ms[name])


def chosen(detector: DetectorConfig, source: SourceConfig, beat: Callable[[], None] = lambda: None) -> Choice:
    """Measure on this machine, now; `beat` is called between frames."""
    there = [name for name in NAMES if not fault(model_path(name))]
    return choose(source.fps, there, lambda name: measured_ms(name, detector, source, beat))


def measured_ms(name: str, detector: DetectorConfig, source: SourceConfig, beat: Callable[[], None]) -> float:
    """Median ms of a frame with as many people in it as are looked for."""
    world = CylinderWorld(0, (source.width, source.height), source.fps, people=detector.people, boards=False)
    pictures = [world.frame(index)[0] for index in range(FRAMES)]
    opened = open_detector(replace(detector, model=name))
    took: list[float] = []
    try:
        deadline = clock.Deadline(SECONDS * 1000)
        while len(took) < WARM_UP + LEAST or not deadline.passed():
            beat()
            index = len(took)
            began = clock.now_ns()
            opened.detect(pictures[there_and_back(index)], round(index * 1000 / source.fps))
            took.append((clock.now_ns() - began) / clock.NS_PER_MS)
    finally:
        opened.close()
    return median(took[WARM_UP:])


def there_and_back(index: int) -> int:
    """No jump that a tracker would take for another person."""
    turn = index % (2 * FRAMES - 2)
    return turn if turn < FRAMES else 2 * FRAMES - 2 - turn
