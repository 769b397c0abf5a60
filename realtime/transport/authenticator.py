"""Decide who may connect to a port with keys: an allow-list, asked at every handshake (ZAP, ZeroMQ's RFC 27)."""

from __future__ import annotations

import logging
import shlex
import threading
from collections import Counter
from typing import Any

import zmq
import zmq.utils.z85

from realtime.clock import Pace
from realtime.transport.keys import BadKeys, PublisherKeys, allowed

ENDPOINT = "inproc://zeromq.zap.01"  # where libzmq asks
TURN_MS = 100
FRAMES = 7  # of a question about CURVE: version, id, domain, address, identity, mechanism, key
NEWS_S = 1.0  # between two looks at the list

log = logging.getLogger("keys")


class AllowList:
    """The keys that may connect, as the folder names them now; nobody where the folder cannot be read any more."""

    def __init__(self, keys: PublisherKeys) -> None:
        self.keys = keys
        self.names = allowed(keys.folder, keys.role)
        self._pace, self._log_pace = Pace(NEWS_S), Pace(10.0)

    def removed(self) -> bool:
        """Look again, once a second; whether somebody is no longer on the list."""
        if not self._pace.due():
            return False
        before, self.names = self.names, self._read()
        return not before.keys() <= self.names.keys()

    def _read(self) -> dict[str, str]:
        try:
            return allowed(self.keys.folder, self.keys.role)
        except BadKeys as error:
            if self._log_pace.due():
                log.warning("nobody is let in: %s", error)
            return {}


class Authenticator(threading.Thread):
    """Answers libzmq's questions for one context, in a thread of its own.  Without it nobody is let in."""

    def __init__(self, context: zmq.Context[Any], allow_list: AllowList) -> None:
        super().__init__(name="authenticator", daemon=True)
        self.allow_list = allow_list
        self.refused: Counter[str] = Counter()
        self._socket: zmq.Socket[Any] = context.socket(zmq.REP)
        self._socket.set(zmq.LINGER, 0)
        self._socket.bind(ENDPOINT)
        self._pace, self._stopping = Pace(1.0), threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopping.is_set():
            if self._socket.poll(TURN_MS):
                frames = self._socket.recv_multipart()
                self._socket.send_multipart(self._answer(frames))
        self._socket.close()

    def _answer(self, frames: list[bytes]) -> list[bytes]:
        name = None
        if len(frames) == FRAMES and frames[5] == b"CURVE" and len(frames[6]) == 32:
            key = zmq.utils.z85.encode(frames[6]).decode()
            name = self.allow_list.names.get(key)
            if name is None:
                self._refuse(frames[3].decode("ascii", "replace"), key)
        request = frames[1] if len(frames) > 1 else b""
        status, text = (b"200", b"OK") if name else (b"400", b"not on the list")
        return [b"1.0", request, status, text, (name or "").encode(), b""]

    def _refuse(self, address: str, key: str) -> None:
        self.refused["unlisted"] += 1
        if self._pace.due():
            keys = self.allow_list.keys
            option = " --camera" if keys.role == "cameras" else ""
            log.warning(
                "refused, unlisted: %s has key %s, %d so far; to let it in: realtime keys allow %s NAME %s%s",
                address, key[:8], self.refused["unlisted"], keys.folder, shlex.quote(key), option,
            )  # fmt: skip

    def close(self) -> None:
        self._stopping.set()
        self.join()


def guard(socket: zmq.Socket[Any], keys: PublisherKeys) -> None:
    """Before it binds: nobody comes in without a key that an Authenticator of this context knows."""
    socket.curve_server = True
    socket.curve_secretkey = keys.own.secret.encode()
    socket.zap_domain = keys.role.encode()
    socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # no authenticator: nobody, in place of everybody
