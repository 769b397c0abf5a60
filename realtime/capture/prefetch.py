"""Decode the next pictures in a thread while this one is being answered."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Full, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")
DEPTH = 3  # pictures that may wait; at 1920x1080 6 MB each
TURN_S = 0.1


class _Reader(Generic[Item]):
    def __init__(self, source: Iterator[Item], depth: int) -> None:
        self.queue: Queue[tuple[Item] | BaseException | None] = Queue(depth)
        self.stop = threading.Event()
        self._source = source
        self.thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for item in self._source:
                if not self._put((item,)):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            self._put(error)

    def _put(self, what: tuple[Item] | BaseException | None) -> bool:
        while not self.stop.is_set():
            try:
                self.queue.put(what, timeout=TURN_S)
                return True
            except Full:
                continue
        return False


def ahead(source: Iterator[Item], depth: int = DEPTH) -> Generator[Item, None, None]:
    """Yield the same items in the same order; what the source raises is raised here, in its place."""
    reader = _Reader(source, depth)
    try:
        while (got := reader.queue.get()) is not None:
            if isinstance(got, BaseException):
                raise got
            yield got[0]
    finally:
        reader.stop.set()
        reader.thread.join()
