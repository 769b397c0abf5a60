"""Bound the pictures under way: as many as the link needs, none that would only wait (Brakmo's TCP Vegas)."""

from __future__ import annotations

from collections import deque

FEWEST, MOST = 2, 8
FEW_WAIT, MANY_WAIT = 0.5, 1.0  # pictures that wait in the network: below one more may leave, above one less
GIVEN_UP_NS = 1_500_000_000  # a receipt that has not come by then will not
FORGET_NS = 30_000_000_000  # the shortest time seen counts for so long: links change


class SendWindow:
    """Pictures that left and have no receipt yet."""

    def __init__(self) -> None:
        self.size = FEWEST
        self.given_up = 0
        self._under_way: deque[tuple[int, int, int]] = deque()  # stream, seq, when it left
        self._shortest_ns, self._since_ns = 0, 0
        self._was_full = False

    def __len__(self) -> int:
        return len(self._under_way)

    def is_open(self, now_ns: int) -> bool:
        """May another picture leave?"""
        if self._under_way and now_ns - self._under_way[0][2] > GIVEN_UP_NS:
            self.given_up += len(self._under_way)
            self._under_way.clear()
            self.size = FEWEST
        full = len(self._under_way) >= self.size
        self._was_full |= full
        return not full

    def left(self, stream: int, seq: int, now_ns: int) -> None:
        self._under_way.append((stream, seq, now_ns))

    def receipt(self, stream: int, seq: int, now_ns: int) -> None:
        """Confirm a picture and all that were sent before it."""
        if not any(item[:2] == (stream, seq) for item in self._under_way):
            return
        while self._under_way:
            found = self._under_way.popleft()
            if found[:2] == (stream, seq):
                self._adapt(max(1, now_ns - found[2]), now_ns)
                return

    def _adapt(self, took_ns: int, now_ns: int) -> None:
        if not self._shortest_ns or took_ns < self._shortest_ns or now_ns - self._since_ns > FORGET_NS:
            self._shortest_ns, self._since_ns = took_ns, now_ns
        waiting = self.size * (1 - self._shortest_ns / took_ns)
        if waiting > MANY_WAIT:
            self.size = max(FEWEST, self.size - 1)
        elif waiting < FEW_WAIT and self._was_full:
            self.size = min(MOST, self.size + 1)
        self._was_full = False
