"""A recording in memory, for programs that read one: every pose with its joints' names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from realtime.recording.file_format import Damage, RecordingError
from realtime.recording.reader import Losses, Recorded
from realtime.wire.messages import Hello, Pose3D


@dataclass(frozen=True, repr=False)
class Recording(Sequence[Pose3D]):
    """The poses of a recording in order: `len(recording)`, `recording[0]`, `for pose in recording: ...`

    Attributes:
        path: where it lies.
        hello: who published: joints, parents, engine, axes.
        poses: as they were published, also those that say STALE.
        losses: messages that were published and are not in the file.
        damage: bytes that could not be read.
    """

    path: Path
    hello: Hello
    poses: tuple[Pose3D, ...]
    losses: Losses = field(default_factory=Losses)
    damage: Damage = field(default_factory=Damage)

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints, in the order of every pose's arrays."""
        return self.hello.joints

    @overload
    def __getitem__(self, index: int) -> Pose3D: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Pose3D, ...]: ...
    def __getitem__(self, index: int | slice) -> Pose3D | tuple[Pose3D, ...]:
        return self.poses[index]

    def __len__(self) -> int:
        return len(self.poses)

    def __iter__(self) -> Iterator[Pose3D]:
        return iter(self.poses)

    def __repr__(self) -> str:
        return f"Recording({self.path.name}: {len(self)} poses, {len(self.joints)} joints, engine {self.hello.engine})"


def load_recording(path: str | Path) -> Recording:
    """Read a recording of `realtime run --record` or `realtime record`.

    Args:
        path: the file, such as walk.sp.

    Returns:
        Its poses in memory (about 2 kB each), whose people know their joints' names.

    Raises:
        RecordingError: no such file, no recording, or no Hello in it, without which joints have no names.
    """
    recorded = Recorded(Path(path))
    messages = list(recorded)
    names = [message for message in messages if isinstance(message, Hello)]
    if not names:
        raise RecordingError(f"{path} lacks a Hello, so the names of its joints are unknown; record anew")
    return Recording(Path(path), names[-1], named(messages, names[0]), recorded.losses, recorded.damage)


def named(messages: Sequence[object], hello: Hello) -> tuple[Pose3D, ...]:
    """Return each pose with the names of the Hello before it; the first ones with those of the first Hello."""
    poses = []
    for message in messages:
        if isinstance(message, Hello):
            hello = message
        elif isinstance(message, Pose3D):
            poses.append(message.with_joints(hello.joints))
    return tuple(poses)
