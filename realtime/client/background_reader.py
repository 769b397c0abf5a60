"""Read one topic of a publisher in the background: the newest message and the time it came."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zmq

from realtime import clock
from realtime.clock import Deadline, Pace
from realtime.transport.bus import TopicReader
from realtime.transport.keys import ClientKeys

TURN_MS = 50.0
log = logging.getLogger("client")
PAUSE_MS = 500.0  # a turn that took longer: this process itself was stopped


@dataclass(frozen=True)
class ReceivedMessage:
    message: Any
    received_ns: int


class Listener:
    """One topic, read by a thread of its own, so that the time of receipt is true however seldom anybody asks.

    `wrong` names, in one word, what is the matter with a message that decodes; it is then refused and counted.
    """

    def __init__(
        self, context: zmq.Context[Any], address: str, topic: str, source: str,
        wrong: Callable[[Any], str] = lambda _message: "", keys: ClientKeys | None = None,
    ) -> None:  # fmt: skip
        self.topic, self._wrong, self._senseless, self._pace = topic, wrong, Counter[str](), Pace(1.0)
        self.count = 0
        self.news = threading.Condition()
        self.refused: Counter[str] = Counter()
        self.renewed = 0
        self.refusal = ""
        self._heard: dict[str, ReceivedMessage] = {}
        self._source = source
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(context, address, topic, source, keys), daemon=True)
        self._thread.start()

    def _listen(
        self, context: zmq.Context[Any], address: str, topic: str, source: str, keys: ClientKeys | None
    ) -> None:
        reader = TopicReader(context, address, topic, source, keys=keys)
        while not self._stop.is_set():
            if source != self._source:
                source = self._source
                reader.follow(source)
            paused = Deadline(PAUSE_MS)
            message = reader.get(TURN_MS)
            fits = message is not None and self._fits(message)
            self.refused, self.renewed = reader.refused + self._senseless, reader.renewed
            self.refusal = reader.refusal
            if fits and not paused.passed():  # else nobody knows how long it lay here
                self._keep(ReceivedMessage(message, clock.now_ns()))
        reader.close()

    def _fits(self, message: Any) -> bool:
        kind = self._wrong(message)
        if kind:
            self._senseless[kind] += 1
            if self._pace.due():
                log.warning("%s: message refused, %d so far: %s", self.topic, self._senseless[kind], kind)
        return not kind

    def _keep(self, heard: ReceivedMessage) -> None:
        """Health comes for each stage; of everything else only the newest counts."""
        with self.news:
            self._heard[getattr(heard.message, "stage", "")] = heard
            self.count += 1
            self.news.notify_all()

    def follow(self, source: str) -> None:
        """From now on this source alone; what others said is forgotten, but for who publishes."""
        with self.news:
            self._source = source
            if self.topic != "hello":
                self._heard.clear()

    def newest(self) -> ReceivedMessage | None:
        return self._heard.get("")

    def all(self) -> dict[str, ReceivedMessage]:
        return dict(self._heard)

    def wait(self, number: int, timeout_s: float) -> int:
        """Wait until there is something newer than `number`, or time is up; return the newest number."""
        with self.news:
            self.news.wait_for(lambda: self.count != number, timeout_s)
            return self.count

    def stop(self) -> None:
        self._stop.set()

    def join(self) -> None:
        self._thread.join()
