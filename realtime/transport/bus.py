"""Pass messages between processes over ZeroMQ: the newest one, whole, checked, or none.

* Live hops conflate: an unread message is replaced by the next one.  Conflation destroys multipart messages and starves
  one kind of message by another: every message is one part, every topic has a socket of its own.
* A message beyond MAX_BYTES makes a socket deaf for good: a reader that hears nothing makes itself a new one.
* A peer that was stopped raises no event: nothing here asks whether somebody is connected.
* Nothing lingers at exit.  A socket belongs to the thread that made it, a bus to its process: `spawn`, never `fork`.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import zmq

from realtime.clock import Deadline, Pace
from realtime.transport.address import BadPlace, is_loopback, unbindable
from realtime.transport.handshakes import HandshakeMonitor, client_says
from realtime.transport.keys import ClientKeys, present, publisher_keys
from realtime.transport.publishers import QUEUED, PublicPort, Publisher, TopicPublisher
from realtime.transport.runtime_dir import endpoint, run_directory
from realtime.wire.messages import MAX_BYTES, MessageError, decode, plain, prefix
from realtime.wire.topics import TOPICS

RECONNECT_MS, RECONNECT_MAX_MS = 20, 200
SILENCE_S = 0.5  # then a reader takes a new socket; slow topics wait for their greatest age

End = TypeVar("End", bound="TopicReader | Publisher")
Kind = TypeVar("Kind")

log = logging.getLogger("bus")


class TopicReader:
    """One topic of one publisher.  `newest` false: every message in order, as far as a bounded queue allows.

    `keys`: of a publisher that has some; `refusal` is what it, or its want of keys, has against this reader.
    """

    def __init__(
        self, context: zmq.Context[Any], address: str, topic: str, source: str = "", newest: bool = True,
        keys: ClientKeys | None = None,
    ) -> None:  # fmt: skip
        self.topic, self.address, self._keys = topic, address, keys
        self.refusal = ""
        self._monitor: HandshakeMonitor | None = None
        self.received = 0
        self.renewed = 0  # sockets given up for silence
        self.refused: Counter[str] = Counter()  # messages by what was wrong with them
        self._context, self._row = context, TOPICS[topic]
        self._subject = prefix(topic, source) if source else f"{topic}/".encode()
        self._silence_s = max(SILENCE_S, self._row.max_age_ms / 1000)
        self._newest = newest and self._row.newest
        self._log_paces: dict[str, Pace] = {}
        self._owner = threading.current_thread()
        self._connect()

    def get(self, timeout_ms: float) -> Any:
        """Return the next good message, or None when time is up; a flood of bad ones takes no longer."""
        message, _ = self.get_with_bytes(timeout_ms)
        return message

    def get_with_bytes(self, timeout_ms: float) -> tuple[Any, bytes]:
        """Return the message and exactly what was published, to write down or pass on."""
        return self._next(timeout_ms, partial(decode, self._row.message))

    def get_fields(self, kind: type[Kind], timeout_ms: float) -> Kind | None:
        """Return those fields of the topic's message that `kind` has too; the others are not looked at."""
        message: Kind | None = self._next(timeout_ms, partial(decode, kind))[0]
        return message

    def get_plain(self, timeout_ms: float) -> tuple[dict[str, Any] | None, bytes]:
        """Return the message as a map whose fields are not looked at, and its bytes: to pass on what this run has
        encoded."""
        return self._next(timeout_ms, plain)

    def _next(self, timeout_ms: float, read: Callable[[bytes], Any]) -> tuple[Any, bytes]:
        deadline = Deadline(timeout_ms)
        while True:
            data = self._receive(deadline.left_ms())
            if data is not None and (message := self._checked(data, read)) is not None:
                return message, data
            if deadline.passed():
                return None, b""

    @property
    def silent(self) -> bool:
        """Nothing came for so long that asking takes a new socket."""
        return self._deaf_at.passed()

    def follow(self, source: str) -> None:
        """From now on this source alone, where several publish at one address."""
        self._subject = prefix(self.topic, source)
        self._socket.close()
        self._connect()

    def _receive(self, timeout_ms: float) -> bytes | None:
        if zmq.zmq_poll([(self._socket, zmq.POLLIN)], math.ceil(timeout_ms)):  # `Socket.poll` makes a poller each time
            self._deaf_at, self.refusal = Deadline(self._silence_s * 1000), ""
            return bytes(self._socket.recv(zmq.NOBLOCK))
        if self.silent:
            self._hear_refusal()
            self._socket.close()
            self.renewed += 1
            self._connect()
        return None

    def _checked(self, data: bytes, read: Callable[[bytes], Any]) -> Any:
        try:
            message = read(data)
        except MessageError as error:
            self._count(error)
            return None
        self.received += 1
        return message

    def _count(self, error: MessageError) -> None:
        self.refused[error.kind] += 1
        if self._log_paces.setdefault(error.kind, Pace(1.0)).due():
            log.warning("%s: message refused, %d so far: %s", self.topic, self.refused[error.kind], str(error)[:200])

    def _hear_refusal(self) -> None:
        for failure in self._monitor.failures() if self._monitor else ():
            text = client_says(failure, self.address, self._keys)
            if text and text != self.refusal:
                self.refusal = text
                log.warning("%s: refused: %s", self.topic, text)

    def _connect(self) -> None:
        self._socket = self._context.socket(zmq.SUB)
        if self.address.startswith("tcp:"):
            self._watch()
        if self._newest:
            self._socket.set(zmq.CONFLATE, 1)
        self._socket.set(zmq.RCVHWM, QUEUED)
        self._socket.set(zmq.MAXMSGSIZE, MAX_BYTES)
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.SUBSCRIBE, self._subject)  # exactly one: conflation would lose a second
        self._socket.connect(self.address)
        self._deaf_at = Deadline(self._silence_s * 1000)

    def _watch(self) -> None:
        if self._keys:
            present(self._socket, self._keys)
        if self._monitor:
            self._monitor.close()
        self._monitor = HandshakeMonitor(self._context, self._socket)

    def close(self) -> None:
        self._socket.close()
        if self._monitor:
            self._monitor.close()


