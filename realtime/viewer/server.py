"""Serve the viewer: its page over HTTP, the stream over WebSocket.

Binary messages to the page are what was published, byte for byte (`pose3d/cam0`, zero byte, msgpack), and `picture`;
text messages are JSON: the answer to a `ping` (for the page's clock) and the state of this server.
"""

from __future__ import annotations

import asyncio
import os

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from realtime.viewer.feed import Feed
from realtime.viewer.hub import Hub, Page, ViewerOptions
from realtime.viewer.page_files import read_page_files
from realtime.web.access import Access, Listen, new_token
from realtime.web.connections import ACCEPTED_AT_ONCE, HANDSHAKE_S, ConnectionLimit, quiet_logger, widen_queue
from realtime.web.responses import CannotServe, answer, single

MOST_PAGES = 16
REQUEST_BYTES = 2048
STATUS_S = 1.0


class Viewer:
    """Serves until it is closed; every page gets the same stream."""

    def __init__(self, options: ViewerOptions) -> None:
        self.options = options
        self.access = Access(options.listen, new_token())
        self.feed = Feed(options.connect, self._from_feed, options.with_video, options.keys)
        self.hub = Hub(options, self.feed)
        self.connections = ConnectionLimit()
        self._files = read_page_files()
        self._server: Server | None = None
        self._status: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where the page is, with the token that lets a browser in."""
        return f"http://{self.access.listen.name}:{self.access.listen.port}/?token={self.access.token}"

    async def start(self) -> None:
        listen = self.options.listen
        self._loop = asyncio.get_running_loop()
        try:
            self._server = await serve(
                self._serve_page, listen.host, listen.port, process_request=self._request, compression=None,
                max_size=REQUEST_BYTES, ping_interval=10, ping_timeout=20, server_header=None,
                open_timeout=HANDSHAKE_S, logger=quiet_logger(), create_connection=self.connections.connection_class(),
                backlog=ACCEPTED_AT_ONCE,
            )  # fmt: skip
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            other = f"--http {listen.name}:{listen.port + 1}"
            raise CannotServe(
                f"{listen.name}:{listen.port} cannot be served: {reason}; choose another: {other}"
            ) from error
        widen_queue(self._server)
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.access = Access(Listen(listen.host, port), self.access.token)
        self._status = asyncio.create_task(self._tell())
        self.feed.start()

    async def close(self) -> None:
        if self._status:
            self._status.cancel()
        await asyncio.to_thread(self.feed.close)
        if self.hub.recorder:
            await asyncio.to_thread(self.hub.recorder.close)
        if self._server:
            self._server.close()
            self.connections.close()
            await self._server.wait_closed()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(STATUS_S)
            await self.hub.tell()

    def _from_feed(self, kind: str, data: bytes) -> None:
        """Hand a message of the feed's thread to the event loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.hub.spread, kind, data)

    async def _serve_page(self, socket: ServerConnection) -> None:
        await self.hub.serve(Page(socket))

    def _request(self, socket: ServerConnection, request: Request) -> Response | None:
        """Answer everything but a stream that is let in."""
        headers, path = single(request.headers), request.path.split("?")[0]
        if headers is None:
            return answer(400, "one Host, one Origin, one Cookie")
        if path == "/stream":
            return self._stream_request(request.path, headers)
        verdict = self.access.page(request.path, headers)
        if verdict.status != 200:
            return answer(verdict.status, verdict.reason)
        if path not in self._files:
            return answer(404, "nothing here; the viewer is at /")
        if verdict.cookie:
            return answer(303, "see /", {"Location": "/", "Set-Cookie": verdict.cookie})
        found = self._files[path]
        return Response(200, "OK", Headers(found.headers), found.body)

    def _stream_request(self, path: str, headers: dict[str, str]) -> Response | None:
        verdict = self.access.stream(path, headers)
        if verdict.status != 200:
            return answer(verdict.status, verdict.reason)
        if len(self.hub.pages) >= MOST_PAGES:
            return answer(503, f"{MOST_PAGES} pages are open already; close one")
        return None
