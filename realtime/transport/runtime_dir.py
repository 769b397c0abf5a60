"""Manage a run's private directory: its lock, its endpoints, and cleaning what a dead run left.

Everything hangs on the user and the port of the public address, so that two runs with different ports never touch.
Linux and macOS: `flock`, unix sockets.  Elsewhere: a lock that SQLite holds, loopback tcp on ports chosen at start.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Literal

from realtime.transport import shared_memory
from realtime.transport.address import BadPlace, Busy, check_free, free_ports, memory_names, parse, user
from realtime.wire.topics import TOPICS

Transport = Literal["ipc", "tcp"]
TRANSPORT: Transport = "tcp" if sys.platform == "win32" else "ipc"
IPC_LIMIT = 107  # bytes of a unix socket's path


def base_directory() -> Path:
    """Of all runs of this user: STEADYPOSE_RUNTIME_DIR, or where this system keeps such things."""
    if chosen := os.environ.get("STEADYPOSE_RUNTIME_DIR"):
        return Path(chosen)
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session) / "steadypose"
    return Path(tempfile.gettempdir()) / f"steadypose-{user()}"


def private_directory(path: Path) -> Path:
    """Made if need be; refused unless it is this user's alone."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise BadPlace(f"runtime directory {path}: {error.strerror}; set STEADYPOSE_RUNTIME_DIR to another") from error
    if not stat.S_ISDIR(found.st_mode):
        raise BadPlace(f"runtime directory {path} is no directory of its own; set STEADYPOSE_RUNTIME_DIR to another")
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise BadPlace(
            f"runtime directory {path} belongs to user {found.st_uid}; set STEADYPOSE_RUNTIME_DIR to another"
        )
    if os.name == "posix" and found.st_mode & 0o077:
        raise BadPlace(f"runtime directory {path} is open to others (mode {found.st_mode & 0o777:o}): chmod 700 {path}")
    return path


@contextmanager
def run_directory(bind: str, transport: Transport = TRANSPORT, published: bool = True) -> Iterator[Path]:
    """Provide the directory of one run, locked for as long as it lasts; nothing of an earlier run is left in it."""
    directory = private_directory(private_directory(base_directory()) / str(parse(bind).port))
    with lock(directory):
        clear(directory, bind)
        if published:
            check_free(bind)
        if transport == "tcp":
            (directory / "ports").write_text(json.dumps(free_ports(list(TOPICS))))
        for topic in TOPICS:
            endpoint(directory, topic)
        (directory / "boot").write_text(secrets.token_hex(8))
        try:
            yield directory
        finally:
            clear(directory, bind)


def boot_id(directory: Path) -> str:
    """Return names this run; the same for all its processes, restarted or not."""
    return (directory / "boot").read_text()


def clear(directory: Path, bind: str) -> None:
    """Only whoever holds the lock may: sockets, ports and shared memory of this run's name."""
    for path in [*directory.glob("*.sock"), directory / "ports"]:
        path.unlink(missing_ok=True)
    for name in memory_names(bind):
        shared_memory.unlink(name)


def endpoint(directory: Path, topic: str) -> str:
    """Return where a topic travels between the processes of a run."""
    ports = directory / "ports"
    if ports.exists():
        return f"tcp://127.0.0.1:{json.loads(ports.read_text())[topic]}"
    path = directory / f"{topic}.sock"
    if len(os.fsencode(path)) > IPC_LIMIT:
        raise BadPlace(
            f"path {path} has {len(os.fsencode(path))} bytes, a unix socket at most {IPC_LIMIT}; "
            "set STEADYPOSE_RUNTIME_DIR to a shorter one"
        )
    return f"ipc://{path}"


def lock(directory: Path) -> AbstractContextManager[None]:
    return _locked_by_sqlite(directory) if sys.platform == "win32" else _locked_by_flock(directory)


@contextmanager
def _locked_by_flock(directory: Path) -> Iterator[None]:
    """Freed by the kernel with the process, whatever ends it."""
    import fcntl

    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with closing(os.fdopen(handle, "r+")) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise already_running(directory) from None
        (directory / "pid").write_text(str(os.getpid()))
        yield


@contextmanager
def _locked_by_sqlite(directory: Path) -> Iterator[None]:
    """Provide the same promise on every system: SQLite locks a file of its own until the process ends."""
    import sqlite3

    with closing(sqlite3.connect(directory / "lock.db", timeout=0, isolation_level=None)) as database:
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise already_running(directory) from None
        (directory / "pid").write_text(str(os.getpid()))
        yield


def already_running(directory: Path) -> Busy:
    try:
        pid = (directory / "pid").read_text()[:20]
    except OSError:
        pid = "unknown"
    return Busy(
        f"already running as process {pid} (port {directory.name}); stop it with `kill {pid}`, "
        "or run beside it: realtime run --bind tcp://127.0.0.1:PORT"
    )
