"""Read HOST:PORT of a tool that poses are sent to."""

from __future__ import annotations


class BadTarget(Exception):
    exit_code = 2


def host_and_port(text: str, example: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadTarget(f"--target is HOST:PORT, such as {example}, found {text!r}")
    return host.strip("[]"), int(port)
