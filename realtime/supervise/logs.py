"""Log a run's lines to stderr, short, and never a flood."""

from __future__ import annotations

import logging
import sys
import time

PERIOD_S = 1.0
KINDS = 1000  # of messages remembered


class Calm(logging.Filter):
    """Lets one record of each kind (its unformatted message) pass per period and counts the rest."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        super().__init__()
        self.period_s = period_s
        self._passed: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._passed.get(kind, -1e9) < self.period_s:
            self._held[kind] = self._held.get(kind, 0) + 1
            return False
        if len(self._passed) >= KINDS:
            self._passed.clear()
            self._held.clear()
        self._passed[kind] = now
        if held := self._held.pop(kind, 0):
            record.msg, record.args = f"{record.getMessage()} (and {held} more like it)", ()
        return True


def start_logging(level: int = logging.WARNING) -> None:
    """Once per process: every logger of ours writes to stderr, calmly."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    handler.addFilter(Calm())
    logging.basicConfig(level=level, handlers=[handler], force=True)
