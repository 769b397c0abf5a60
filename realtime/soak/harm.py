"""Do harm to a running pipeline: kill a stage, or stop it for a while."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

KILLS = 0.7  # the share of kills; the rest are stops
STOP_S = (0.2, 3.0)


@dataclass(frozen=True)
class Harm:
    process: str
    kind: str  # kill or stop
    seconds: float = 0.0  # stopped for so long

    @property
    def name(self) -> str:
        return f"{self.kind} {self.process}"

    def __str__(self) -> str:
        return self.name + (f" for {self.seconds:.1f} s" if self.seconds else "")


def choose(draw: random.Random, processes: Mapping[str, int | None]) -> Harm:
    """Return one of the processes that run, killed or stopped."""
    process = draw.choice(sorted(name for name, pid in processes.items() if pid))
    return Harm(process, "kill") if draw.random() < KILLS else Harm(process, "stop", draw.uniform(*STOP_S))


def inflict(harm: Harm, pid: int) -> None:
    """Inject the fault into a process; one that has gone meanwhile suffers nothing."""
    with suppress(ProcessLookupError):
        if harm.kind == "kill":
            os.kill(pid, signal.SIGKILL)
            return
        os.kill(pid, signal.SIGSTOP)
        time.sleep(harm.seconds)
        os.kill(pid, signal.SIGCONT)
