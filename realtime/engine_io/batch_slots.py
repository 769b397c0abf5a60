"""Map people's ids to rows of an engine's batch."""

from __future__ import annotations

from collections.abc import Mapping


class BatchSlots:
    """Ids to rows of a batch; a new id gets the lowest free row and starts with a reset."""

    def __init__(self, count: int) -> None:
        self.rows: dict[int, int] = {}
        self.fresh: set[int] = set()
        self._free = list(range(count))[::-1]

    def settle(self, ids: Mapping[int, object]) -> None:
        for gone in [i for i in self.rows if i not in ids]:
            self._free.append(self.rows.pop(gone))
            self.fresh.discard(gone)
        for new in [i for i in ids if i not in self.rows]:
            if self._free:
                self.rows[new] = self._free.pop()
                self.fresh.add(new)

    def forget(self) -> None:
        self.fresh = set(self.rows)
