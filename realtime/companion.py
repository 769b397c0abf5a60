"""A command of ours beside a run, in a process of its own: it ends with the run, and its own death is its own business.

Knows: processes.  Does not know: what the command does.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

from realtime.orphans import die_with
from realtime.worker import signals_blocked

END_S = 0.5


@contextmanager
def beside(command: list[str]) -> Iterator[None]:
    """`realtime COMMAND ...` for as long as the block lasts."""
    context = get_context("spawn")
    control, theirs = context.Pipe()
    process = context.Process(
        target=_main, args=(command, theirs, os.getpid()), name=f"realtime-{command[0]}", daemon=True
    )
    with signals_blocked():
        process.start()
    theirs.close()
    try:
        yield
    finally:
        control.close()
        process.join(END_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _main(command: list[str], control: Connection, parent_pid: int) -> None:
    from realtime import cli

    die_with(parent_pid)
    sys.stdout = sys.stderr  # the run's own output may be JSON that somebody reads
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    code = cli.main(command)
    sys.stderr.flush()
    os._exit(code)


def _end_with(control: Connection) -> None:
    """The pipe's other end closes with the run, however that ends."""
    with suppress(EOFError, OSError):
        control.recv_bytes(16)
    os._exit(0)
