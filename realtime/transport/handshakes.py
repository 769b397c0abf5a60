"""Tell why a handshake failed, from either end: libzmq is silent about it except to a monitor."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count
from typing import Any, Literal

import zmq

from realtime.transport.keys import ClientKeys

Failure = Literal["no_keys", "wrong_key", "unlisted", "ended"]
CRYPTOGRAPHIC, MECHANISM = 0x11000001, 0x11000002  # libzmq's ZMQ_PROTOCOL_ERROR_ZMTP_*
EVENTS = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
EVENT = struct.Struct("=HI")  # which, and its value; zmq.utils.monitor reads the same and loads asyncio for it
AT_ONCE = 256  # events read in one turn
PUBLISHER_SAYS = {
    "no_keys": "a client came without keys; it needs --keys",
    "wrong_key": "a client has another publisher's public key, or a pair of keys that do not belong together",
}
_numbers = count()


class HandshakeMonitor:
    """One socket's failed handshakes.  Belongs to the socket's thread; close it behind the socket."""

    def __init__(self, context: zmq.Context[Any], socket: zmq.Socket[Any]) -> None:
        address = f"inproc://handshakes-{next(_numbers)}"
        socket.monitor(address, EVENTS)
        self._events: zmq.Socket[Any] = context.socket(zmq.PAIR)
        self._events.set(zmq.LINGER, 0)
        self._events.connect(address)

    def failures(self) -> Iterator[Failure]:
        """Yield what failed since the last look."""
        for _ in range(AT_ONCE):
            if not self._events.poll(0):
                return
            event, _ = self._events.recv_multipart(zmq.NOBLOCK)
            if kind := kind_of(*EVENT.unpack(event)):
                yield kind

    def close(self) -> None:
        self._events.close()


def kind_of(event: int, value: int) -> Failure | None:
    """Return None: no matter of keys, such as a scan of ports."""
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return "unlisted"
    if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return {MECHANISM: "no_keys", CRYPTOGRAPHIC: "wrong_key"}.get(value)  # type: ignore[return-value]
    return "ended" if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL else None


def client_says(failure: Failure, address: str, keys: ClientKeys | None) -> str:
    """Return what a client can tell its user; empty where a failure may be an accident."""
    if failure == "no_keys":
        return (
            f"{address} has no keys; leave --keys out, or start it with --keys"
            if keys
            else f"{address} lets in keys only; name your folder of them: --keys DIR"
        )
    if keys is None:
        return ""
    return {
        "unlisted": f"{address} does not know the key of {keys.folder}; on its machine: "
        f"realtime keys allow DIR NAME '{keys.own.public}'",
        "ended": f"{address} has another key than {keys.folder}/publisher.public, or ended just now",
    }.get(failure, "")
