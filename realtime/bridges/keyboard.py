"""Poll single keys of a terminal, or lines of a pipe, without waiting."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def keys() -> Iterator[queue.SimpleQueue[str]]:
    """Provide a queue that fills with keys, lower case; the terminal is as before afterwards."""
    pressed: queue.SimpleQueue[str] = queue.SimpleQueue()
    if in_background():
        yield pressed
        return
    with single_keys():
        threading.Thread(target=read, args=(pressed,), daemon=True).start()
        yield pressed


def in_background() -> bool:
    """Detect a process started with `&`: reading from the terminal would stop it."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        return False
    return os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp()


@contextmanager
def single_keys() -> Iterator[None]:
    """Unix: keys come at once instead of at the end of a line."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def read(pressed: queue.SimpleQueue[str]) -> None:
    if sys.platform == "win32" and sys.stdin.isatty():
        import msvcrt

        while True:
            pressed.put(msvcrt.getwch().lower())
    with suppress(OSError):  # nothing to read from: no keys
        while key := sys.stdin.read(1):
            if key.strip():
                pressed.put(key.lower())
