"""Sample what a run holds: memory, descriptors, threads, shared memory; and tell whether that is flat.

A process that was started again is smaller than it will be: memory is compared among processes of one name and age.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

import psutil

from realtime.bench.load import private_bytes
from realtime.transport.address import memory_names

SHM = Path("/dev/shm")
AGES_S = (2.0, 4.0, 7.0, 12.0, 20.0, 40.0, 80.0)  # borders of what counts as one age
SUPERVISOR, HELPER = "supervisor", "helper"


@dataclass(frozen=True)
class ProcessMemory:
    process: str
    pid: int
    megabytes: float  # proportional set size where the system tells it


@dataclass(frozen=True)
class Usage:
    """Of the supervisor and all its stages together."""

    at_s: float
    memory: tuple[ProcessMemory, ...]
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


LIMITS = {"descriptors": 4.0, "threads": 3.0, "segments": 0.0, "processes": 0.0}
MEMORY_LIMIT_MB = 20.0


def sample(pid: int, bind: str, at_s: float, stages: Mapping[str, int | None]) -> Usage | None:
    """None while a process ends or starts under our eyes."""
    names = {number: name for name, number in stages.items()} | {pid: SUPERVISOR}
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        memory = tuple(ProcessMemory(names.get(p.pid, HELPER), p.pid, private_bytes(p) / 1e6) for p in family)
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
    since = {one.pid: usage.at_s for usage in reversed(samples) for one in usage.memory}  # when each was seen first
    memory = memory_at_like_ages(by_age(early, since), by_age(late, since))
    others = (Growth(name, middle(early, name), middle(late, name), limit) for name, limit in LIMITS.items())
    return [Growth("memory_mb", *memory, MEMORY_LIMIT_MB), *others]


def middle(samples: Sequence[Usage], name: str) -> float:
    return float(median(getattr(usage, name) for usage in samples))


Memory = dict[str, dict[int, list[float]]]  # name of the process -> age, as a place among AGES_S -> MB of each sample


def by_age(samples: Sequence[Usage], since: Mapping[int, float]) -> Memory:
    found: Memory = defaultdict(lambda: defaultdict(list))
    for usage in samples:
        for one in usage.memory:
            found[one.process][bisect(AGES_S, usage.at_s - since[one.pid])].append(one.megabytes)
    return found


def memory_at_like_ages(early: Memory, late: Memory) -> tuple[float, float]:
    """Return MB of all processes, early and late: of each name the mean over the ages that both parts saw.

    A name that was seen at no age in both counts with its medians.
    """
    total = [0.0, 0.0]
    for name in early.keys() | late.keys():
        parts = early.get(name, {}), late.get(name, {})
        common = parts[0].keys() & parts[1].keys()
        for part, ages in enumerate(parts):
            counted = [ages[age] for age in common] or [list(chain.from_iterable(ages.values()))]
            total[part] += sum(median(mb) if mb else 0.0 for mb in counted) / len(counted)
    return total[0], total[1]
