"""A port with keys that somebody speaks on, and folders of keys for whoever is to read it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime.transport import keys
from realtime.transport.bus import Bus
from realtime.transport.publishers import PublicPort
from tests.support.peer import free_address, hello, pose


class Station:
    """Publishes a pose every 10 ms in a thread, until it is closed."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.address, self.folder = free_address(), folder
        self.port: PublicPort | None = None
        self._runtime, self._stop, self._open = runtime, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()
        assert self._open.wait(5)

    def _speak(self) -> None:
        bus, n = Bus(self._runtime), 0
        self.port = bus.public(self.address, keys=str(self.folder))
        self._open.set()
        while not self._stop.wait(0.01):
            n += 1
            self.port.send_on("pose3d", "cam0", pose(n))
            self.port.send_on("hello", "cam0", hello())
        bus.close()

    def turned_away(self, kind: str) -> int:
        assert self.port is not None
        return self.port.turned_away[kind]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def station(folder: Path, runtime: Path) -> Iterator[Station]:
    one = Station(folder, runtime)
    try:
        yield one
    finally:
        one.close()


def make_folders(place: Path) -> dict[str, Path]:
    """A publisher's folder, and one for each kind of client."""
    publisher = keys.new_publisher(place / "publisher")
    listed = keys.new_client(place / "listed", publisher.own.public)
    keys.allow(publisher.folder, "listed", listed.own.public, "allowed")
    keys.new_client(place / "unlisted", publisher.own.public)
    elsewhere = keys.new_publisher(place / "elsewhere")
    wrong = keys.new_client(place / "wrong", elsewhere.own.public)
    keys.allow(publisher.folder, "wrong", wrong.own.public, "allowed")
    camera = keys.new_client(place / "camera", publisher.own.public)
    keys.allow(publisher.folder, "camera", camera.own.public, "cameras")
    return {one: place / one for one in ("publisher", "listed", "unlisted", "wrong", "camera")}
