"""Follow everything that is published, in order and as bytes: to write down or to pass on.

On the publisher's own machine the PoseRing does the same and knows what was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import zmq

from realtime.clock import Deadline
from realtime.transport.bus import TopicReader, wait_any
from realtime.transport.keys import ClientKeys

TURN_MS = 50.0


class TappedMessage(NamedTuple):
    topic: str
    message: Any
    data: bytes  # exactly what was published


class Tap:
    """Belongs to the thread that made it."""

    def __init__(self, address: str, topics: tuple[str, ...], source: str = "", keys: ClientKeys | None = None) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._readers = [TopicReader(self._context, address, topic, source, False, keys) for topic in topics]

    def read(self, timeout_ms: float) -> Iterator[TappedMessage]:
        """Yield what comes until time is up."""
        deadline = Deadline(timeout_ms)
        while not deadline.passed():
            wait_any(self._readers, min(TURN_MS, deadline.left_ms()))
            for reader in self._readers:
                yield from waiting(reader)

    @property
    def refused(self) -> int:
        return sum(reader.refused.total() for reader in self._readers)

    @property
    def refusal(self) -> str:
        """Why the publisher does not let this client in; empty where nothing is known against it."""
        return next((reader.refusal for reader in self._readers if reader.refusal), "")

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
        self._context.term()


def waiting(reader: TopicReader) -> Iterator[TappedMessage]:
    """Yield what one reader has in its queue."""
    while True:
        message, data = reader.get_with_bytes(0)
        if message is None:
            return
        yield TappedMessage(reader.topic, message, data)
