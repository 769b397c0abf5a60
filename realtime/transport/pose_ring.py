"""Keep the last 2048 published messages in shared memory (PoseRing), byte for byte, for local readers.

One writer, any number of readers, no locks and no notification: a reader looks when it likes, gets everything since
its last look in order, and knows how much it lost.  `pose3d` and `keypoints2d` of every frame, and every `hello`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realtime.clock import Pace, now_ns
from realtime.transport import shared_memory
from realtime.transport.address import memory_key
from realtime.transport.shared_memory import fence
from realtime.wire.messages import Keypoints2D, Message, Person2D, Person3D, Pose3D, Stamp, encode, replace

SLOTS, SLOT_BYTES = 2048, 8192
MAGIC = 0x31474E4952505053  # "SPPRING1"
HEAD = 4096
SIZE = HEAD + SLOTS * SLOT_BYTES
Header = np.dtype([("magic", "u8"), ("born_ns", "u8"), ("written", "u8")])
Slot = np.dtype([("before", "u8"), ("after", "u8"), ("length", "u8"), ("data", "u1", (SLOT_BYTES - 24,))])
CAPACITY = SLOT_BYTES - 24  # bytes of one message


def name_of(bind: str) -> str:
    return f"{memory_key(bind)}-poses"


class _Ring:
    def __init__(self, segment: shared_memory.SharedSegment) -> None:
        if len(segment.memory) < SIZE:
            raise ValueError(f"{segment.name} is no ring of poses: {len(segment.memory)} bytes, expected {SIZE}")
        self.segment = segment
        self.header: Any = np.frombuffer(segment.memory, Header, 1)
        self.slots: Any = np.frombuffer(segment.memory, Slot, SLOTS, HEAD)

    def written(self) -> int:
        return int(self.header["written"][0])

    def close(self) -> None:
        self.header = self.slots = None
        self.segment.close()


class PoseRingWriter:
    """The owner.  A message's number is its count from 1, so that an empty slot is nobody's."""

    def __init__(self, bind: str, kind: shared_memory.Kind = shared_memory.KIND) -> None:
        self.too_large = 0
        self._name, self._kind = name_of(bind), kind
        self._look = Pace(0.5)
        self._ring = self._create()

    def write(self, data: bytes) -> bool:
        """Return False where it does not fit a slot: counted, and still published."""
        if len(data) > CAPACITY:
            self.too_large += 1
            return False
        if self._look.due() and not self._ring.segment.exists():
            self._ring.close()
            self._ring = self._create()
        number = self._ring.written() + 1
        slot = self._ring.slots[number % SLOTS]
        slot["before"] = number
        fence()
        slot["length"] = len(data)
        slot["data"][: len(data)] = np.frombuffer(data, np.uint8)
        fence()
        slot["after"] = number
        fence()
        self._ring.header["written"] = number
        return True

    def _create(self) -> _Ring:
        shared_memory.unlink(self._name, self._kind)
        ring = _Ring(shared_memory.create(self._name, SIZE, self._kind))
        ring.header["born_ns"] = now_ns()
        ring.header["magic"] = MAGIC
        return ring

    def close(self) -> None:
        shared_memory.unlink(self._name, self._kind)
        self._ring.close()


class PoseRingReader:
    """Everything published since it was made, in order; `lost` counts what was overwritten unread."""

    def __init__(self, address: str, kind: shared_memory.Kind = shared_memory.KIND) -> None:
        self.lost = 0
        self.restarts = 0  # of the writer; what was unread in its old ring is not counted
        self._name, self._kind = name_of(address), kind
        self._look = Pace(0.5)
        self._ring = self._attach()
        self._read = self._ring.written() if self._ring else 0

    @property
    def attached(self) -> bool:
        """Is there a ring of that name?"""
        return self._ring is not None

    def drain(self) -> list[bytes]:
        """Return all that is new; once lapped, the newest one only."""
        ring = self._current()
        if ring is None:
            return []
        written = ring.written()
        if written - self._read > SLOTS:
            self._lose(written - 1)
        found: list[bytes] = []
        while self._read < written:
            data = self._copy(ring, self._read + 1)
            if data is None:
                written = ring.written()
                self._lose(written - 1)
                continue
            found.append(data)
            self._read += 1
        return found

    def go_on_behind(self, data: bytes) -> bool:
        """Continue behind this message; False, and with everything that is still there, where it is gone."""
        ring = self._ring
        if ring is None:
            return False
        written = ring.written()
        oldest = max(1, written - SLOTS + 2)
        for number in range(written, oldest - 1, -1):
            if self._copy(ring, number) == data:
                self._read = number
                return True
        self._read = oldest - 1
        return False

    def _lose(self, up_to: int) -> None:
        self.lost += max(0, up_to - self._read)
        self._read = max(up_to, self._read)

    def _copy(self, ring: _Ring, number: int) -> bytes | None:
        slot = ring.slots[number % SLOTS]
        if int(slot["after"]) != number:
            return None
        fence()
        data = bytes(slot["data"][: min(int(slot["length"]), CAPACITY)])
        fence()
        return data if int(slot["before"]) == number else None

    def _current(self) -> _Ring | None:
        """Return the ring, or its successor once the writer was started anew."""
        quiet = self._ring is None or self._ring.written() == self._read
        if quiet and self._look.due() and not (self._ring and self._ring.segment.exists()):
            successor = self._attach()
            if successor:
                self.restarts += self._ring is not None
                self.close()
                self._ring, self._read = successor, 0
        return self._ring

    def _attach(self) -> _Ring | None:
        try:
            ring = _Ring(shared_memory.attach(self._name, self._kind))
        except (FileNotFoundError, PermissionError, ValueError):
            return None
        if int(ring.header["magic"][0]) == MAGIC:
            return ring
        ring.close()
        return None

    def close(self) -> None:
        if self._ring:
            self._ring.close()
            self._ring = None


def people_that_fit(joints2d: int, joints: int) -> int:
    """Return how many people one slot holds, with the detector's own 3D; more are refused at start."""
    stamp = Stamp("s" * 32, 2**53, 2**53, 2**62, 2**62)
    times = {f"stage {n}": 2**31 for n in range(8)}
    flat, solid = np.zeros(joints2d, np.float32), np.zeros((joints2d, 3), np.float32)
    person2d = Person2D(2**40, solid[:, :2], flat, flat, solid, flat, flat)
    keypoints = Keypoints2D(stamp, 9999, 9999, (), 99, 2**62, "r" * 64, times, 2**40)
    flat, solid = np.zeros(joints, np.float32), np.zeros((joints, 3), np.float32)
    state = np.zeros(joints, np.uint8)
    person3d = Person3D(2**40, "OCCLUDED", solid, flat, state, flat, flat, solid[:, :2], solid[0], True)
    poses = Pose3D(stamp, 9999, 9999, "NO_PERSON", (), (0.0, -1.0, 0.0), "estimated", 1.0, 2**62, 2**40, times)
    return min(_fit("keypoints2d", keypoints, person2d), _fit("pose3d", poses, person3d))


def _fit(topic: str, message: Keypoints2D | Pose3D, person: Person2D | Person3D) -> int:
    def length(people: int) -> int:
        whole: Message = replace(message, people=(person,) * people)  # type: ignore[arg-type]
        return len(encode(topic, "s" * 32, whole))

    each = length(2) - length(1)
    return (CAPACITY - 2 - length(0)) // each  # two bytes: the list's own head grows with its length
