"""Sample what a run holds: memory, descriptors, threads, shared memory; and tell whether that is flat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from realtime.bench.load import private_bytes
from realtime.transport.address import memory_names

SHM = Path("/dev/shm")


@dataclass(frozen=True)
class Usage:
    """Of the supervisor and all its stages together."""

    at_s: float
    memory_mb: float  # proportional set size where the system tells it
    descriptors: int
    threads: int
    segments: int  # of shared memory
    processes: int


@dataclass(frozen=True)
class Growth:
    name: str
    early: float  # median of the second quarter: the first one warms up
    late: float  # median of the last quarter
    limit: float


LIMITS = {"memory_mb": 20.0, "descriptors": 4.0, "threads": 3.0, "segments": 0.0, "processes": 0.0}


def sample(pid: int, bind: str, at_s: float) -> Usage | None:
    """None while a process ends or starts under our eyes."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        memory = sum(private_bytes(process) for process in family) / 1e6
        descriptors = sum(process.num_fds() if hasattr(process, "num_fds") else 0 for process in family)
        threads = sum(process.num_threads() for process in family)
    except psutil.Error:
        return None
    return Usage(at_s, memory, descriptors, threads, len(segments(bind)), len(family))


def segments(bind: str) -> list[str]:
    """Return names of shared memory that a run with this address made."""
    return [name for name in memory_names(bind) if (SHM / name).exists()]


def growth(samples: Sequence[Usage]) -> list[Growth]:
    """Compare the second quarter with the last, figure by figure."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples[:1], samples[-quarter:]
    return [
        Growth(name, median(getattr(u, name) for u in early), median(getattr(u, name) for u in late), limit)
        for name, limit in LIMITS.items()
    ]
