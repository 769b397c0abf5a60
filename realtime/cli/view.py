"""`realtime view`: show a stream in the browser."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from realtime.transport.address import is_loopback
from realtime.transport.keys import client_keys
from realtime.viewer.doorway import doorway
from realtime.viewer.hub import ViewerOptions
from realtime.viewer.server import Viewer
from realtime.web.access import BadAddress, parse_http


class NoFolder(ValueError):
    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connect", default="tcp://127.0.0.1:5555", metavar="ADDRESS", help="of the stream")
    parser.add_argument("--keys", metavar="DIR", help="folder of this client's keys, where the publisher has some")
    parser.add_argument("--http", default="127.0.0.1:8008", metavar="HOST:PORT", help="where the page is served")
    parser.add_argument(
        "--with-video", action="store_true", help="the camera's picture too; only on the machine of the camera"
    )
    parser.add_argument("--mirror", action="store_true", help="mirror what is displayed")
    parser.add_argument("--record-dir", type=Path, metavar="DIR", help="pages may record, into this folder only")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")


def main(args: argparse.Namespace) -> int:
    return asyncio.run(serve(options_of(args), not args.no_open))


def options_of(args: argparse.Namespace) -> ViewerOptions:
    listen = parse_http(args.http)
    if args.with_video and not (listen.loopback and is_loopback(args.connect)):
        raise BadAddress(
            f"--with-video shows pictures of people on their own machine only; found stream {args.connect}, "
            f"page {args.http}: leave it out, or use loopback addresses"
        )
    keys = client_keys(args.keys) if args.keys else None
    return ViewerOptions(args.connect, listen, args.with_video, args.mirror, checked_folder(args.record_dir), keys)


def checked_folder(folder: Path | None) -> Path | None:
    if folder and not folder.is_dir():
        raise NoFolder(f"--record-dir {folder} is no folder; make it first: mkdir -p {folder}")
    return folder


async def serve(options: ViewerOptions, may_open: bool) -> int:
    viewer = Viewer(options)
    await viewer.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stop.set))
    with ExitStack() as stack:
        announce(viewer)
        if may_open and sys.stdout.isatty() and has_display(os.environ, sys.platform):
            page = stack.enter_context(doorway(viewer.address, viewer.access.listen.port))
            webbrowser.open(page.as_uri())
        try:
            await stop.wait()
        finally:
            await viewer.close()
    return 0


def announce(viewer: Viewer) -> None:
    print(f"viewer on {viewer.address}", flush=True)
    if not viewer.options.listen.loopback:
        print("it is open to this network, unencrypted: whoever has this address and token sees it", file=sys.stderr)


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Tell whether a browser would be visible to whoever started this."""
    if "SSH_CONNECTION" in environment:
        return False
    return platform in ("win32", "darwin") or any(environment.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))
