"""Run a bridge: poses in, the chosen people upright and with named joints out, keys and news in between."""

from __future__ import annotations

import argparse
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from realtime import clock
from realtime.bridges.person import BridgedPerson, bridged, chosen
from realtime.bridges.progress import BridgeProgress
from realtime.client.one_euro import PoseSmoother
from realtime.client.pose_client import NoStream, PoseClient
from realtime.wire.messages import Hello, Pose3D

ORIGINS = ("person", "camera")
ORIGIN_HELP = "origin: where the first person stood, or below the camera"
Keys = queue.SimpleQueue[str]
Send = Callable[[Pose3D, list[BridgedPerson], "Hello | None"], None]


class MissingLibrary(Exception):
    """An extra is not installed."""

    exit_code = 2


def nothing() -> str:
    return ""


@dataclass
class Changes:
    """What is said once, when it becomes true."""

    last: str = ""

    def changed(self, text: str) -> str:
        """Return the text where it is another than the last, else nothing."""
        if text == self.last:
            return ""
        self.last = text
        return text


@dataclass(frozen=True)
class Bridge:
    """A tool that poses are sent on to.

    `send` gets every pose, also those without people and the stale ones; Hello is None until the stream has said it.
    """

    target: str  # whom it sends to, for people
    send: Send
    close: Callable[[], object]
    everybody: bool = False  # all people of a frame; else the one that is followed
    keys: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    hint: str = "keys: q quit"
    news: Callable[[], str] = nothing  # one line for the person at the keyboard; empty: nothing new


def now_s() -> float:
    return clock.now_ns() * 1e-9


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def add_stream_arguments(parser: argparse.ArgumentParser, address: str) -> None:
    """Add the command-line arguments of every bridge."""
    parser.add_argument("--connect", default=address, metavar="ADDRESS", help="of the stream")
    parser.add_argument("--keys", metavar="DIR", help="folder of this client's keys, where the publisher has some")
    parser.add_argument(
        "--source", default="", metavar="NAME", help="one camera's name, where several share an address"
    )
    parser.add_argument("--person", type=int, metavar="ID", help="default: whoever was there first")
    parser.add_argument("--smooth", action="store_true", help="One-Euro smoothing; its delay is shown")


def run(client: PoseClient, bridge: Bridge, args: argparse.Namespace, pressed: Keys, stop: threading.Event) -> None:
    """Until `stop`, or the key q."""
    smoother = PoseSmoother() if args.smooth else None
    followed: int | None = args.person
    pace, progress = clock.Pace(5.0), BridgeProgress(args.connect, tell)
    for pose in client:
        if stop.is_set() or obeyed(pressed, bridge) == "q":
            return
        if smoother and pose.status != "STALE":
            pose = smoother.smooth(pose)
        hello = known_hello(client)
        people = bridged_people(client, pose, hello, bridge.everybody and args.person is None, args.person, followed)
        followed = people[0].id if people else followed
        progress.saw(pose, len(people))
        bridge.send(pose, people, hello)
        if news := bridge.news():
            tell(news)
        if smoother and sys.stderr.isatty() and pace.due():
            tell(f"smoothing adds {smoother.delay_ms:.0f} ms")


def known_hello(client: PoseClient) -> Hello | None:
    """Return who publishes, where that was said already; no waiting."""
    try:
        return client.hello(0.0)
    except NoStream:
        return None


def bridged_people(
    client: PoseClient, pose: Pose3D, hello: Hello | None, everybody: bool, wanted: int | None, last: int | None
) -> list[BridgedPerson]:
    """Return the people to bridge; none where their joints have no names yet."""
    if not pose.people or hello is None:
        return []
    one = chosen(pose, wanted, last)
    people = list(pose.people) if everybody else [one] if one else []
    keypoints = client.keypoints2d()
    return [seen for person in people if (seen := bridged(person, pose, hello, keypoints))]


def obeyed(pressed: Keys, bridge: Bridge) -> str:
    """Return the last key that was pressed; each does what the bridge says it does."""
    key = ""
    while not pressed.empty():
        key = pressed.get()
        bridge.keys.get(key, nothing)()
    return key
