"""Replay a recording as a stream: same messages, same distances in media time, which begins anew now.

Replayed poses say `live: false`, as those of a film do: their capture times are the recording's, moved to where this
pass began, and tell nothing of latency.
"""

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
    """Return its place in time: when it was published; for what came from a file, media time."""
    return pose.t_publish_ns if pose.live else pose.stamp.t_capture_ns


class Restamper:
    """Move messages in time so that a pass over a recording begins now; every pass is a new stream."""

    def __init__(self, first_stream: int, max_age_ms: float = 150.0) -> None:
        self._next_stream, self._most_ns = first_stream, int(max_age_ms * 0.9e6)
        self._streams: dict[int, tuple[int, int]] = {}  # of the recording -> its number now, ns to move it by

    def begin(self) -> None:
        """Begin a new pass with new stream ids."""
        self._streams = {}

    def pose(self, pose: Pose3D, now_ns: int, unix_ns: int) -> Pose3D:
        stamp = self._stamp(pose.stamp, pose, now_ns, unix_ns)
        return replace(pose, stamp=stamp, t_publish_ns=now_ns, live=False)

    def keypoints(self, message: Keypoints2D, pose: Pose3D, now_ns: int, unix_ns: int) -> Keypoints2D:
        """Return those that came with `pose`; the pixels of then are gone."""
        stamp = self._stamp(message.stamp, pose, now_ns, unix_ns)
        return replace(message, stamp=stamp, slot=-1, generation=-1, ring="")

    def _age(self, pose: Pose3D) -> int:
        """Return how old the frame was when its pose was published; a film's says nothing."""
        return max(0, min(pose.t_publish_ns - pose.stamp.t_capture_ns, self._most_ns)) if pose.live else 0

    def _stamp(self, stamp: Stamp, pose: Pose3D, now_ns: int, unix_ns: int) -> Stamp:
        if stamp.stream not in self._streams:
            later_ns = now_ns - self._age(pose) - pose.stamp.t_capture_ns
            self._streams[stamp.stream] = (self._next_stream, later_ns)
            self._next_stream += 1
        stream, later_ns = self._streams[stamp.stream]
        captured_ns = max(0, stamp.t_capture_ns + later_ns)
        return Stamp(stamp.source, stream, stamp.seq, captured_ns, captured_ns + unix_ns - now_ns)
