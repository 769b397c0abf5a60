"""Measure where a step's time goes: seconds of each part, of this process and, on a GPU, of the device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from rich import box
from rich.console import Console
from rich.table import Table


@dataclass
class Stopwatch:
    """Parts of steps; on CUDA every part waits for the device, so that its time is its own."""

    device: str = "cpu"
    seconds: dict[str, float] = field(default_factory=dict)
    steps: int = 0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = self._now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._now() - began

    def _now(self) -> float:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter()

    def show(self, console: Console, windows: int) -> None:
        total = sum(self.seconds.values())
        table = Table("part of a step", "ms", "share", box=box.MARKDOWN, title=f"{self.steps} steps on {self.device}")
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{1000 * seconds / self.steps:.1f}", f"{seconds / total:.0%}")
        pace = self.steps / total
        table.add_row("all", f"{1000 / pace:.1f}", f"{pace:.2f} steps/s, {pace * windows:,.0f} windows/s")
        console.print(table)


class NoWatch(Stopwatch):
    """Costs nothing and tells nothing."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        yield


NO_WATCH = NoWatch()
