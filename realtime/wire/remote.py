"""Define what travels between a camera's machine and the one that finds poses: pictures, clocks, receipts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from realtime.wire import codec
from realtime.wire.array_codec import MessageError
from realtime.wire.messages import Index, Nanoseconds, Pixels, Rate, Stamp

PICTURE_BYTES = 32 * 2**20  # the most a JPEG has


@dataclass(frozen=True)
class Here:
    """Camera to poses: somebody is here, and on which clock."""

    clock: str
    fps: Rate = 30.0  # asked of the camera, Hz


@dataclass(frozen=True)
class RemotePicture:
    """Camera to poses: the head of one picture, whose JPEG is the part behind it."""

    stamp: Stamp = field(metadata={"flat": True})
    width: Pixels
    height: Pixels


@dataclass(frozen=True)
class ClockQuestion:
    """Poses to camera: when is it there?"""

    sent_ns: Nanoseconds  # t1, on the asker's clock


@dataclass(frozen=True)
class ClockAnswer:
    """Camera to poses: when the question came and when this answer left."""

    sent_ns: Nanoseconds  # t1, as it was asked
    came_ns: Nanoseconds  # t2, on the camera's clock
    left_ns: Nanoseconds  # t3


@dataclass(frozen=True)
class Receipt:
    """Poses to camera: this picture, and whatever was sent before it, has arrived."""

    stream: Index
    seq: Index


Note = Here | RemotePicture | ClockQuestion | ClockAnswer | Receipt
NOTES: dict[bytes, type[Any]] = {
    b"here": Here, b"picture": RemotePicture, b"clock?": ClockQuestion, b"clock": ClockAnswer, b"receipt": Receipt,
}  # fmt: skip
NAMES = {kind: name for name, kind in NOTES.items()}


def write_note(note: Note) -> list[bytes]:
    """Encode a note in two parts: its kind and its fields."""
    return [NAMES[type(note)], codec.dumps(codec.pack(note))]


def read_note(kind: bytes, body: bytes) -> Note:
    """Decode a note; MessageError, and nothing else, for whatever is none."""
    if kind not in NOTES:
        raise MessageError("topic", f"no note is called {kind[:20]!r}")
    note: Note = codec.unpack(NOTES[kind], codec.loads(body))
    return note
