"""Keep the pages that are open: what each one waits for, what each may ask."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from realtime import clock
from realtime.recording.recorder import StreamRecorder
from realtime.transport.keys import ClientKeys
from realtime.viewer.feed import Feed
from realtime.viewer.outbox import Outbox
from realtime.web.access import Listen

KEPT_S = {"hello": float("inf"), "health": 3.0}  # a page that opens gets the last of these, if younger, at once
MOST_KEPT = 32


@dataclass(frozen=True)
class ViewerOptions:
    connect: str
    listen: Listen
    with_video: bool = False
    mirror: bool = False
    record_dir: Path | None = None  # None: pages cannot record
    keys: ClientKeys | None = None  # where the publisher has some


@dataclass(eq=False)
class Page:
    socket: ServerConnection
    outbox: Outbox = field(default_factory=Outbox)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    video: int = 0  # px that its picture is wide; 0: it shows none

    async def send_on(self) -> None:
        """Hand over whatever waits, until the page closes."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            while (data := self.outbox.take()) is not None:
                await self.socket.send(data)


class Hub:
    def __init__(self, options: ViewerOptions, feed: Feed) -> None:
        self.options, self.feed = options, feed
        self.pages: set[Page] = set()
        self.recorder: StreamRecorder | None = None
        self._kept: dict[str, tuple[int, bytes]] = {}  # kind -> when it came, message
        self._heard_ns: int | None = None  # when the stream last said anything
        self._cpu = (time.process_time(), clock.now_ns())
        self._wishes: dict[str, Callable[[Page, Any], Awaitable[None]]] = {
            "ack": self._acknowledge, "ping": self._pong, "video": self._video, "record": self._record,
        }  # fmt: skip

    def spread(self, kind: str, data: bytes) -> None:
        """One message of the stream, to every page that wants it."""
        self._heard_ns = clock.now_ns()
        if kind.split("/")[0] in KEPT_S and (kind in self._kept or len(self._kept) < MOST_KEPT):
            self._kept[kind] = (self._heard_ns, data)
        for page in self.pages:
            if kind != "picture" or page.video:
                page.outbox.put(kind, data)
                page.wake.set()

    async def serve(self, page: Page) -> None:
        """One page from its opening to its end."""
        now = clock.now_ns()
        for kind, (heard_ns, data) in self._kept.items():
            if (now - heard_ns) * 1e-9 <= KEPT_S[kind.split("/")[0]]:
                page.outbox.put(kind, data)
        page.wake.set()
        self.pages.add(page)
        sending = asyncio.create_task(page.send_on())
        try:
            await page.socket.send(self.state())
            async for request in page.socket:
                await self._obey(page, request)
        except ConnectionClosed:
            return
        finally:
            self.pages.discard(page)
            self._wish_pictures()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _obey(self, page: Page, text: str | bytes) -> None:
        try:
            name, value = next(iter(json.loads(text).items()))
        except (ValueError, AttributeError, StopIteration, RecursionError):
            return
        if name in self._wishes:
            await self._wishes[name](page, value)

    async def _acknowledge(self, page: Page, total: Any) -> None:
        if isinstance(total, int):
            page.outbox.acknowledge(total)
            page.wake.set()

    async def _pong(self, page: Page, sent: Any) -> None:
        if isinstance(sent, (int, float)):
            await page.socket.send(json.dumps({"pong": sent, "now_ns": clock.now_ns()}))

    async def _video(self, page: Page, wanted: Any) -> None:
        width = int(wanted) if isinstance(wanted, (int, float)) and 0 <= wanted < 1e5 else 0
        page.video = width if self.options.with_video else 0
        self._wish_pictures()

    def _wish_pictures(self) -> None:
        self.feed.picture_width = max((page.video for page in self.pages), default=0)

    async def _record(self, page: Page, wanted: Any) -> None:
        folder = self.options.record_dir
        if wanted is True and folder and not (self.recorder and self.recorder.running):
            self.recorder = StreamRecorder(
                self.options.connect, folder.absolute() / recording_name(), self.options.keys
            )
            self.recorder.start()
        elif wanted is False and self.recorder:
            await asyncio.to_thread(self.recorder.close)
        await self.tell()

    async def tell(self) -> None:
        """Send the server's state to every page."""
        state = self.state()
        for page in list(self.pages):
            try:
                await page.socket.send(state)
            except ConnectionClosed:
                continue

    def state(self) -> str:
        return json.dumps({
            "server": {
                "video": self.options.with_video, "mirror": self.options.mirror, "connect": self.options.connect,
                "same_clock": self.feed.same_clock, "cpu": round(self._cpu_share(), 4),
                "pages": len(self.pages), "missed_pictures": self.feed.missed_pictures,
                "refusal": self.feed.refusal, "may_record": self.options.record_dir is not None,
                "recording": self.recorder.state() if self.recorder else None,
                "silent_s": None if self._heard_ns is None else round(clock.age_ms(self._heard_ns) / 1000, 2),
            }
        })  # fmt: skip

    def _cpu_share(self) -> float:
        """Of one core, over the last second or so."""
        used, now = time.process_time(), clock.now_ns()
        seconds = (now - self._cpu[1]) * 1e-9
        share = (used - self._cpu[0]) / max(1e-9, seconds)
        if seconds > 0.5:
            self._cpu = (used, now)
        return share


def recording_name() -> str:
    return time.strftime("steadypose-%Y%m%d-%H%M%S.sp")
