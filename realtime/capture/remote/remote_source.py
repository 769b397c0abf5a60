"""Play another machine's camera as a source: its newest picture, stamped on this machine's clock."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import zmq

from realtime import clock
from realtime.capture.opencv import upright
from realtime.capture.remote.clock_offset import ClockOffset
from realtime.capture.remote.jpeg import read_jpeg
from realtime.capture.source import Picture
from realtime.clock import NS_PER_MS, Pace
from realtime.config.schema import SourceConfig
from realtime.config.source_spec import remote_address
from realtime.transport.keys import publisher_keys
from realtime.transport.picture_link import Arrived, PosesEnd
from realtime.wire.messages import Stamp
from realtime.wire.remote import ClockAnswer, ClockQuestion, Here, Receipt, RemotePicture

TURN_MS = 20
FIRST_ANSWERS, OFTEN_S, SELDOM_S = 8, 0.05, 0.5  # between two questions about the time
PATIENCE_NS = 1_500_000_000  # another camera may take the place of one that was silent for so long
TOO_OLD_NS = 1_000_000_000  # a picture that waited so long is left out: a newer one follows


@dataclass
class RemoteCamera:
    """Who sends now: its clock and streams."""

    peer: bytes
    address: str
    clock: str = ""
    offset: ClockOffset = field(default_factory=ClockOffset)
    streams: dict[int, int] = field(default_factory=dict)  # its number -> ours
    heard_ns: int = 0
    last_ns: int = 0  # stamp of its last picture
    often: Pace = field(default_factory=lambda: Pace(OFTEN_S))
    seldom: Pace = field(default_factory=lambda: Pace(SELDOM_S))

    def asks_now(self) -> bool:
        return self.often.due() if len(self.offset) < FIRST_ANSWERS else self.seldom.due()

    def stamp(self, theirs: Stamp, source: str, now_ns: int) -> Stamp | None:
        """Convert a stamp to this machine's clock, never in the future, always growing; None: clocks are unknown."""
        best = self.offset.best(now_ns)
        if best is None:
            return None
        captured = min(now_ns, max(self.last_ns + 1, theirs.t_capture_ns - best.offset_ns))
        if captured <= self.last_ns or captured < 0:
            return None
        stream = self.streams.setdefault(theirs.stream, secrets.randbits(48))
        return Stamp(source, stream, theirs.seq, captured, clock.unix_ns() - (now_ns - captured))


class RemoteSource:
    """Waits for a camera at an address of this machine; `note` says which one came, and how its clock differs."""

    live = True
    fps = 0.0
    size = (0, 0)

    def __init__(self, config: SourceConfig, keys: str | None) -> None:
        self._config, self._address = config, remote_address(config.spec)
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            self._link = PosesEnd(self._context, self._address, publisher_keys(keys, "cameras") if keys else None)
        except BaseException:
            self._context.term()
            raise
        self._camera: RemoteCamera | None = None
        self._closed = False
        self.turned_away = 0  # notes of a second camera

    def read(self) -> Picture | None:
        """Wait for the newest picture; None once the source is closed."""
        while not self._closed:
            newest = self._take(self._link.receive(TURN_MS))
            while arrived := self._link.receive(0):
                newest = self._take(arrived) or newest
            self._ask()
            if newest:
                return self._picture(*newest)
        return None

    def _take(self, arrived: Arrived | None) -> tuple[RemotePicture, bytes, Stamp] | None:
        """Obey one note; a picture worth showing comes back with its stamp."""
        now_ns = clock.now_ns()
        camera = self._camera_of(arrived, now_ns) if arrived else None
        if arrived is None or camera is None:
            return None
        note = arrived.note
        if isinstance(note, Here) and note.clock != camera.clock:
            camera.clock, camera.offset = note.clock, ClockOffset()
        elif isinstance(note, ClockAnswer):
            camera.offset.add(note.sent_ns, note.came_ns, note.left_ns, now_ns)
        elif isinstance(note, RemotePicture):
            self._link.send(camera.peer, Receipt(note.stamp.stream, note.stamp.seq))
            stamp = camera.stamp(note.stamp, self._config.name, now_ns)
            if stamp and now_ns - stamp.t_capture_ns < TOO_OLD_NS:
                camera.last_ns = stamp.t_capture_ns
                return note, arrived.jpeg, stamp
        return None

    def _camera_of(self, arrived: Arrived, now_ns: int) -> RemoteCamera | None:
        """Return the camera a message is of; None: another one is sending already."""
        camera = self._camera
        if camera is None or (arrived.peer != camera.peer and now_ns - camera.heard_ns > PATIENCE_NS):
            camera = self._camera = RemoteCamera(arrived.peer, arrived.address)
        if arrived.peer != camera.peer:
            self.turned_away += 1
            return None
        camera.heard_ns = now_ns
        return camera

    def _ask(self) -> None:
        if self._camera and self._camera.asks_now():
            self._link.send(self._camera.peer, ClockQuestion(clock.now_ns()))

    def _picture(self, note: RemotePicture, jpeg: bytes, stamp: Stamp) -> Picture:
        image = upright(read_jpeg(jpeg, (note.width, note.height)), self._config.rotate)
        return Picture(image, stamp)

    def note(self) -> str:
        """Describe who sends and what is known of its clock."""
        camera, now_ns = self._camera, clock.now_ns()
        if camera is None:
            return f"waiting for a camera at {self._address}"
        second = f", {self.turned_away} messages of a second camera refused" if self.turned_away else ""
        return f"camera at {camera.address}: {camera.offset.describe(now_ns)}{second}"

    def info(self) -> dict[str, float]:
        """Return the clock's offset, its bound and the shortest way there and back, ms."""
        best = self._camera.offset.best(clock.now_ns()) if self._camera else None
        if best is None:
            return {}
        return {
            "clock_offset_ms": round(best.offset_ns / NS_PER_MS, 3),
            "clock_error_ms": round(best.error_ns(clock.now_ns()) / NS_PER_MS, 3),
            "link_delay_ms": round(best.delay_ns / NS_PER_MS, 3),
        }

    def interrupt(self) -> None:
        """From another thread: `read` answers None soon."""
        self._closed = True

    def close(self) -> None:
        self._link.close()
        self._context.term()