def wait_any(readers: Sequence[TopicReader], timeout_ms: float) -> list[TopicReader]:
    """Wait until one of them has something; return those that have: ask these with `get(0)`, and whoever is silent."""
    polled = zmq.zmq_poll([(reader._socket, zmq.POLLIN) for reader in readers], int(timeout_ms))  # noqa: SLF001
    told = [socket for socket, _ in polled]
    return [reader for reader in readers if reader._socket in told]  # noqa: SLF001


class Bus:
    """The topics of a run, for one of its processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._context: zmq.Context[Any] = zmq.Context()
        self._pid = os.getpid()
        self._sockets: list[TopicReader | Publisher] = []

    def latest(self, topic: str) -> TopicReader:
        return self._keep(TopicReader(self._own_context(), endpoint(self._directory, topic), topic))

    def publisher(self, topic: str) -> TopicPublisher:
        return self._keep(TopicPublisher(self._own_context(), endpoint(self._directory, topic), topic))

    def public(self, bind: str, insecure: bool = False, keys: str | None = None) -> PublicPort:
        """Return where clients connect; beyond this machine only with a folder of keys, or when told so."""
        if not keys and not insecure and not is_loopback(bind):
            raise BadPlace(f"{bind} is open to other machines: --keys DIR, or --insecure for everybody")
        try:
            return self._keep(PublicPort(self._own_context(), bind, publisher_keys(keys) if keys else None))
        except zmq.ZMQError as error:
            raise unbindable(bind, OSError(error.errno, str(error))) from error

    def _own_context(self) -> zmq.Context[Any]:
        if os.getpid() != self._pid:
            raise RuntimeError("this bus came through fork; start processes with spawn and make a bus in each")
        return self._context

    def _keep(self, socket: End) -> End:
        self._sockets.append(socket)
        return socket

    def close(self) -> None:
        """At once, unsent messages or not.  Sockets of a thread that still runs are left to it."""
        mine = [s for s in self._sockets if s._owner is threading.current_thread() or not s._owner.is_alive()]  # noqa: SLF001
        for socket in mine:
            socket.close()
        if len(mine) == len(self._sockets):
            self._context.term()


__all__ = ["Bus", "PublicPort", "Publisher", "TopicPublisher", "TopicReader", "run_directory", "wait_any"]
