"""`realtime bridge TO`: send live poses on to other tools."""

from __future__ import annotations

import argparse
import importlib
import signal
import threading
from contextlib import ExitStack
from types import ModuleType

from realtime.bridges.keyboard import keys
from realtime.bridges.loop import add_stream_arguments, run, tell
from realtime.client.pose_client import ADDRESS, PoseClient
from realtime.supervise.end_signals import ENDING, on_end

TARGETS = {
    "vmc": "VTuber and Unity tools: a humanoid's bones by the VMC protocol",
    "osc": "TouchDesigner, Max: a message per joint by OSC; VRChat: trackers",
    "ws": "browsers: JSON over WebSocket, with a client of one file and an example page",
    "mqtt": "MQTT brokers: JSON, one topic for each source",
    "lsl": "Lab Streaming Layer: one person as a stream of motion capture",
    "rerun": "the rerun viewer, live or as a file .rrd",
    "ros2": "ROS 2: skeleton markers and tf",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    targets = parser.add_subparsers(dest="to", metavar="TO", required=True, help="the tool")
    for name, about in TARGETS.items():
        one = targets.add_parser(name, help=about, description=about)
        target(name).add_arguments(one)
        add_stream_arguments(one, ADDRESS)


def target(name: str) -> ModuleType:
    return importlib.import_module(f"realtime.bridges.targets.{name}")


def main(args: argparse.Namespace) -> int:
    stop, heard = threading.Event(), list[int]()

    def end(number: int, _: object) -> None:
        heard.append(number)
        stop.set()

    on_end(end, ENDING)  # also Ctrl-C: a shell that starts a command with `&` lets it ignore that
    with ExitStack() as stack:
        bridge = target(args.to).open_bridge(args)
        stack.callback(bridge.close)
        client = stack.enter_context(PoseClient(args.connect, args.source, keys=args.keys))
        pressed = stack.enter_context(keys())
        tell(f"{args.to} to {bridge.target}. {bridge.hint}")
        run(client, bridge, args, pressed, stop)
    return 130 if heard[:1] == [signal.SIGINT] else 0
