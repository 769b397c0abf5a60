"""`realtime bridge`: send live poses on to VTuber tools, Unity, VRChat, TouchDesigner."""

from __future__ import annotations

import argparse
import queue
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from realtime import clock
from realtime.bridges import osc
from realtime.bridges.keyboard import keys
from realtime.bridges.person import BridgedPerson, bridged, chosen
from realtime.bridges.progress import Progress
from realtime.bridges.send import Requests, Sender
from realtime.bridges.vmc import Performer
from realtime.client.one_euro import PoseSmoother
from realtime.client.pose_client import ADDRESS, PoseClient
from realtime.supervise.end_signals import ENDING, on_end
from realtime.wire.messages import Pose3D

Message = tuple[str, list[object]]
PORTS = {"vmc": 39539, "osc": 9000}
LISTEN = 39540
HELP = "keys: c calibrate (T-pose), r recentre, q quit; twist, fingers and expression are not driven"


class BadTarget(Exception):
    exit_code = 2


class OtherBody(Exception):
    """The stream's joints are not those of a humanoid."""

    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("to", choices=tuple(PORTS), help="vmc: humanoid bones; osc: joints or VRChat trackers")
    parser.add_argument("--connect", default=ADDRESS, metavar="ADDRESS", help="of the stream")
    parser.add_argument("--target", metavar="HOST:PORT", help="default 127.0.0.1:39539 for vmc, 127.0.0.1:9000 for osc")
    parser.add_argument("--listen", type=int, default=LISTEN, metavar="PORT", help="vmc: requests; 0: none")
    parser.add_argument("--layout", choices=("joints", "vrchat"), default="joints", help="osc only")
    parser.add_argument("--axes", choices=("room", "unity"), default="room", help="osc joints only")
    parser.add_argument("--person", type=int, metavar="ID", help="default: whoever was there first")
    parser.add_argument("--smooth", action="store_true", help="One-Euro smoothing; its delay is shown")
    parser.add_argument("--calibrate", action="store_true", help="vmc: count down to a T-pose at once")


def main(args: argparse.Namespace) -> int:
    stop, heard = threading.Event(), list[int]()

    def end(number: int, _: object) -> None:
        heard.append(number)
        stop.set()

    on_end(end, ENDING)  # also Ctrl-C: a shell that starts a command with `&` lets it ignore that
    host, port = target(args)
    with ExitStack() as stack:
        sender = stack.enter_context(closing(Sender(host, port)))
        client = stack.enter_context(PoseClient(args.connect))
        pressed = stack.enter_context(keys())
        bridge: Bridge = VmcBridge(args, stack) if args.to == "vmc" else OscBridge(args)
        tell(f"{args.to} to {host}:{port}. {HELP if args.to == 'vmc' else 'keys: q quit'}")
        run(client, args, bridge, sender, pressed, stop)
    return 130 if heard[:1] == [signal.SIGINT] else 0


def target(args: argparse.Namespace) -> tuple[str, int]:
    if args.target is None:
        return "127.0.0.1", PORTS[args.to]
    host, _, port = args.target.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadTarget(f"--target is HOST:PORT, such as 127.0.0.1:{PORTS[args.to]}, found {args.target!r}")
    return host.strip("[]"), int(port)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class OscBridge:
    args: argparse.Namespace
    vrchat: osc.VRChat = field(default_factory=osc.VRChat)

    def bundles(self, pose: Pose3D, people: list[BridgedPerson]) -> Iterable[Iterable[Message]]:
        if self.args.layout == "vrchat":
            return [self.vrchat.messages(one) for one in people[:1]]
        mirrored, source = self.args.axes == "unity", pose.stamp.source
        return [[osc.frame_message(pose)], *(osc.joint_messages(source, one, mirrored) for one in people)]

    def key(self, key: str) -> None:
        """Only `q` means something here."""

    def news(self) -> str:
        return ""


class VmcBridge:
    def __init__(self, args: argparse.Namespace, stack: ExitStack) -> None:
        self.performer = Performer()
        self.requests = stack.enter_context(closing(Requests("127.0.0.1", args.listen))) if args.listen else None
        if args.calibrate:
            self.performer.calibrate(now_s())

    def bundles(self, pose: Pose3D, people: list[BridgedPerson]) -> Iterable[Iterable[Message]]:
        for address in self.requests.take() if self.requests else ():
            self.performer.obey(address, now_s())
        return [self.performer.messages(next(iter(people), None), now_s())]

    def key(self, key: str) -> None:
        if key == "c":
            self.performer.calibrate(now_s())
        elif key == "r":
            self.performer.recentre()

    def news(self) -> str:
        told, self.performer.news = self.performer.news, ""
        return told


Bridge = OscBridge | VmcBridge


def now_s() -> float:
    return clock.now_ns() * 1e-9


def run(
    client: PoseClient, args: argparse.Namespace, bridge: Bridge, sender: Sender,
    pressed: queue.SimpleQueue[str], stop: threading.Event,
) -> None:  # fmt: skip
    smoother = PoseSmoother() if args.smooth else None
    followed: int | None = args.person
    pace, progress = clock.Pace(5.0), Progress(args.connect, tell)
    for pose in client:
        if stop.is_set() or obeyed(pressed, bridge) == "q":
            return
        if smoother and pose.status != "STALE":
            pose = smoother.smooth(pose)
        people = found(client, pose, args, followed)
        followed = people[0].id if people else followed
        progress.saw(pose, len(people))
        for bundle in bridge.bundles(pose, people):
            sender.send(bundle)
        if news := bridge.news():
            tell(news)
        if smoother and sys.stderr.isatty() and pace.due():
            tell(f"smoothing adds {smoother.delay_ms:.0f} ms")


def found(client: PoseClient, pose: Pose3D, args: argparse.Namespace, followed: int | None) -> list[BridgedPerson]:
    """The person to bridge; everybody for plain OSC joints without --person."""
    if not pose.people:
        return []
    hello, keypoints = client.hello(), client.keypoints2d()
    if args.to == "vmc" and "pelvis" not in hello.joints:
        raise OtherBody(f"vmc needs a joint named pelvis, this stream has {', '.join(hello.joints)[:200]}; try: osc")
    if args.to == "osc" and args.layout == "joints" and args.person is None:
        everybody = list(pose.people)
    else:
        one = chosen(pose, args.person, followed)
        everybody = [one] if one else []
    return [s for person in everybody if (s := bridged(person, pose, hello, keypoints))]


def obeyed(pressed: queue.SimpleQueue[str], bridge: Bridge) -> str:
    """The last key that was pressed."""
    key = ""
    while not pressed.empty():
        key = pressed.get()
        bridge.key(key)
    return key
