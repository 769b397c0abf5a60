"""Replay a recording as a live stream: same messages, same distances in time, stamps of now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from realtime.clock import NS_PER_S
from realtime.recording.reader import Held
from realtime.wire.messages import Hello, Keypoints2D, Pose3D, Stamp, replace

LONGEST_PAUSE_NS = NS_PER_S  # a longer one, where the recording was interrupted, is cut short


@dataclass(frozen=True)
class Moment:
    """One pose and what came just before it."""

    after_ns: int  # since the moment before, at the recording's own pace
    hellos: tuple[Hello, ...]
    keypoints: tuple[Keypoints2D, ...]
    pose: Pose3D


def moments(messages: Iterable[Held]) -> Iterator[Moment]:
    last_ns: int | None = None
    hellos: list[Hello] = []
    keypoints: list[Keypoints2D] = []
    for message in messages:
        if isinstance(message, Hello):
            hellos.append(message)
        elif isinstance(message, Keypoints2D):
            keypoints.append(message)
        else:
            now_ns = when(message)
            after_ns = 0 if last_ns is None else min(max(0, now_ns - last_ns), LONGEST_PAUSE_NS)
            yield Moment(after_ns, tuple(hellos), tuple(keypoints), message)
            last_ns, hellos, keypoints = now_ns, [], []


def when(pose: Pose3D) -> int:
    """Its place in time: when it was published; for what came from a file, media time."""
    return pose.t_publish_ns if pose.live else pose.stamp.t_capture_ns


class Restamper:
    """Gives messages the stamps they would have if they were made now; every pass over a recording is a new stream."""

    def __init__(self, first_stream: int, max_age_ms: float = 150.0) -> None:
        self._next_stream, self._most_ns = first_stream, int(max_age_ms * 0.9e6)
        self._streams: dict[int, int] = {}

    def begin(self) -> None:
        """A new pass."""
        self._streams = {}

    def pose(self, pose: Pose3D, now_ns: int, unix_ns: int) -> Pose3D:
        age_ns = self._age(pose, pose.stamp) + int(pose.look_ahead_ms * 1e6)
        return replace(pose, stamp=self._stamp(pose.stamp, age_ns, now_ns, unix_ns), t_publish_ns=now_ns, live=True)

    def keypoints(self, found: Keypoints2D, pose: Pose3D, now_ns: int, unix_ns: int) -> Keypoints2D:
        """Those that came with `pose`; the pixels of then are gone."""
        stamp = self._stamp(found.stamp, self._age(pose, found.stamp), now_ns, unix_ns)
        return replace(found, stamp=stamp, slot=-1, generation=-1, ring="")

    def _age(self, pose: Pose3D, stamp: Stamp) -> int:
        """How old the frame was when the pose was published, its look-ahead set aside; nobody is to think it stale."""
        if not pose.live:
            return max(0, min(pose.stamp.t_capture_ns - stamp.t_capture_ns, self._most_ns))
        spent = pose.t_publish_ns - stamp.t_capture_ns - int(pose.look_ahead_ms * 1e6)
        return max(0, min(spent, self._most_ns))

    def _stamp(self, stamp: Stamp, age_ns: int, now_ns: int, unix_ns: int) -> Stamp:
        if stamp.stream not in self._streams:
            self._streams[stamp.stream] = self._next_stream
            self._next_stream += 1
        stream = self._streams[stamp.stream]
        return Stamp(stamp.source, stream, stamp.seq, now_ns - age_ns, unix_ns - age_ns)
