"""Run another command beside a run, in a process that ends with it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

from realtime.supervise.parent_death import die_with
from realtime.supervise.worker import signals_blocked

END_S = 0.5
Main = Callable[[list[str]], int]  # a command line's; a function of a module, so that another process finds it


@contextmanager
def beside(main: Main, command: list[str]) -> Iterator[None]:
    """`realtime COMMAND ...` for as long as the block lasts."""
    context = get_context("spawn")
    control, theirs = context.Pipe()
    process = context.Process(
        target=_main, args=(main, command, theirs, os.getpid()), name=f"realtime-{command[0]}", daemon=True
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


def _main(main: Main, command: list[str], control: Connection, parent_pid: int) -> None:

    die_with(parent_pid)
    sys.stdout = sys.stderr  # the run's own output may be JSON that somebody reads
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    code = main(command)
    sys.stderr.flush()
    os._exit(code)


def _end_with(control: Connection) -> None:
    """The pipe's other end closes with the run, however that ends."""
    with suppress(EOFError, OSError):
        control.recv_bytes(16)
    os._exit(0)
