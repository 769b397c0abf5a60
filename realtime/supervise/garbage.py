"""Keep the garbage collector out of the frames: what a start made is frozen, the rest is collected between frames."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable

from realtime.clock import Pace

COLLECT_S = 5.0


class Garbage:
    """Of one process; `settled` by each of its stages, then collected by the last one alone."""

    def __init__(self, stages: Iterable[str]) -> None:
        names = tuple(stages)
        self._starting, self._last = set(names), names[-1]
        self._lock, self._pace = threading.Lock(), Pace(COLLECT_S)

    def settled(self, stage: str) -> None:
        """Once all have started, Python no longer collects by itself."""
        if not self._starting:
            return
        with self._lock:
            self._starting.discard(stage)
            if not self._starting:
                gc.freeze()
                gc.disable()

    def collect_when_due(self, stage: str) -> None:
        """For moments in which nobody waits for an answer."""
        if stage == self._last and not self._starting and self._pace.due():
            gc.collect()
