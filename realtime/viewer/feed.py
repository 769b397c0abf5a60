"""Follow one stream in a thread and hand every message on, as the bytes that were published."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

import zmq

from realtime.client.pose_client import contradicts
from realtime.clock import Pace, identity
from realtime.transport.bus import TopicReader, wait_any
from realtime.transport.keys import ClientKeys
from realtime.viewer.picture import Pictures
from realtime.wire.messages import Frame, Health, Hello, Pose3D

log = logging.getLogger("viewer")

ALWAYS = ("pose3d", "hello", "health")
PIXELS = "keypoints2d"  # they say where the pixels of their frame lie
TURN_MS = 100
MOST_SOURCES = 64

Take = Callable[[str, bytes], None]  # kind (newest of a kind counts), message


class Feed(threading.Thread):
    def __init__(self, connect: str, take: Take, with_video: bool, keys: ClientKeys | None = None) -> None:
        super().__init__(name="viewer-feed", daemon=True)
        self.picture_width = 0  # px that the largest page shows; 0: none shows any
        self.same_clock = False  # are the stream's stamps of this machine's clock?
        self._connect, self._take, self._keys = connect, take, keys
        self._first = self._followed = ""  # whom to follow where several cameras publish; empty: there is one alone
        self._pictures = Pictures() if with_video else None
        self._stopping = threading.Event()
        self.senseless: Counter[str] = Counter()  # poses that contradicted their Hello or the clock
        self._hellos: dict[str, Hello] = {}  # the last of each source
        self._paces: dict[str, Pace] = {}
        self.refusal = ""  # what the publisher has against this client

    @property
    def missed_pictures(self) -> int:
        return self._pictures.missed if self._pictures else 0

    def run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        topics = (*ALWAYS, PIXELS) if self._pictures else ALWAYS
        readers = [TopicReader(context, self._connect, topic, keys=self._keys) for topic in topics]
        try:
            while not self._stopping.is_set():
                wait_any(readers, TURN_MS)
                for reader in readers:
                    (self._picture if reader.topic == PIXELS else self._pass_on)(reader)
                self.refusal = readers[0].refusal
                if self._followed != self._first:
                    self._followed = self._first
                    for reader in readers:
                        reader.follow(self._followed)
        finally:
            for reader in readers:
                reader.close()
            context.term()
            if self._pictures:
                self._pictures.close()

    def _pass_on(self, reader: TopicReader) -> None:
        message, data = reader.get_with_bytes(0)
        if message is None:
            return
        if isinstance(message, Hello):
            self.same_clock = message.clock == identity()
            self._first = message.sources[0] if message.sources else ""
            if message.source in self._hellos or len(self._hellos) < MOST_SOURCES:
                self._hellos[message.source] = message
        elif isinstance(message, Pose3D) and (wrong := self._contradiction(message)):
            self._refuse(wrong)
            return
        self._take(kind_of(reader.topic, message), data)

    def _picture(self, reader: TopicReader) -> None:
        """Hand on the picture of the newest keypoints, of which nothing else is read."""
        frame, pictures, width = reader.get_fields(Frame, 0), self._pictures, self.picture_width
        if frame and pictures and width and (found := pictures.encode(frame, width)):
            self._take("picture", found)

    def _contradiction(self, pose: Pose3D) -> str:
        hello = self._hellos.get(pose.stamp.source)
        return contradicts(hello, pose) if hello else ""

    def _refuse(self, wrong: str) -> None:
        """Count and drop messages of a publisher that contradicts itself; log one line a second of each kind."""
        self.senseless[wrong] += 1
        if self._paces.setdefault(wrong, Pace(1.0)).due():
            log.warning("pose3d: message refused, %d so far: %s", self.senseless[wrong], wrong)

    def close(self) -> None:
        self._stopping.set()
        self.join(timeout=2.0)


def kind_of(topic: str, message: object) -> str:
    """Stages' reports do not replace each other, everything else of one topic does."""
    return f"{topic}/{message.stage}" if isinstance(message, Health) else topic
