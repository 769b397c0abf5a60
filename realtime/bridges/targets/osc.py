"""`realtime bridge osc`: joints as plain OSC, or one person as VRChat's trackers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from realtime.bridges import osc
from realtime.bridges.address import host_and_port
from realtime.bridges.loop import ORIGIN_HELP, ORIGINS, Bridge, now_s
from realtime.bridges.person import BridgedPerson, check_humanoid
from realtime.bridges.send import OscSender
from realtime.wire.messages import Hello, Pose3D

Message = tuple[str, list[object]]
TARGET = "127.0.0.1:9000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", default=TARGET, metavar="HOST:PORT", help=f"default {TARGET}")
    parser.add_argument("--layout", choices=("joints", "vrchat"), default="joints", help="joints, or VRChat's trackers")
    parser.add_argument("--origin", choices=ORIGINS, default="person", help=ORIGIN_HELP + "; of trackers")
    parser.add_argument("--axes", choices=("room", "unity"), default="room", help="of joints")


def open_bridge(args: argparse.Namespace) -> Bridge:
    host, port = host_and_port(args.target, TARGET)
    sender, vrchat, mirrored = OscSender(host, port), osc.VRChat(args.origin == "person"), args.axes == "unity"

    def send(pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        if args.layout == "vrchat":
            check_humanoid(hello, "--layout joints")
            bundles: Iterable[Iterable[Message]] = [vrchat.messages(one, now_s()) for one in people[:1]]
        else:
            joints = (osc.joint_messages(pose.stamp.source, one, mirrored) for one in people)
            bundles = [[osc.frame_message(pose)], *joints]
        for bundle in bundles:
            sender.send(bundle)

    return Bridge(f"{host}:{port}", send, sender.close, everybody=args.layout == "joints")
