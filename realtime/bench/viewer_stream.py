"""Publish demo frames rendered beforehand, 30 a second, to measure the viewer with.

`python -m realtime.bench.viewer_stream ADDRESS` prints `up` when it publishes; SIGTERM or the end of its input ends it.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import ExitStack, closing

import numpy as np

from engines.skeleton import H36M_17
from realtime import clock
from realtime.bench.film import there_and_back
from realtime.config.schema import PublishConfig
from realtime.demo import CylinderWorld
from realtime.publish.age_limit import AgeLimit
from realtime.publish.publisher import Publication, nothing_yet
from realtime.transport.bus import Bus, run_directory
from realtime.transport.frame_ring import FrameWriter, Image
from realtime.transport.pose_ring import PoseRingWriter
from realtime.wire.messages import (
    INFERRED,
    OBSERVED,
    Health,
    Hello,
    Keypoints2D,
    Person2D,
    Person3D,
    Pose3D,
    Stamp,
    Truth,
)

HZ, SIZE, FRAMES = 30.0, (640, 480), 90
SEEN_SIGMA, HIDDEN_SIGMA = 0.015, 0.07  # m, to have something to draw

Film = list[tuple[Image, Truth]]


def hello() -> Hello:
    return Hello(
        "bench", "cam0", H36M_17.joints, H36M_17.parents, H36M_17.joints, "eq2", 0.5, "truth", "0" * 64, "truth", 0.0,
        "bench", parents2d=H36M_17.parents, clock=clock.identity(),
    )  # fmt: skip


def people_of(truth: Truth) -> tuple[Person3D, ...]:
    """Return the truth as a pipeline would tell it: hidden joints are inferred."""
    return tuple(
        Person3D(
            i + 1, "TRACKED", (xyz - xyz[0]).astype(np.float32),
            np.where(hidden, HIDDEN_SIGMA, SEEN_SIGMA).astype(np.float32),
            np.where(hidden, INFERRED, OBSERVED).astype(np.uint8), (hidden * 200.0).astype(np.float32),
            np.where(hidden, 0.1, 0.9).astype(np.float32), xy.astype(np.float32), xyz[0].astype(np.float32),
        )
        for i, (xyz, xy, hidden) in enumerate(zip(truth.xyz_cam, truth.xy, truth.hidden))
    )  # fmt: skip


def keypoints_of(people: tuple[Person3D, ...]) -> tuple[Person2D, ...]:
    return tuple(Person2D(p.id, p.xy, p.reliability, p.reliability, reliability=p.reliability) for p in people)


def play(address: str, film: Film, stop: threading.Event, hz: float = HZ) -> None:
    with run_directory(address) as directory, ExitStack() as stack:
        bus = stack.enter_context(closing(Bus(directory)))
        ring = stack.enter_context(closing(PoseRingWriter(address)))
        frames = stack.enter_context(closing(FrameWriter(address)))
        limit = AgeLimit(PublishConfig(max_age_ms=150.0))
        publication = Publication("cam0", bus.public(address), ring, limit, nothing_yet("cam0"))
        print("up", flush=True)
        began = clock.now_ns()
        seq = 0
        while not stop.wait(max(0.0, (began + seq / hz * 1e9 - clock.now_ns()) * 1e-9)):
            publish(publication, frames, film[there_and_back(seq, len(film))], seq)
            seq += 1


def publish(publication: Publication, frames: FrameWriter, picture: tuple[Image, Truth], seq: int) -> None:
    image, truth = picture
    stamp = Stamp("cam0", 1, seq, clock.now_ns(), clock.unix_ns())
    frame, people = frames.write(image, stamp), people_of(truth)
    width, height = frame.width, frame.height
    if publication.second_has_passed():
        publication.each_second(hello(), [Health("player", "READY", rate_hz=HZ)])
    publication.keypoints(
        Keypoints2D(stamp, width, height, keypoints_of(people), frame.slot, frame.generation, frame.ring)
    )
    publication.pose(Pose3D(stamp, width, height, "OK", people))


def end_with_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main(address: str) -> None:
    world, stop = CylinderWorld(0, SIZE, HZ), threading.Event()
    film = [world.frame(i) for i in range(FRAMES)]
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=end_with_input, args=(stop,), daemon=True).start()
    play(address, film, stop)


if __name__ == "__main__":
    main(sys.argv[1])
