"""Write and read recordings: append-only published bytes that survive kill -9, a full disk, flipped bits.

File   = MAGIC, then records.
Record = SYNC (4) | type u8 | length u32 | crc32 u32 over type, length and payload | payload; integers little-endian.
Payload of HELLO, KEYPOINTS2D, POSE3D: one wire message, topic and all.  Payload of LOST: u32, messages that were
published but could not be recorded before this point.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

MAGIC = b"steadypose recording 1\n"
SYNC = b"\xf5\x9drc"
HEADER = struct.Struct("<4sBII")
COUNT = struct.Struct("<I")
MAX_PAYLOAD = 1 << 16  # a ring's slot holds 8 kB
TAIL = 1 << 20  # bytes at the end of a file in which its last message is looked for
MOST_FALSE_MARKS = 20_000  # marks without a record behind them, each up to 64 kB to check; a flipped bit leaves one
APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

HELLO, KEYPOINTS2D, POSE3D, LOST = 1, 2, 3, 4
TYPE_OF_TOPIC = {b"hello": HELLO, b"keypoints2d": KEYPOINTS2D, b"pose3d": POSE3D}


class RecordingError(Exception):
    """A recording cannot be written or read; the text says what was found and what to do."""

    exit_code = 2


@dataclass(frozen=True)
class Record:
    type: int
    payload: bytes
    offset: int


@dataclass
class Damage:
    """What a reader had to leave out."""

    bytes_skipped: int = 0
    places: int = 0
    torn_tail: bool = False  # the last record was cut off, as a kill leaves it


def type_of(wire: bytes) -> int | None:
    """Return the record type of a wire message; None: recordings do not keep this topic."""
    return TYPE_OF_TOPIC.get(wire[: wire.find(b"\0")].split(b"/")[0])


def checksum(kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<BI", kind, len(payload))))


def pack(kind: int, payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a record holds at most {MAX_PAYLOAD} bytes, found {len(payload)}")
    return HEADER.pack(SYNC, kind, len(payload), checksum(kind, payload)) + payload


def check_target(path: str | Path) -> Path:
    """Return the path, if a new recording can begin there; else an error that says why not."""
    path = Path(path)
    if path.exists() and (not path.is_file() or path.stat().st_size > 0):
        raise RecordingError(f"{path} exists; a recording is never written over: choose another name or remove it")
    if not path.parent.is_dir():
        raise RecordingError(f"folder {path.parent} does not exist; make it with `mkdir -p {path.parent}`")
    if not os.access(path.parent, os.W_OK):
        raise RecordingError(f"folder {path.parent} is not writable; choose another one")
    return path


class RecordingWriter:
    """Appends records, each with one write; goes on behind a torn tail after a crash.  Readable by this user only."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.records = 0
        self.lost = 0
        with self._explained("cannot be opened"):
            self._file = os.open(self.path, APPENDING, 0o600)
        self._size = os.fstat(self._file).st_size
        if self._size == 0:
            self._append(MAGIC)

    @property
    def size(self) -> int:
        return self._size

    def write(self, wire: bytes) -> bool:
        """Keep one wire message; false where recordings do not keep its topic."""
        kind = type_of(wire)
        if kind is None:
            return False
        self._append(pack(kind, wire))
        self.records += 1
        return True

    def write_lost(self, count: int) -> None:
        self._append(pack(LOST, COUNT.pack(min(count, 0xFFFFFFFF))))
        self.lost += count

    def _append(self, data: bytes) -> None:
        """All of it or nothing: a partial record is cut off again before the error is told."""
        rest = memoryview(data)
        with self._explained("stopped"):
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._size)
                raise
        self._size += len(data)

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordingError(f"recording {self.path} {what}: {error.strerror}; the stream goes on") from error

    def close(self) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        self.close()


class RecordingReader:
    """Iterates over the whole records of a file, skips what is damaged and counts it."""

    def __init__(self, path: str | Path) -> None:
        self.path, self.damage = Path(path), Damage()
        try:
            with self.path.open("rb") as file:
                start = file.read(len(MAGIC))
        except OSError as error:
            raise RecordingError(f"recording {self.path} cannot be read: {error.strerror}") from error
        if start != MAGIC:
            found = "an empty file" if not start else repr(start[:12])
            raise RecordingError(f"{self.path} is no recording: expected it to begin with {MAGIC!r}, found {found}")

    def __iter__(self) -> Iterator[Record]:
        self.damage = Damage()
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from self._records(data)

    def _records(self, data: mmap.mmap) -> Iterator[Record]:
        at, search = len(MAGIC), Search()
        while at < len(data):
            record = read_at(data, at)
            if record is not None:
                yield record
                at += HEADER.size + len(record.payload)
                continue
            behind = search.next_whole(data, at + 1)
            self.damage.bytes_skipped += behind - at
            self.damage.places += 1
            self.damage.torn_tail = behind == len(data)
            at = behind


class LastMessages(NamedTuple):
    """Where a writer that was killed goes on."""

    stamped: bytes | None  # keypoints or pose: no other message equals it, as every Hello of a run equals the next
    pose: bytes | None


def last_messages(path: Path) -> LastMessages:
    """Find the last whole wire messages of a recording, from its end."""
    stamped = pose = None
    if path.stat().st_size <= len(MAGIC):
        return LastMessages(stamped, pose)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        search = Search()
        at = search.next_whole(data, max(len(MAGIC), len(data) - TAIL))
        while at < len(data) and (record := read_at(data, at)) is not None:
            stamped = record.payload if record.type in (KEYPOINTS2D, POSE3D) else stamped
            pose = record.payload if record.type == POSE3D else pose
            at = search.next_whole(data, at + HEADER.size + len(record.payload))
    return LastMessages(stamped, pose)


def read_at(data: mmap.mmap, at: int) -> Record | None:
    """Return the record that begins at this offset, or None where none does, whole and unharmed."""
    header = data[at : at + HEADER.size]
    if len(header) < HEADER.size:
        return None
    sync, kind, length, crc = HEADER.unpack(header)
    if sync != SYNC or length > MAX_PAYLOAD:
        return None
    payload = data[at + HEADER.size : at + HEADER.size + length]
    if len(payload) < length or checksum(kind, payload) != crc:
        return None
    return Record(kind, payload, at)


class Search:
    """Looks for whole records in damaged parts; gives a file up that holds mostly false marks, to bound its cost."""

    def __init__(self) -> None:
        self._false_marks = 0

    def next_whole(self, data: mmap.mmap, at: int) -> int:
        """Return offset of the next whole record at or behind `at`; the end where there is none."""
        while (at := data.find(SYNC, at)) >= 0 and self._false_marks < MOST_FALSE_MARKS:
            if read_at(data, at) is not None:
                return at
            self._false_marks += 1
            at += 1
        return len(data)
