"""Parse addresses: what `tcp://HOST:PORT` means, whether it is free, who can reach it, its memory names."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import closing
from typing import NamedTuple

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
    """Return what the names of this run's shared memory start with."""
    return f"steadypose-{user()}-{parse(bind).port}"


def memory_names(bind: str) -> list[str]:
    """Return every name that this run can give to a segment: to find what a dead one left behind."""
    key = memory_key(bind)
    return [f"{key}-poses", *(f"{key}-frames-{n}" for n in range(FRAME_SEGMENTS))]


def free_port() -> int:
    """Return a loopback port that nobody has."""
    return free_ports(["any"])["any"]


def free_ports(topics: list[str]) -> dict[str, int]:
    """Return a free loopback port for each, none twice."""
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
