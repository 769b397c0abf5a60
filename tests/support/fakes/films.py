"""A batch's worker with quick fake networks, slow or dying on demand by the film's name."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from realtime.cli.batches import batch_film
from realtime.offline import film
from tests.support.fakes.engine import fake_chain

SLOW_S = 0.1


def main(job: Any, control: Any, parent_pid: int) -> None:
    replaced: Any = film
    replaced.bundle_of = lambda model: None
    replaced.open_chain = fake_chain
    if "dying" in job.name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "bug" in job.name:
        replaced.open_chain = lambda config: 1 / 0
    if "slow" in job.name:
        replaced.open_chain = slow_chain
    batch_film.main(job, control, parent_pid)


def slow_chain(config: Any) -> Any:
    chain: Any = fake_chain(config)
    find = chain.find

    def slowly(picture: Any) -> Any:
        time.sleep(SLOW_S)
        return find(picture)

    chain.find = slowly
    return chain


def run(words: list[str]) -> int:
    """`realtime batch` with these workers, in a process of its own."""
    from realtime.cli import main as cli
    from realtime.cli.batches import batch

    batch.WORKER = main
    return cli.main(["batch", *words])
