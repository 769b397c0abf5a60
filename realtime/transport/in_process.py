"""Hand over topics whose producer and consumer share a process, in memory, newest only: they never become bytes."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from realtime.pipeline import Table, handed_over
from realtime.transport import bus
from realtime.transport.bus import Bus


class Sends(Protocol):
    def send(self, message: Any) -> Any: ...


class Bell:
    """Wakes one stage: a lock that is released to ring; half the time of a condition variable."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it rings already
            self._silent.release()

    def wait(self, timeout_ms: float) -> bool:
        """Until it rings, or time is up."""
        return self._silent.acquire(timeout=timeout_ms / 1000)


class Slot:
    """Holds one message: a newer one takes its place.  Slots of one stage share a bell."""

    def __init__(self, bell: Bell | None = None) -> None:
        self.bell = bell or Bell()
        self._held: deque[Any] = deque(maxlen=1)

    def put(self, message: Any) -> None:
        self._held.append(message)
        self.bell.ring()

    @property
    def full(self) -> bool:
        return bool(self._held)

    def get(self, timeout_ms: float) -> Any:
        """Return the newest unread message, or None when time is up."""
        if not self._held and timeout_ms > 0:
            self.bell.wait(timeout_ms)
        try:
            return self._held.popleft()
        except IndexError:
            return None


class SlotPublisher:
    """Hands over inside; no other process consumes the topic."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def send(self, message: Any) -> None:
        self._slot.put(message)


class GroupBus:
    """The bus of one process."""

    def __init__(self, bus: Bus, table: Table, process: str) -> None:
        self._bus = bus
        self._slots = slots(table, process)

    def latest(self, topic: str) -> Any:
        return self._slots.get(topic) or self._bus.latest(topic)

    def publisher(self, topic: str) -> Sends:
        return SlotPublisher(self._slots[topic]) if topic in self._slots else self._bus.publisher(topic)

    @staticmethod
    def wait_any(readers: Sequence[Any], timeout_ms: float) -> None:
        """Until one of a stage's readers has something: all of them slots, or all of them sockets."""
        if isinstance(readers[0], Slot):
            any(slot.full for slot in readers) or readers[0].bell.wait(timeout_ms)
        else:
            bus.wait_any(readers, timeout_ms)

    def public(self, bind: str, insecure: bool = False, keys: str | None = None) -> Any:
        return self._bus.public(bind, insecure, keys)

    def close(self) -> None:
        self._bus.close()


def slots(table: Table, process: str) -> dict[str, Slot]:
    """Return one for each topic handed over in a process, with the bell of the stage that consumes it."""
    inside = handed_over(table, process)
    found: dict[str, Slot] = {}
    for stage in (stage for stage in table.values() if stage.process == process):
        bell = Bell()
        found |= {topic: Slot(bell) for topic in stage.consumes if topic in inside}
    return found
