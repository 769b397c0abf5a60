"""Read the monotonic clock that all processes of this machine share, pace work, keep deadlines.

The wall clock is only ever read to be written into `t_capture_unix_ns`; no age and no timeout comes from it.
"""

from __future__ import annotations

import platform
import sys
import time
import uuid
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def clock_of(platform: str) -> Callable[[], int]:
    """`time.monotonic_ns` ticks in 15 ms steps on Windows; the performance counter is as monotonic and fine."""
    return time.perf_counter_ns if platform == "win32" else time.monotonic_ns


now_ns = clock_of(sys.platform)


def unix_ns() -> int:
    """Return wall clock, for people and other machines to read; never for ages."""
    return time.time_ns()


def age_ms(stamp_ns: int) -> float:
    """Since a stamp of this machine."""
    return (now_ns() - stamp_ns) / NS_PER_MS


@cache
def identity() -> str:
    """Return names the clock behind `now_ns`: stamps of two processes compare only where this is the same.

    Linux says which boot of which kernel this is, containers included; elsewhere the machine itself has to do.
    """
    try:
        name = BOOT_ID.read_text()
    except OSError:
        name = machine()
    return sha256(name.encode()).hexdigest()[:16]


def machine() -> str:
    return f"{platform.node()} {uuid.getnode()}"


class Deadline:
    """A moment to come, and what is left until then."""

    def __init__(self, timeout_ms: float) -> None:
        self.at_ns = now_ns() + int(timeout_ms * NS_PER_MS)

    def left_ms(self) -> float:
        return max(0.0, (self.at_ns - now_ns()) / NS_PER_MS)

    def passed(self) -> bool:
        return now_ns() >= self.at_ns


class Pace:
    """True at most once in a period: for heartbeats, Hello, and logs that must not flood."""

    def __init__(self, period_s: float) -> None:
        self.period_ns = int(period_s * NS_PER_S)
        self._next_ns: int | None = None

    def due(self) -> bool:
        """Tell whether the period has passed; after a long silence one call is due, not a burst."""
        now = now_ns()
        if self._next_ns is not None and now < self._next_ns:
            return False
        self._next_ns = now + self.period_ns
        return True
