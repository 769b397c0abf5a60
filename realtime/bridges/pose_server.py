"""Serve poses to browsers: an example page and its client over HTTP, JSON over WebSocket, in a thread of its own.

A page gets the newest pose; one that reads slowly misses some and delays nobody.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field
from importlib.resources import files

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from realtime.web.access import Access, Listen, headers_for
from realtime.web.connections import ACCEPTED_AT_ONCE, HANDSHAKE_S, ConnectionLimit, quiet_logger, widen_queue
from realtime.web.responses import CannotServe, answer, single

MOST_PAGES = 16
REQUEST_BYTES = 1024  # pages have nothing to say
BUFFER_BYTES = 16384  # of one page, in this process: about four poses
CONTENT_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
START = "page.html"


@dataclass(eq=False)
class JsonPage:
    """One reader, and what it gets next: at most one Hello and one pose wait."""

    socket: ServerConnection
    waiting: dict[str, str] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, kind: str, text: str) -> None:
        self.waiting[kind] = text
        self.wake.set()

    async def send_on(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.waiting:
                await self.socket.send(self.waiting.pop(next(iter(self.waiting))))


class PoseServer:
    """Serves from `start` to `close`; `spread` may be called from any thread."""

    def __init__(self, access: Access) -> None:
        self.access, self.pages = access, set[JsonPage]()
        self._limit, self._kept = ConnectionLimit(), dict[str, str]()  # kind -> what a new page gets at once
        self._files = read_files()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pose-server", daemon=True)
        self._server: Server | None = None

    @property
    def address(self) -> str:
        listen = self.access.listen
        return f"http://{listen.name}:{listen.port}/?token={self.access.token}"

    def start(self) -> None:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        except OSError as error:
            self.close()
            listen, reason = self.access.listen, os.strerror(error.errno) if error.errno else str(error)
            other = f"--http {listen.name}:{listen.port + 1}"
            raise CannotServe(
                f"{listen.name}:{listen.port} cannot be served: {reason}; choose another: {other}"
            ) from error

    async def _open(self) -> None:
        listen = self.access.listen
        self._server = await serve(
            self._serve, listen.host, listen.port, process_request=self._request, compression=None,
            max_size=REQUEST_BYTES, write_limit=BUFFER_BYTES, ping_interval=10, ping_timeout=20, server_header=None,
            open_timeout=HANDSHAKE_S, logger=quiet_logger(), create_connection=self._limit.connection_class(),
            backlog=ACCEPTED_AT_ONCE,
        )  # fmt: skip
        widen_queue(self._server)
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.access = Access(Listen(listen.host, port), self.access.token, self.access.origins, self.access.programs)

    def close(self) -> None:
        if self._server:
            asyncio.run_coroutine_threadsafe(self._shut(self._server), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut(self, server: Server) -> None:
        server.close()
        self._limit.close()
        await server.wait_closed()

    def spread(self, kind: str, text: str) -> None:
        self._loop.call_soon_threadsafe(self._put, kind, text)

    def _put(self, kind: str, text: str) -> None:
        self._kept[kind] = text
        for page in self.pages:
            page.put(kind, text)

    async def _serve(self, socket: ServerConnection) -> None:
        page = JsonPage(socket)
        for kind, text in self._kept.items():
            page.put(kind, text)
        self.pages.add(page)
        sending = asyncio.create_task(page.send_on())
        try:
            async for _ in socket:
                pass
        except ConnectionClosed:
            return
        finally:
            self.pages.discard(page)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _request(self, socket: ServerConnection, request: Request) -> Response | None:
        """Answer everything but a stream that is let in."""
        headers = single(request.headers)
        if headers is None:
            return answer(400, "one Host, one Origin, one Cookie")
        path = request.path.partition("?")[0]
        judge = self.access.stream if path == "/stream" else self.access.page
        verdict = judge(request.path, headers)
        if verdict.status != 200:
            return answer(verdict.status, verdict.reason)
        if path == "/stream":
            full = f"{MOST_PAGES} pages are open already; close one"
            return answer(503, full) if len(self.pages) >= MOST_PAGES else None
        if path not in self._files:
            return answer(404, "nothing here; the example is at /")
        if verdict.cookie and path == "/":
            return answer(303, "see /", {"Location": "/", "Set-Cookie": verdict.cookie})
        content_type, body = self._files[path]
        return Response(200, "OK", Headers(headers_for(content_type)), body)


def read_files() -> dict[str, tuple[str, bytes]]:
    """Request path -> content type and bytes; read once, so that no path from outside reaches the disk."""
    found = {}
    for entry in files("realtime.bridges").joinpath("page").iterdir():
        kind = CONTENT_TYPES.get(entry.name[entry.name.rfind(".") :])
        if kind:
            found["/" if entry.name == START else f"/{entry.name}"] = (f"{kind}; charset=utf-8", entry.read_bytes())
    return found
