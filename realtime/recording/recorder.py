"""Record a stream from outside: from the PoseRing on this machine, in order, else from the public address."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from realtime.recording.file_format import POSE3D, RecordingError, RecordingWriter, check_target, type_of
from realtime.transport.address import is_loopback
from realtime.transport.keys import ClientKeys
from realtime.transport.pose_ring import PoseRingReader
from realtime.transport.tap import Tap
from realtime.wire.messages import Hello, MessageError, Pose3D, decode, split

TURN_S = 0.1


class Intake(Protocol):
    """Where published bytes come from; `lost` counts what went by unread."""

    lost: int
    restarts: int  # of the publisher; what it published last may have gone by

    def drain(self) -> list[bytes]: ...
    def close(self) -> None: ...


class NetworkIntake:
    """The public address, best effort."""

    def __init__(self, connect: str, keys: ClientKeys | None = None) -> None:
        self.lost = self.restarts = 0
        self._tap = Tap(connect, ("hello", "keypoints2d", "pose3d"), keys=keys)
        self._last: tuple[int, int, int] | None = None  # stream, seq, dropped

    def drain(self) -> list[bytes]:
        found = []
        for heard in self._tap.read(TURN_S * 1000):
            found.append(heard.data)
            if heard.topic == "pose3d" and heard.message.status != "STALE":
                self._count(heard.message.stamp.stream, heard.message.stamp.seq, heard.message.dropped)
        return found

    def _count(self, stream: int, seq: int, dropped: int) -> None:
        """Frames that were answered, as `dropped` did not grow for them, and whose answer did not come here."""
        if self._last and self._last[0] == stream:
            self.lost += max(0, seq - self._last[1] - 1 - (dropped - self._last[2]))
        self._last = (stream, seq, dropped)

    @property
    def refusal(self) -> str:
        return self._tap.refusal

    def close(self) -> None:
        self._tap.close()


def open_intake(connect: str, keys: ClientKeys | None = None) -> Intake:
    if is_loopback(connect):
        ring = PoseRingReader(connect)
        if ring.attached:
            return ring
        ring.close()
    return NetworkIntake(connect, keys)


class Copier:
    """Moves what comes in into a file, losses marked where they happened."""

    def __init__(self, intake: Intake, writer: RecordingWriter, source: str = "") -> None:
        self.intake, self.writer, self.source = intake, writer, source
        self._lost, self._restarts = intake.lost, intake.restarts
        self._before: bytes | None = None  # the last pose in the file
        self._seam = False  # the next pose may not be the one behind it

    def go_on_behind(self, pose: bytes | None, contiguous: bool) -> None:
        """Continue a predecessor's file behind its last pose; `contiguous`: the intake resumes right behind it."""
        self._before, self._seam = pose, not contiguous

    def turn(self) -> int:
        """Return how many messages were written."""
        came = self.intake.drain()
        if self.intake.lost > self._lost:
            self.writer.write_lost(self.intake.lost - self._lost)
            self._lost = self.intake.lost
        if self.intake.restarts != self._restarts:
            self._restarts, self._seam = self.intake.restarts, True
        return sum(self._write(data) for data in came)

    def _of_source(self, data: bytes) -> bool:
        """Tell whether a message is of the recorded source: of several cameras, the one that they name first."""
        topic, source, _ = split(data)
        if topic == "hello" and not self.source:
            try:
                sources = decode(Hello, data).sources
            except MessageError:
                return True
            self.source = sources[0] if sources else ""
        return self.source in ("", source)

    def _write(self, data: bytes) -> bool:
        if not self._of_source(data):
            return False
        if type_of(data) == POSE3D:
            if self._seam and self._before and (missing := poses_between(self._before, data)):
                self.writer.write_lost(missing)
            self._before, self._seam = data, False
        return self.writer.write(data)


def poses_between(before: bytes, after: bytes) -> int:
    """Count the poses of one stream published between two of it: captured, and not counted as dropped."""
    try:
        one, other = decode(Pose3D, before), decode(Pose3D, after)
    except MessageError:
        return 0
    if one.stamp.stream != other.stamp.stream:
        return 0
    return max(0, other.stamp.seq - one.stamp.seq - 1 - max(0, other.dropped - one.dropped))


class StreamRecorder(threading.Thread):
    """One recording in a thread of its own; an error ends it and stays readable."""

    def __init__(self, connect: str, path: Path, keys: ClientKeys | None = None) -> None:
        super().__init__(name="recorder", daemon=True)
        self.path, self.error, self.refusal = path, "", ""
        self.records = self.lost = self.bytes = 0
        self._connect, self._keys, self._stopping = connect, keys, threading.Event()

    @property
    def running(self) -> bool:
        return self.is_alive()

    def run(self) -> None:
        try:
            with (
                RecordingWriter(check_target(self.path)) as writer,
                closing(open_intake(self._connect, self._keys)) as intake,
            ):
                self._copy(Copier(intake, writer), writer)
            if not writer.records:
                self.path.unlink(missing_ok=True)  # nobody published: no file that would hinder the next try
        except RecordingError as error:
            self.error = str(error)

    def _copy(self, copier: Copier, writer: RecordingWriter) -> None:
        while True:
            last_turn = self._stopping.wait(TURN_S)
            copier.turn()
            self.refusal = getattr(copier.intake, "refusal", "")
            self.records, self.lost, self.bytes = writer.records, writer.lost, writer.size
            if last_turn:
                return

    def close(self) -> None:
        self._stopping.set()
        if self.is_alive():
            self.join(timeout=3.0)

    def state(self) -> dict[str, Any]:
        return {
            "file": str(self.path), "running": self.running, "records": self.records, "lost": self.lost,
            "bytes": self.bytes, "error": self.error,
        }  # fmt: skip
