"""Limit what connections may cost: how many at once, and one line of log a second for all that goes wrong with them.

A connection counts from its first byte, long before it is a request, so a flood of idle ones never takes the last
descriptor.  Malformed requests are everyday life on an open port: they are counted, not traced.
"""

from __future__ import annotations

import asyncio
import logging

from websockets.asyncio.server import Server, ServerConnection
from websockets.protocol import State

from realtime.clock import Pace

MOST_CONNECTIONS = 64
ACCEPTED_AT_ONCE = 16  # before any of them is looked at
QUEUED = 1024  # by the system, until they are accepted
HANDSHAKE_S = 3.0

log = logging.getLogger("viewer")


class ConnectionLimit:
    """Bound the open connections of one server: a new one takes the place of the oldest that has not asked anything."""

    def __init__(self, most: int = MOST_CONNECTIONS) -> None:
        self.most, self.dropped = most, 0
        self._open: dict[LimitedConnection, None] = {}  # in the order they came
        self._pace = Pace(1.0)

    @property
    def open(self) -> int:
        return len(self._open)

    def connection_class(self) -> type[ServerConnection]:
        """Make the kind of connection that counts here; what `websockets.serve` makes one of for each."""

        class Counted(LimitedConnection):
            limit = self

        return Counted

    def add(self, new: LimitedConnection) -> None:
        self._open[new] = None
        if len(self._open) > self.most:
            self._drop(next((one for one in self._open if one.protocol.state is State.CONNECTING), new))

    def remove(self, gone: LimitedConnection) -> None:
        self._open.pop(gone, None)

    def close(self) -> None:
        """Let go of whoever has not asked anything yet; nobody waits for them."""
        for one in [one for one in self._open if one.protocol.state is State.CONNECTING]:
            one.transport.abort()

    def _drop(self, connection: LimitedConnection) -> None:
        self.remove(connection)
        connection.transport.abort()
        self.dropped += 1
        if self._pace.due():
            log.warning("%d connections are open already; %d dropped so far", self.most, self.dropped)


class LimitedConnection(ServerConnection):
    """Tell its limit when it opens and when it is gone."""

    limit: ConnectionLimit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.limit.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.limit.remove(self)
        super().connection_lost(exc)


def widen_queue(server: Server) -> None:
    """Let the system queue more connections than are accepted at once: a full queue costs the next one a second."""
    for listening in server.sockets:
        with listening.dup() as same:
            same.listen(QUEUED)


class OneLineASecond(logging.Filter):
    """Pass at most one record a second, with the count of all so far and without its traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = 0
        self._pace = Pace(1.0)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return False
        self.counted += 1
        if not self._pace.due():
            return False
        reason = record.exc_info[1] if record.exc_info else None
        record.msg = f"{record.getMessage()}{f': {reason}' if reason else ''} ({self.counted} such requests so far)"
        record.args, record.exc_info, record.exc_text = (), None, None
        record.msg = " ".join(record.msg.split())[:300]
        return True


def quiet_logger() -> logging.Logger:
    """Make the logger that the HTTP library is given."""
    http = logging.getLogger("viewer.http")
    if not any(isinstance(one, OneLineASecond) for one in http.filters):
        http.addFilter(OneLineASecond())
    return http
