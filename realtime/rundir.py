"""Where one run meets: its private directory, its lock, the addresses of its stages and the names of its memory.

Knows: users, permissions, paths, ports.  Does not know: messages, sockets' behaviour, who starts whom.
Everything hangs on the user and the port of the public address, so that two runs with different ports never touch.
Linux and macOS: `flock`, unix sockets.  Elsewhere: a lock that SQLite holds, loopback tcp on ports chosen at start.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import secrets
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from realtime import shm
from realtime.topics import TOPICS

Transport = Literal["ipc", "tcp"]
TRANSPORT: Transport = "tcp" if sys.platform == "win32" else "ipc"
IPC_LIMIT = 107  # bytes of a unix socket's path
FRAME_SEGMENTS = 8  # names for the FrameRing, used in turn


class Busy(Exception):
    """Another run, or another program, holds what this run needs."""

    exit_code = 3


class BadPlace(Exception):
    """The address or the runtime directory cannot be used."""

    exit_code = 2


class Address(NamedTuple):
    host: str
    port: int


def parse(bind: str) -> Address:
    """`tcp://HOST:PORT` in parts."""
    host, _, port = bind.removeprefix("tcp://").rpartition(":")
    if not bind.startswith("tcp://") or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadPlace(f"address {bind!r} is not understood; expected tcp://HOST:PORT, such as tcp://127.0.0.1:5555")
    return Address(host.strip("[]"), int(port))


def is_loopback(bind: str) -> bool:
    """Nobody beyond this machine can reach it.  A name counts only as `localhost`."""
    host = parse(bind).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def memory_key(bind: str) -> str:
    """What the names of this run's shared memory start with."""
    return f"steadypose-{user()}-{parse(bind).port}"


def memory_names(bind: str) -> list[str]:
    """Every name that this run can give to a segment: to find what a dead one left behind."""
    key = memory_key(bind)
    return [f"{key}-poses", *(f"{key}-frames-{n}" for n in range(FRAME_SEGMENTS))]


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
def run_directory(bind: str, transport: Transport = TRANSPORT) -> Iterator[Path]:
    """The directory of one run, locked for as long as it lasts; nothing of an earlier run is left in it."""
    directory = private_directory(private_directory(base_directory()) / str(parse(bind).port))
    with lock(directory):
        clear(directory, bind)
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
    """Names this run; the same for all its processes, restarted or not."""
    return (directory / "boot").read_text()


def clear(directory: Path, bind: str) -> None:
    """Only whoever holds the lock may: sockets, ports and shared memory of this run's name."""
    for path in [*directory.glob("*.sock"), directory / "ports"]:
        path.unlink(missing_ok=True)
    for name in memory_names(bind):
        shm.unlink(name)


def endpoint(directory: Path, topic: str) -> str:
    """Where a topic travels between the processes of a run."""
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


def free_ports(topics: list[str]) -> dict[str, int]:
    """A free loopback port for each, none twice."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in topics]
    ports = {topic: int(holder.getsockname()[1]) for topic, holder in zip(topics, holders)}
    for holder in holders:
        holder.close()
    return ports


def check_free(bind: str) -> None:
    """Refused now, and by name, rather than by a stage later."""
    address = parse(bind)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with closing(socket.create_server(address, family=family)):
            return
    except OSError as error:
        raise unbindable(bind, error) from error


def unbindable(bind: str, error: OSError) -> Busy | BadPlace:
    port = parse(bind).port
    if error.errno == errno.EADDRINUSE:
        return Busy(
            f"port {port} is in use by another program; choose another: realtime run --bind tcp://127.0.0.1:PORT"
        )
    return BadPlace(f"address {bind} cannot be bound: {error.strerror or error}")


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
    """The same promise on every system: SQLite locks a file of its own until the process ends."""
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
