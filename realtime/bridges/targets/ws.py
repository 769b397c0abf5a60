"""`realtime bridge ws`: poses as JSON over WebSocket, for browsers; an example page and a client of one file."""

from __future__ import annotations

import argparse
import re

from realtime.bridges.address import BadTarget
from realtime.bridges.loop import Bridge, Changes
from realtime.bridges.person import BridgedPerson
from realtime.bridges.pose_json import hello_json, pose_json
from realtime.bridges.pose_server import PoseServer
from realtime.web.access import Access, new_token, parse_http
from realtime.wire.messages import Hello, Pose3D

HTTP = "127.0.0.1:8009"
ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--http", default=HTTP, metavar="HOST:PORT", help=f"where it is served, default {HTTP}")
    parser.add_argument(
        "--allow-origin", action="append", default=[], metavar="URL",
        help="another site whose pages may read, with the token, such as http://localhost:5173; may be repeated",
    )  # fmt: skip


def open_bridge(args: argparse.Namespace) -> Bridge:
    for origin in args.allow_origin:
        if not ORIGIN.fullmatch(origin):
            raise BadTarget(f"--allow-origin is a site without a path, such as http://localhost:5173, found {origin!r}")
    server = PoseServer(Access(parse_http(args.http), new_token(), tuple(args.allow_origin), programs=True))
    server.start()
    changes, last = Changes(), list[Hello]()

    def send(pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        if hello and last != [hello]:
            last[:] = [hello]
            server.spread("hello", hello_json(hello))
        server.spread("pose", pose_json(pose, people))

    def news() -> str:
        count = len(server.pages)
        return changes.changed(f"{count} page{'' if count == 1 else 's'} open")

    open_to_all = "" if server.access.listen.loopback else "; open to this network, unencrypted: the token lets in"
    return Bridge(server.address + open_to_all, send, server.close, everybody=True, news=news)
