"""Run another command beside a run, in a process that ends with it."""

from __future__ import annotations

import _thread
import os
import signal
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
def beside(main: Main, command: list[str], end_s: float = END_S, asked: bool = False) -> Iterator[None]:
    """`realtime COMMAND ...` for as long as the block lasts.

    `asked`: the command is told by SIGTERM's handler to end, and has `end_s` for it; else it is gone at once.
    """
    context = get_context("spawn")
    control, theirs = context.Pipe()
    process = context.Process(
        target=_main, args=(main, command, theirs, os.getpid(), asked), name=f"realtime-{command[0]}", daemon=True
    )
    with signals_blocked():
        process.start()
    theirs.close()
    try:
        yield
    finally:
        control.close()
        process.join(end_s)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _main(main: Main, command: list[str], control: Connection, parent_pid: int, asked: bool) -> None:

    die_with(parent_pid)
    sys.stdout = sys.stderr  # the run's own output may be JSON that somebody reads
    threading.Thread(target=_end_with, args=(control, asked), daemon=True).start()
    code = main(command)
    sys.stderr.flush()
    os._exit(code)


def _end_with(control: Connection, asked: bool) -> None:
    """End this process when the pipe's other end closes, as it does however the run ends."""
    with suppress(EOFError, OSError):
        control.recv_bytes(16)
    if asked:
        _thread.interrupt_main(signal.SIGTERM)
    else:
        os._exit(0)
