"""Hand over topics whose producer and consumer share a process, in memory, newest only."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from realtime.pipeline import Table, handed_over
from realtime.transport.bus import Bus, TopicPublisher


class Sends(Protocol):
    def send(self, message: Any) -> Any: ...


class Slot:
    """Holds one message: a newer one takes its place."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._message: Any = None

    def put(self, message: Any) -> None:
        with self._changed:
            self._message = message
            self._changed.notify()

    def get(self, timeout_ms: float) -> Any:
        """The newest unread message, or None when time is up."""
        with self._changed:
            if self._message is None:
                self._changed.wait(timeout_ms / 1000)
            message, self._message = self._message, None
            return message


class TeePublisher:
    """Sends to other processes and hands over inside; what the bus refuses (a number that is not finite) stays here."""

    def __init__(self, outer: TopicPublisher, slot: Slot) -> None:
        self._outer, self._slot = outer, slot

    def send(self, message: Any) -> None:
        if self._outer.send(message):
            self._slot.put(message)


class GroupBus:
    """The bus of one process."""

    def __init__(self, bus: Bus, table: Table, process: str) -> None:
        self._bus = bus
        self._slots = {topic: Slot() for topic in handed_over(table, process)}

    def latest(self, topic: str) -> Any:
        return self._slots.get(topic) or self._bus.latest(topic)

    def publisher(self, topic: str) -> Sends:
        outer = self._bus.publisher(topic)
        return TeePublisher(outer, self._slots[topic]) if topic in self._slots else outer

    def public(self, bind: str, insecure: bool = False) -> Any:
        return self._bus.public(bind, insecure)

    def close(self) -> None:
        self._bus.close()
