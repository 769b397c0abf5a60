"""Keep MediaPipe's native code quiet: off the user's terminal, and off the network.

Its wheels since 0.10.3x send usage to play.googleapis.com when a task is closed, and have no switch against it.  What
they send goes through the proxy that the environment names: in a command of ours that is a port where nobody listens.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

COMMAND = "STEADYPOSE_COMMAND"  # set by our command lines: this process, and its children, are ours alone
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing is looked up, nothing leaves the machine
LOOPBACK = "localhost,127.0.0.1,::1"  # what talks to this machine itself goes on doing so; all else has no exception
PROXIES = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), NOWHERE) | dict.fromkeys(("no_proxy", "NO_PROXY"), LOOPBACK)
REMARK = re.compile(rb"[IWEF]\d{4} |INFO: |WARNING: |ERROR: |=== Source Location|\s*$|third_party/|wireless/")


def mark_command() -> None:
    """Say that this process runs a command of ours; a program that merely uses the library keeps its environment."""
    os.environ[COMMAND] = "1"


def send_nothing() -> None:
    """Before a detector opens, and behind whatever fetches its model."""
    if COMMAND in os.environ:
        os.environ.update(PROXIES)


@contextmanager
def remarks_kept() -> Iterator[Callable[[], str]]:
    """Catch what native code writes to stderr meanwhile; lines that are not its own are passed on afterwards."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as remarks:
        terminal = os.dup(2)
        os.dup2(remarks.fileno(), 2)
        try:
            yield lambda: _said(remarks)
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            _pass_on(remarks)


def _said(remarks: IO[bytes]) -> str:
    remarks.seek(0)
    return " ".join(remarks.read(2000).decode(errors="replace").split())


def _pass_on(remarks: IO[bytes]) -> None:
    remarks.seek(0)
    for line in remarks:
        if not REMARK.match(line):
            os.write(2, line)


def quiet_for_good() -> None:
    """At exit: destructors of native code have nothing to say that a user needs."""
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
