"""Tell whether two cameras show the same moments: at which delay do lines of sight to a moving person meet best?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from realtime.fusion.gaussians import Sight, gaps

FRAMES = 120  # that are compared
LONGEST = 30  # frames of delay that are tried
FEWEST = 2  # frames of delay that count: less is the cameras' own pace
BETTER = 0.75  # of the gap without delay, that the right delay must leave
CLEAR_M = 0.005  # and how much smaller it must be
EVERY = 2  # of the joints
MOST_M = 0.3  # of one joint's gap


@dataclass
class Synchrony:
    """The lead and one other camera, while each sees exactly one person."""

    lead: deque[Sight] = field(default_factory=lambda: deque(maxlen=FRAMES))
    other: deque[Sight] = field(default_factory=lambda: deque(maxlen=FRAMES))
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=FRAMES))

    def add(self, lead: Sight, other: Sight, t_ns: int) -> None:
        self.lead.append(lead)
        self.other.append(other)
        self.seconds.append(t_ns * 1e-9)

    @property
    def full(self) -> bool:
        return len(self.lead) == FRAMES

    def delay_s(self) -> float:
        """By how much the other camera shows everything later than the lead; 0 where they agree, or nobody moved."""
        lead, other = _stacked(self.lead), _stacked(self.other)
        costs = {d: _gap(lead, other, d) for d in range(-LONGEST, LONGEST + 1)}
        best = min(costs, key=lambda d: costs[d])
        clear = costs[best] < BETTER * costs[0] and costs[best] < costs[0] - CLEAR_M
        step = (self.seconds[-1] - self.seconds[0]) / (FRAMES - 1)
        return best * step if clear and abs(best) >= FEWEST else 0.0


def _stacked(sights: Iterable[Sight]) -> Sight:
    """Return (T, J) frames of one camera, every second joint."""
    frames = list(sights)
    direction = np.concatenate([s.direction[:, ::EVERY] for s in frames])
    return Sight(frames[0].origin, direction, np.concatenate([s.weight[:, ::EVERY] for s in frames]), frames[0].angle)


def _gap(lead: Sight, other: Sight, delay: int) -> float:
    """Return mean gap, m, between what the lead saw and what the other saw so many frames later."""
    count = len(lead.weight) - abs(delay)
    apart = gaps(_row(lead, max(0, -delay), count), _row(other, max(0, delay), count))
    known = np.isfinite(apart)
    return float(np.minimum(apart[known], MOST_M).mean()) if known.any() else MOST_M


def _row(sight: Sight, first: int, count: int) -> Sight:
    """Many frames of one camera as one: their joints side by side."""
    part = slice(first, first + count)
    return Sight(sight.origin, sight.direction[part].reshape(1, -1, 3), sight.weight[part].reshape(1, -1), sight.angle)
