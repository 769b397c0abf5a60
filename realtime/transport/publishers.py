"""Send messages: one topic inside a run, all public topics at its address."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from time import sleep
from typing import Any

import zmq

from realtime.clock import Deadline, Pace
from realtime.transport.authenticator import AllowList, Authenticator, guard
from realtime.transport.handshakes import PUBLISHER_SAYS, HandshakeMonitor
from realtime.transport.keys import PublisherKeys
from realtime.wire.messages import Message, MessageError, encode, prefix
from realtime.wire.topics import TOPICS

QUEUED = 256  # messages for one client that does not read, and of a topic that keeps each
HANDSHAKE_MS = 3000  # whoever connects and says nothing is shown the door
SUBSCRIPTION_BYTES = 128  # the most a publisher lets a client say at once
HANDSHAKE_BYTES = 1024  # the most where there are keys: a handshake's messages are longer than a subscription
SUBSCRIPTIONS = 500  # of all clients together that differ: nobody needs so many, and each costs memory
REBIND_S = 1.0

log = logging.getLogger("bus")


class Publisher:
    """Sends messages of any topic.  Never waits, whoever does not read."""

    kind = zmq.PUB
    newest = True  # false: each message is kept for a slow client, up to QUEUED

    def __init__(self, context: zmq.Context[Any], address: str) -> None:
        self.sent = 0
        self.refused: Counter[str] = Counter()
        self._context, self._address = context, address
        self._log_pace = Pace(1.0)
        self._owner = threading.current_thread()
        self._socket = self._bound()

    def _bound(self) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = self._context.socket(self.kind)
        if self.newest:
            socket.set(zmq.CONFLATE, 1)
        socket.set(zmq.SNDHWM, QUEUED)
        socket.set(zmq.RCVHWM, QUEUED)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        socket.set(zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES)
        self._prepare(socket)
        try:
            socket.bind(self._address)
        except zmq.ZMQError:
            socket.close()  # an open one would keep its context from ending
            raise
        return socket

    def _prepare(self, socket: zmq.Socket[Any]) -> None:
        """Before it binds."""

    def send_on(self, topic: str, source: str, message: Message) -> bytes:
        """Return what was sent; nothing where a number was not finite: such a message never leaves, it is counted."""
        try:
            data = encode(topic, source, message)
        except MessageError as error:
            if error.kind != "finite":
                raise
            self._count(topic, error)
            return b""
        self.send_bytes(data)
        return data

    def send_plain(self, topic: str, source: str, body: bytes | memoryview) -> bytes:
        """Return a message that was encoded before, under another topic's name."""
        data = prefix(topic, source) + body
        self.send_bytes(data)
        return data

    def send_bytes(self, data: bytes) -> None:
        """One part, copied: the caller may reuse its buffer at once."""
        self._socket.send(data, zmq.NOBLOCK, copy=True)
        self.sent += 1

    def _count(self, topic: str, error: MessageError) -> None:
        self.refused[error.kind] += 1
        if self._log_pace.due():
            log.warning("%s: not sent, %d so far: %s", topic, self.refused[error.kind], error)

    def close(self) -> None:
        self._socket.close()


class TopicPublisher(Publisher):
    """One topic inside a run; every message names its source itself."""

    def __init__(self, context: zmq.Context[Any], address: str, topic: str) -> None:
        self.topic, self.newest = topic, TOPICS[topic].newest
        super().__init__(context, address)

    def send(self, message: Any) -> bytes:
        return self.send_on(self.topic, message.stamp.source, message)


class PublicPort(Publisher):
    """All public topics, for clients that may be anybody.

    ZeroMQ keeps subscriptions in a tree with a node for each byte, without bound: a client that subscribes to ever new
    topics would fill the memory.  They are counted here; when there are too many all clients have to come again.
    With keys only listed clients come in; why others do not is logged and counted in `turned_away`.
    """

    kind, newest = zmq.XPUB, False

    def __init__(self, context: zmq.Context[Any], address: str, keys: PublisherKeys | None = None) -> None:
        self.emptied = 0
        self._subscriptions = 0
        self._authenticator = Authenticator(context, AllowList(keys)) if keys else None
        self._monitor: HandshakeMonitor | None = None
        self._failed: Counter[str] = Counter()
        self._failure_paces = {kind: Pace(1.0) for kind in PUBLISHER_SAYS}
        try:
            super().__init__(context, address)
        except BaseException:
            self._close_guard()
            raise

    @property
    def turned_away(self) -> Counter[str]:
        """Handshakes that failed: no_keys, wrong_key, unlisted."""
        return self._failed + (self._authenticator.refused if self._authenticator else Counter())

    def _prepare(self, socket: zmq.Socket[Any]) -> None:
        if self._authenticator:
            socket.set(zmq.MAXMSGSIZE, HANDSHAKE_BYTES)
            guard(socket, self._authenticator.allow_list.keys)
            if self._monitor:
                self._monitor.close()
            self._monitor = HandshakeMonitor(self._context, socket)

    def send_bytes(self, data: bytes) -> None:
        self.tend()
        super().send_bytes(data)

    def tend(self) -> None:
        """Hear what clients want; with every message, and while there is none."""
        if self._authenticator:
            self._watch(self._authenticator.allow_list)
        for _ in range(4 * SUBSCRIPTIONS):
            if not zmq.zmq_poll([(self._socket, zmq.POLLIN)], 0):
                return
            said = self._socket.recv(zmq.NOBLOCK)
            self._subscriptions += {b"\1": 1, b"\0": -1}.get(said[:1], 0)
            if self._subscriptions > SUBSCRIPTIONS:
                self._empty()

    def _watch(self, allow_list: AllowList) -> None:
        """Say why handshakes failed; whoever was taken off the list has to go."""
        for kind in self._monitor.failures() if self._monitor else ():
            if kind in PUBLISHER_SAYS:
                self._failed[kind] += 1
                if self._failure_paces[kind].due():
                    words = kind.replace("_", " ")
                    log.warning("refused, %s: %s (%d so far)", words, PUBLISHER_SAYS[kind], self._failed[kind])
        if allow_list.removed():
            log.warning("public port: a key was taken off the list; all clients have to connect again")
            self._reopen()

    def _empty(self) -> None:
        if self._log_pace.due():
            log.warning("public port: over %d subscriptions; all clients have to connect again", SUBSCRIPTIONS)
        self._reopen()

    def _reopen(self) -> None:
        self.emptied += 1
        self._socket.close()
        self._subscriptions, limit = 0, Deadline(REBIND_S * 1000)
        while self._socket.closed:
            try:
                self._socket = self._bound()
            except zmq.ZMQError:  # the old one is being closed in the background
                if limit.passed():
                    raise
                sleep(0.002)

    def close(self) -> None:
        super().close()
        self._close_guard()

    def _close_guard(self) -> None:
        if self._monitor:
            self._monitor.close()
        if self._authenticator:
            self._authenticator.close()
