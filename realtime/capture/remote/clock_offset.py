"""Estimate the offset between two machines' monotonic clocks from questions and answers (Mills, NTP).

Question left at t1 and its answer came at t4 on this clock, question came at t2 and answer left at t3 on the other:
offset theta = ((t2 - t1) + (t3 - t4)) / 2, delay delta = (t4 - t1) - (t3 - t2), and |error| <= delta / 2 whatever the
two ways took.  Of the last answers the one of the least delay counts, aged by how far clocks drift meanwhile.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEPT = 64  # answers
DRIFT = 50e-6  # s per s that two quartz clocks may part by


@dataclass(frozen=True)
class OffsetSample:
    offset_ns: int  # the other clock minus this one
    delay_ns: int  # there and back
    at_ns: int  # on this clock

    def error_ns(self, now_ns: int) -> float:
        """Return the bound on the offset's error, now."""
        return self.delay_ns / 2 + DRIFT * (now_ns - self.at_ns)


class ClockOffset:
    """The other machine's clock, as seen from here."""

    def __init__(self) -> None:
        self._samples: deque[OffsetSample] = deque(maxlen=KEPT)

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, t1: int, t2: int, t3: int, t4: int) -> None:
        """One answer; one that came before it was asked is none."""
        delay = (t4 - t1) - (t3 - t2)
        if t1 <= t4 and t2 <= t3 and delay >= 0:
            self._samples.append(OffsetSample(((t2 - t1) + (t3 - t4)) // 2, delay, t4))

    def best(self, now_ns: int) -> OffsetSample | None:
        """Return the answer whose bound is tightest now; None before the first."""
        return min(self._samples, key=lambda sample: sample.error_ns(now_ns), default=None)

    def describe(self, now_ns: int) -> str:
        """Describe the offset and its bound in words."""
        best = self.best(now_ns)
        if best is None:
            return "clock not known yet"
        return f"clock {best.offset_ns * 1e-9:+.4f} s ± {best.error_ns(now_ns) * 1e-6:.1f} ms"
