"""`realtime bridge vmc`: one person as a humanoid's bones, for VTuber and Unity tools."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, closing

from realtime.bridges.address import host_and_port
from realtime.bridges.avatar.vmc import Performer
from realtime.bridges.loop import ORIGIN_HELP, ORIGINS, Bridge, now_s
from realtime.bridges.person import BridgedPerson, check_humanoid
from realtime.bridges.send import OscSender, Requests
from realtime.wire.messages import Hello, Pose3D

TARGET, LISTEN = "127.0.0.1:39539", 39540
HINT = "keys: c calibrate (T-pose), r recentre, q quit; fingers and expression are not driven"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", default=TARGET, metavar="HOST:PORT", help=f"default {TARGET}")
    parser.add_argument(
        "--listen", type=int, default=LISTEN, metavar="PORT", help="port for calibration requests; 0: none"
    )
    parser.add_argument("--origin", choices=ORIGINS, default="person", help=ORIGIN_HELP)
    parser.add_argument("--calibrate", action="store_true", help="count down to a T-pose at once")


def open_bridge(args: argparse.Namespace) -> Bridge:
    host, port = host_and_port(args.target, TARGET)
    performer = Performer(recentring=args.origin == "person")
    with ExitStack() as stack:
        sender = stack.enter_context(closing(OscSender(host, port)))
        requests = stack.enter_context(closing(Requests("127.0.0.1", args.listen))) if args.listen else None
        close = stack.pop_all().close
    if args.calibrate:
        performer.calibrate(now_s())

    def send(_pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        check_humanoid(hello, "realtime bridge osc")
        for address in requests.take() if requests else ():
            performer.obey(address, now_s())
        sender.send(performer.messages(next(iter(people), None), now_s()))

    keys = {"c": lambda: performer.calibrate(now_s()), "r": performer.recentre}
    return Bridge(f"{host}:{port}", send, close, keys=keys, hint=HINT, news=performer.take_news)
