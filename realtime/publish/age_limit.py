"""Choose the age up to which a pose is current: the one asked for, or twice what this machine is measured to need."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from realtime.clock import NS_PER_S
from realtime.config.schema import LEAST_AGE_MS, PublishConfig

MOST_MS = 1000.0  # of what is measured: however slow the machine, a pose of a second ago is not current
STEP_MS = 50.0
MARGIN = 2.0  # times the 95th percentile: a client that reads between two poses still finds one
WINDOW_S = 10.0  # long beside a pause, whose few late poses must not count
SETTLED_S, ENOUGH = 2.0, 8  # nothing is concluded from less


class AgeLimit:
    """Greatest age of a current pose, in ms; `auto` follows the ages at which poses are published."""

    def __init__(self, publish: PublishConfig) -> None:
        self.ms = publish.least_age_ms()
        self.auto = publish.max_age_ms == "auto"
        self._ages: deque[tuple[int, float]] = deque()  # (ns, ms)

    def measure(self, age_ms: float, now_ns: int) -> None:
        """Count one pose about to be published, current or not."""
        if self.auto:
            self._ages.append((now_ns, age_ms))

    def refresh(self, now_ns: int) -> None:
        """Follow the last seconds; to be called about once a second."""
        while self._ages and now_ns - self._ages[0][0] > WINDOW_S * NS_PER_S:
            self._ages.popleft()
        if len(self._ages) >= ENOUGH and self._ages[-1][0] - self._ages[0][0] >= SETTLED_S * NS_PER_S:
            self.ms = limit_for(float(np.percentile([age for _, age in self._ages], 95)))


def limit_for(p95_ms: float) -> float:
    """Twice the 95th percentile of the ages, in steps, within bounds; ms."""
    return min(max(LEAST_AGE_MS, math.ceil(MARGIN * p95_ms / STEP_MS) * STEP_MS), MOST_MS)
