"""Join two machines for pictures: the camera's connects, the other one binds; notes both ways, JPEGs behind some.

A cut is noticed by heartbeats within LOST_MS: the connection is dropped with all that waited in it, and made anew.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from typing import Any, NamedTuple

import zmq

from realtime.clock import Pace
from realtime.transport.address import unbindable
from realtime.transport.authenticator import AllowList, Authenticator, guard
from realtime.transport.handshakes import PUBLISHER_SAYS, HandshakeMonitor, client_says
from realtime.transport.keys import ClientKeys, PublisherKeys, present
from realtime.transport.publishers import HANDSHAKE_BYTES, HANDSHAKE_MS
from realtime.wire.array_codec import MessageError
from realtime.wire.remote import PICTURE_BYTES, Note, RemotePicture, read_note, write_note

QUEUED = 16  # messages; pictures are bounded by receipts before this is
HEARTBEAT_MS, LOST_MS, CONNECT_MS = 500, 1500, 1000
RECONNECT_MS, RECONNECT_MAX_MS = 100, 500

log = logging.getLogger("link")


class Arrived(NamedTuple):
    peer: bytes
    address: str
    note: Note
    jpeg: bytes  # empty but for pictures


def prepared(context: zmq.Context[Any], kind: int, most_bytes: int) -> zmq.Socket[Any]:
    socket: zmq.Socket[Any] = context.socket(kind)
    for option, value in (
        (zmq.SNDHWM, QUEUED), (zmq.RCVHWM, QUEUED), (zmq.LINGER, 0), (zmq.MAXMSGSIZE, most_bytes),
        (zmq.HEARTBEAT_IVL, HEARTBEAT_MS), (zmq.HEARTBEAT_TIMEOUT, LOST_MS), (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
    ):  # fmt: skip
        socket.set(option, value)
    return socket


class CameraEnd:
    """The camera's end.  `refusal`: what the other end has against it."""

    def __init__(self, context: zmq.Context[Any], address: str, keys: ClientKeys | None = None) -> None:
        self.address, self._keys, self._context = address, keys, context
        self.refusal = ""
        self.refused: Counter[str] = Counter()
        self._connect()

    def _connect(self) -> None:
        self._socket = prepared(self._context, zmq.DEALER, HANDSHAKE_BYTES)
        self._socket.set(zmq.IMMEDIATE, 1)  # nothing waits for a connection that is not there
        self._socket.set(zmq.ROUTING_ID, b"c" + secrets.token_bytes(15))
        self._socket.set(zmq.CONNECT_TIMEOUT, CONNECT_MS)
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        if self._keys:
            present(self._socket, self._keys)
        self._monitor = HandshakeMonitor(self._context, self._socket)
        self._socket.connect(self.address)

    def renew(self) -> None:
        """After a silence: libzmq gives a refused connection up for good."""
        for failure in self._monitor.failures():
            text = client_says(failure, self.address, self._keys)
            if text and text != self.refusal:
                self.refusal = text
                log.warning("not let in: %s", text)
        self.close()
        self._connect()

    def send(self, note: Note, jpeg: bytes = b"") -> bool:
        """Return False: there is no connection, or it takes no more."""
        try:
            self._socket.send_multipart(write_note(note) + ([jpeg] if jpeg else []), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> Note | None:
        """Return the next note that has come, without waiting."""
        while self._socket.poll(0):
            parts = self._socket.recv_multipart(zmq.NOBLOCK)
            try:
                note = read_note(*parts) if len(parts) == 2 else None
            except MessageError as error:
                self.refused[error.kind] += 1
                continue
            if note:
                self.refusal = ""
                return note
        return None

    def close(self) -> None:
        self._socket.close()
        self._monitor.close()


class PosesEnd:
    """The end where poses are found.  With keys only listed cameras are let in."""

    def __init__(self, context: zmq.Context[Any], bind: str, keys: PublisherKeys | None = None) -> None:
        self.refused: Counter[str] = Counter()
        self._paces: dict[str, Pace] = {}
        self._authenticator = Authenticator(context, AllowList(keys)) if keys else None
        self._socket = prepared(context, zmq.ROUTER, PICTURE_BYTES)
        self._socket.set(zmq.ROUTER_HANDOVER, 1)
        if keys:
            guard(self._socket, keys)
        self._monitor = HandshakeMonitor(context, self._socket)
        try:
            self._socket.bind(bind)
        except zmq.ZMQError as error:
            self.close()
            raise unbindable(bind, OSError(error.errno, str(error))) from error

    def receive(self, timeout_ms: int) -> Arrived | None:
        """Return the next note of anybody, or None when time is up."""
        self._watch()
        if not self._socket.poll(timeout_ms):
            return None
        frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        parts = [bytes(frame.buffer) for frame in frames]
        try:
            return self._read(parts, str(frames[-1].get("Peer-Address") or "?"))
        except MessageError as error:
            self._count(error.kind, str(error)[:200])
            return None

    @staticmethod
    def _read(parts: list[bytes], address: str) -> Arrived:
        if len(parts) not in (3, 4):
            raise MessageError("topic", f"{len(parts)} parts")
        note = read_note(parts[1], parts[2])
        if isinstance(note, RemotePicture) != (len(parts) == 4):
            raise MessageError("topic", "a picture has a JPEG behind it, nothing else has")
        return Arrived(parts[0], address, note, parts[3] if len(parts) == 4 else b"")

    def send(self, peer: bytes, note: Note) -> None:
        """Send a note; dropped where the peer has gone."""
        try:
            self._socket.send_multipart([peer, *write_note(note)], zmq.NOBLOCK)
        except zmq.ZMQError:
            self.refused["gone"] += 1

    def _watch(self) -> None:
        for kind in self._monitor.failures():
            if kind in PUBLISHER_SAYS and self._authenticator:
                self._count(kind, PUBLISHER_SAYS[kind])
        if self._authenticator and self._authenticator.allow_list.removed():
            raise CameraRemoved("a camera was taken off the list; the port is opened anew")

    def _count(self, kind: str, text: str) -> None:
        self.refused[kind] += 1
        if self._paces.setdefault(kind, Pace(1.0)).due():
            log.warning("refused, %s: %s (%d so far)", kind.replace("_", " "), text, self.refused[kind])

    def close(self) -> None:
        self._socket.close()
        self._monitor.close()
        if self._authenticator:
            self._authenticator.close()


class CameraRemoved(Exception):
    """Whoever is connected has to shake hands again."""

    source_lost = True
