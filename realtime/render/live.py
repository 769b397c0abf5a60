"""Follow a stream that runs and pair its pictures with their poses, as they come, until told to stop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from realtime.clock import Deadline
from realtime.render.style import Image
from realtime.render.timeline import Moment
from realtime.transport.frame_ring import FrameReader
from realtime.transport.keys import ClientKeys
from realtime.transport.tap import Tap
from realtime.wire.messages import Hello, Keypoints2D, Pose3D, Stamp

TURN_MS = 100.0
MOST_WAITING = 12  # pictures that wait for their pose; older ones are shown without
LONGEST_FILL_S = 10.0  # of a picture that stands still while nothing comes


class NothingHeard(Exception):
    """Nobody published there."""

    exit_code = 2


@dataclass
class Pairing:
    """Frames wait for the pose of the same stamp; whoever is overtaken goes without."""

    waiting: deque[tuple[Stamp, Image | None]] = field(default_factory=deque)
    poses: dict[Stamp, Pose3D] = field(default_factory=dict)

    def frame(self, stamp: Stamp, image: Image | None) -> None:
        self.waiting.append((stamp, image))

    def pose(self, pose: Pose3D) -> None:
        if pose.status != "STALE":
            self.poses[pose.stamp] = pose

    def ready(self, all_of_them: bool = False) -> Iterator[tuple[Stamp, Image | None, Pose3D | None]]:
        """Yield frames in order whose pose is there, or will not come any more."""
        while self.waiting:
            stamp, image = self.waiting[0]
            overtaken = any(is_later(other, stamp) for other in self.poses)
            if not (stamp in self.poses or overtaken or all_of_them or len(self.waiting) > MOST_WAITING):
                return
            self.waiting.popleft()
            yield stamp, image, self.poses.pop(stamp, None)
            self.poses = {s: pose for s, pose in self.poses.items() if is_later(s, stamp)}


def is_later(a: Stamp, b: Stamp) -> bool:
    return a.t_capture_ns > b.t_capture_ns


class Following:
    """One stream, followed; `hello` and `size` are known after `start`."""

    def __init__(self, connect: str, stop: threading.Event, keys: ClientKeys | None = None) -> None:
        self.hello: Hello | None = None
        self.size = (0, 0)
        self._stop, self._pairing = stop, Pairing()
        self._tap, self._frames = Tap(connect, ("hello", "keypoints2d", "pose3d"), keys=keys), FrameReader()

    def start(self, connect: str, patience_s: float) -> None:
        """Wait for the first frame and for who speaks."""
        deadline = Deadline(patience_s * 1000)
        while not (self.hello and self.size[0]):
            if deadline.passed() or self._stop.is_set():
                raise NothingHeard(
                    self._tap.refusal
                    or f"nothing is published on {connect}; start it: realtime run, or name it with its port"
                )
            self._listen()

    def frames(self) -> Iterator[tuple[Stamp, Image | None, Pose3D | None]]:
        while not self._stop.is_set():
            self._listen()
            yield from self._pairing.ready()
        yield from self._pairing.ready(all_of_them=True)

    def _listen(self) -> None:
        for heard in self._tap.read(TURN_MS):
            message = heard.message
            if isinstance(message, Hello):
                self.hello = message
            elif isinstance(message, Keypoints2D):
                self.size = (message.width, message.height)
                self._pairing.frame(message.stamp, self._frames.image(message) if message.ring else None)
            elif isinstance(message, Pose3D):
                self._pairing.pose(message)

    def close(self) -> None:
        self._tap.close()
        self._frames.close()


def at_a_constant_rate(
    frames: Iterator[tuple[Stamp, Image | None, Pose3D | None]], fps: float
) -> Iterator[tuple[Moment, int]]:
    """Yield each frame with how often it is shown, so that the film runs in the stream's own time."""
    start_ns, shown = None, 0
    for stamp, image, pose in frames:
        start_ns = stamp.t_capture_ns if start_ns is None else start_ns
        time_s = (stamp.t_capture_ns - start_ns) * 1e-9
        due = int(time_s * fps) + 1 - shown
        if due > 0:
            times = min(due, int(LONGEST_FILL_S * fps))
            shown += due
            yield (image, pose, time_s), times
