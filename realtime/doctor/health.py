"""`realtime health`: how each stage of a stream does, for people, container checks and watchdogs."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from realtime.client.pose_client import ADDRESS, NoStream, PoseClient
from realtime.clock import Deadline
from realtime.wire.messages import Health, Pose3D

NOT_CURRENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connect", default=ADDRESS, metavar="ADDRESS", help="of the stream")
    parser.add_argument("--keys", metavar="DIR", help="folder of this client's keys, where the publisher has some")
    parser.add_argument("--timeout", type=float, default=3.0, metavar="S", help="how long to wait (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def main(args: argparse.Namespace) -> int:
    with PoseClient(args.connect, keys=args.keys) as client:
        stages, pose = listen(client, args.timeout)
    if args.json:
        print(json.dumps({"status": pose.status, "stages": {one.stage: asdict(one) for one in stages}}))
    else:
        width = max((len(one.stage) for one in stages), default=0)
        for one in stages:
            print(
                f"{one.stage:{width}} {one.state:9} {one.rate_hz:5.1f} Hz {one.p50_ms:6.1f} ms  {one.reason}".rstrip()
            )
        print(f"poses: {pose.status}, {len(pose.people)} people")
    return NOT_CURRENT if pose.status == "STALE" or any(one.state == "DOWN" for one in stages) else 0


def listen(client: PoseClient, timeout_s: float) -> tuple[list[Health], Pose3D]:
    """Wait for the stages' health and a current pose, if one comes in time; NoStream where nothing comes."""
    deadline = Deadline(timeout_s * 1000)
    client.health()  # subscribed from here on
    client.hello(timeout_s)
    for pose in client:
        stages = client.health()
        if (stages and pose.status != "STALE") or deadline.passed():
            return list(stages.values()), pose
    raise NoStream(f"{client.address}: closed")
