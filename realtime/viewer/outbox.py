"""Queue for one page the newest message of each kind, bounded by acknowledgements.

The network and a sleeping page can hold seconds of messages; a page that does not acknowledge gets no more.
"""

from __future__ import annotations

from collections import Counter

IN_FLIGHT = 12  # messages: about 0.2 s of poses and pictures


class Outbox:
    def __init__(self, in_flight: int = IN_FLIGHT) -> None:
        self.replaced: Counter[str] = Counter()  # by kind: messages the page never got
        self._limit = in_flight
        self._waiting: dict[str, bytes] = {}
        self._sent = 0
        self._acknowledged = 0

    @property
    def room(self) -> int:
        return self._limit - (self._sent - self._acknowledged)

    def put(self, kind: str, data: bytes) -> None:
        """Queue the newest message of its kind; one of that kind that still waited is replaced."""
        if self._waiting.pop(kind, None) is not None:
            self.replaced[kind.split("/")[0]] += 1
        self._waiting[kind] = data

    def take(self) -> bytes | None:
        """Return the message to send now, oldest first; None where nothing waits or too much is on its way."""
        if not self._waiting or self.room <= 0:
            return None
        kind = next(iter(self._waiting))
        self._sent += 1
        return self._waiting.pop(kind)

    def acknowledge(self, total: int) -> None:
        """Record how many messages the page has received since it opened."""
        self._acknowledged = max(self._acknowledged, min(total, self._sent))
