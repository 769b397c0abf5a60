"""Read a recording as messages and summarise it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from realtime.recording.file_format import (
    COUNT,
    HELLO,
    KEYPOINTS2D,
    LOST,
    POSE3D,
    Damage,
    Record,
    RecordingError,
    RecordingReader,
)
from realtime.wire import messages
from realtime.wire.messages import JOINT_STATES, Hello, Keypoints2D, MessageError, Pose3D

Held = Hello | Keypoints2D | Pose3D
KIND_OF_TYPE: dict[int, type[Held]] = {HELLO: Hello, KEYPOINTS2D: Keypoints2D, POSE3D: Pose3D}
Progress = Callable[[int], None]  # told the offset reached


@dataclass
class Losses:
    at_writing: int = 0  # published, but not recorded
    malformed: int = 0  # whole records that hold no message of this version


@dataclass
class Recorded:
    """Iterates over a recording's messages in order; damage and losses are known once the end is reached."""

    path: Path
    progress: Progress = lambda _offset: None
    losses: Losses = field(default_factory=Losses)
    damage: Damage = field(default_factory=Damage)

    def __iter__(self) -> Iterator[Held]:
        self.losses, reader = Losses(), RecordingReader(self.path)
        for record in reader:
            self.damage = reader.damage
            message = self._message(record)
            if message is not None:
                yield message
            self.progress(record.offset)
        self.damage = reader.damage

    def _count_lost(self, payload: bytes) -> None:
        if len(payload) == COUNT.size:
            self.losses.at_writing += COUNT.unpack(payload)[0]
        else:
            self.losses.malformed += 1

    def _message(self, record: Record) -> Held | None:
        if record.type == LOST:
            self._count_lost(record.payload)
            return None
        kind = KIND_OF_TYPE.get(record.type)
        if kind is None:
            return None  # a later version's type
        try:
            return messages.decode(kind, record.payload)
        except MessageError:
            self.losses.malformed += 1
            return None


def hello_and_poses(recorded: Recorded) -> tuple[Hello, list[Pose3D]]:
    """Return the joints and every pose of a recording that has both."""
    hello, poses = None, []
    for message in recorded:
        if isinstance(message, Hello):
            if hello is not None and hello.joints != message.joints:
                raise RecordingError(f"{recorded.path} changes its joints midway; export the parts apart")
            hello = message
        elif isinstance(message, Pose3D) and message.status != "STALE":
            poses.append(message)
    if hello is None:
        raise RecordingError(f"{recorded.path} lacks a Hello, so the names of its joints are unknown; record anew")
    if not any(pose.people for pose in poses):
        raise RecordingError(f"{recorded.path} holds nobody: {len(poses)} poses, no people in them")
    return hello, poses


@dataclass
class Summary:
    """What `realtime info` tells."""

    bytes: int = 0
    hello: Hello | None = None
    counts: Counter[str] = field(default_factory=Counter)
    people: Counter[int] = field(default_factory=Counter)  # id -> poses
    statuses: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)  # of all joints of all people
    streams: list[int] = field(default_factory=list)
    first: Pose3D | None = None
    last: Pose3D | None = None
    never_answered: int = 0  # frames captured between the first and the last pose without an answer
    losses: Losses = field(default_factory=Losses)
    damage: Damage = field(default_factory=Damage)

    @property
    def seconds(self) -> float:
        if self.first is None or self.last is None:
            return 0.0
        return (self.last.stamp.t_capture_ns - self.first.stamp.t_capture_ns) * 1e-9


def summarize(path: Path, progress: Progress = lambda _offset: None) -> Summary:
    recorded = Recorded(path, progress)
    summary = Summary(bytes=path.stat().st_size if path.exists() else 0)
    for message in recorded:
        summary.counts[type(message).__name__] += 1
        if isinstance(message, Hello):
            summary.hello = message
        elif isinstance(message, Pose3D) and message.status != "STALE":
            count_pose(summary, message)
    summary.losses, summary.damage = recorded.losses, recorded.damage
    return summary


def count_pose(summary: Summary, pose: Pose3D) -> None:
    last = summary.last
    if last is not None and last.stamp.stream == pose.stamp.stream:
        summary.never_answered += max(0, pose.stamp.seq - last.stamp.seq - 1)
    if last is None or last.stamp.stream != pose.stamp.stream:
        summary.streams.append(pose.stamp.stream)
    summary.first, summary.last = summary.first or pose, pose
    summary.statuses[pose.status] += 1
    for person in pose.people:
        summary.people[person.id] += 1
        summary.states.update(JOINT_STATES[state] for state in person.state)
