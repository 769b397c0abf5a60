"""Measure processor time and private memory of a process and its children."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Load:
    cpu_s: float  # of all processes since they started
    memory_mb: float  # proportional: a page shared by n processes counts 1/n in each
    processes: int


def load_of(pid: int, without: str = "") -> Load:
    """Of a process and its children; pages mapped from the file `without` are left out."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return Load(0.0, 0.0, 0)
    single = [one for one in (_one(process, without) for process in family) if one]
    return Load(sum(s.cpu_s for s in single), sum(s.memory_mb for s in single), len(single))


def _one(process: psutil.Process, without: str) -> Load | None:
    try:
        times = process.cpu_times()
        return Load(times.user + times.system, private_bytes(process, without) / 1e6, 1)
    except psutil.Error:
        return None  # ended while we looked


def private_bytes(process: psutil.Process, without: str = "") -> int:
    """Measure the proportional set size on Linux, the unique set size elsewhere."""
    full = process.memory_full_info()
    if not hasattr(full, "pss"):
        return int(full.uss)
    left_out = sum(m.pss for m in process.memory_maps() if m.path == without) if without else 0
    return int(full.pss - left_out)
