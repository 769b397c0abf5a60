"""`realtime replay`: publish a recording as a stream; every client works on it."""

from __future__ import annotations

import argparse
import sys
import threading
from contextlib import closing
from pathlib import Path

from realtime import clock
from realtime.publish.publisher import Publication, nothing_yet
from realtime.recording.file_format import RecordingError
from realtime.recording.reader import Recorded, hello_and_poses
from realtime.recording.replay import Moment, Restamper, moments
from realtime.supervise.end_signals import on_end
from realtime.transport.bus import Bus, run_directory
from realtime.transport.pose_ring import PoseRingWriter
from realtime.wire.messages import Health, Hello, replace

WAIT_S = 0.1
LAST_SENDS_S = 0.3  # sockets do not linger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a recording")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="0.5: half as fast (default 1)")
    parser.add_argument("--loop", action="store_true", help="again and again; each pass is a new stream")
    parser.add_argument("--bind", default="tcp://127.0.0.1:5555", metavar="ADDRESS", help="where it is published")
    parser.add_argument("--keys", metavar="DIR", help="folder of keys: only listed clients read it (realtime keys new)")
    parser.add_argument("--insecure", action="store_true", help="allow a bind beyond this machine, without keys")


def main(args: argparse.Namespace) -> int:
    if not 0.01 <= args.speed <= 100:
        raise RecordingError(f"--speed is 0.01 to 100, found {args.speed:g}")
    hello, _ = hello_and_poses(Recorded(args.file))
    stop = threading.Event()
    on_end(lambda *_: stop.set())
    with run_directory(args.bind) as directory, closing(Bus(directory)) as bus:
        port = bus.public(args.bind, args.insecure, args.keys)
        print(f"replaying {args.file} on {args.bind}", file=sys.stderr, flush=True)
        with closing(PoseRingWriter(args.bind)) as ring:
            publication = Publication(hello.source, port, ring, None, nothing_yet(hello.source))
            Player(publication, hello, args.speed, stop).play(args.file, args.loop)
            stop.wait(LAST_SENDS_S)
    return 0


class Player:
    def __init__(self, publication: Publication, hello: Hello, speed: float, stop: threading.Event) -> None:
        self.publication, self.speed, self.stop = publication, speed, stop
        self.hello = replace(hello, boot=f"replay-{clock.now_ns():x}", clock=clock.identity(), medium="recording")
        self.restamper = Restamper(clock.now_ns() // 1000, hello.max_age_ms)
        self.sent = 0

    def play(self, path: Path, loop: bool) -> None:
        due_ns = clock.now_ns()
        while not self.stop.is_set():
            self.restamper.begin()
            for moment in moments(Recorded(path)):
                due_ns = max(due_ns + int(moment.after_ns / self.speed), clock.now_ns() - clock.NS_PER_S)
                if not self._wait(due_ns):
                    return
                self._publish(moment)
            if not loop:
                return
            due_ns += clock.NS_PER_S // 30

    def _wait(self, due_ns: int) -> bool:
        """Wait until a message is due; False when told to stop."""
        while (left_s := (due_ns - clock.now_ns()) * 1e-9) > 0:
            if self.stop.wait(min(left_s, WAIT_S)):
                return False
            self.publication.silence()
        return not self.stop.is_set()

    def _publish(self, moment: Moment) -> None:
        now, unix = clock.now_ns(), clock.unix_ns()
        if self.publication.second_has_passed():
            self.publication.each_second(self.hello, [Health("replay", "READY", "", rate_hz=float(self.sent))])
            self.sent = 0
        for found in moment.keypoints:
            self.publication.keypoints(self.restamper.keypoints(found, moment.pose, now, unix))
        if moment.pose.status != "STALE":
            self.publication.pose(self.restamper.pose(moment.pose, now, unix))
        self.sent += 1
