"""Count what a stranger hears: poses, losses, stale ones, numbers that are not finite, the longest silence."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
import zmq

from realtime import clock
from realtime.clock import NS_PER_MS

ARRAYS = ("xyz", "sigma", "age_ms", "reliability", "xy", "root_cam")
CURRENT = ("OK", "NO_PERSON")
POLL_MS = 50


@dataclass
class Counts:
    """Of all messages heard; constant in memory however long it lasts."""

    poses: int = 0  # current answers to frames
    announced_stale: int = 0  # messages that say so themselves
    late: int = 0  # of these, answers to frames, older than the limit
    passed_for_current: int = 0  # older than the limit when they left, and said to be current
    not_finite: int = 0  # arrays with a number that is none
    out_of_order: int = 0  # frames that came after a later one of their stream
    dropped: int = 0  # frames the publisher says were never answered
    lost: int = 0  # frames between two that came, beyond those the publisher told of: while nothing was done to it
    lost_to_harm: int = 0  # the same while a process was killed, stopped or started again
    streams: int = 0
    longest_gap_ms: float = 0.0  # between two answers, late ones too, while nothing was done to the run
    newest_capture_ns: int = 0
    heard_ns: int = 0
    last: tuple[int, int, int] = (-1, -1, 0)  # stream, seq, dropped


def add(counts: Counts, pose: dict[str, Any], now_ns: int, max_age_ms: float, undisturbed: bool) -> None:
    """Count one pose3d message as it came off the wire."""
    counts.not_finite += sum(not finite(person.get(name)) for person in pose["people"] for name in ARRAYS)
    if pose["status"] not in CURRENT:
        counts.announced_stale += 1
        if answers_a_frame(counts, pose):
            counts.late += 1
            hear(counts, pose, now_ns, undisturbed)
        return
    counts.poses += 1
    counts.passed_for_current += pose["t_publish_ns"] - pose["t_capture_ns"] > max_age_ms * NS_PER_MS
    counts.newest_capture_ns = max(counts.newest_capture_ns, pose["t_capture_ns"])
    hear(counts, pose, now_ns, undisturbed)


def answers_a_frame(counts: Counts, pose: dict[str, Any]) -> bool:
    """Tell a pose that came too late, and says so, from the last one said again because nothing comes."""
    stream, seq, _ = counts.last
    return bool(pose["stream"] == stream and pose["seq"] > seq)


def hear(counts: Counts, pose: dict[str, Any], now_ns: int, undisturbed: bool) -> None:
    """Count an answer's place in the stream and the silence before it."""
    if undisturbed and counts.heard_ns:
        counts.longest_gap_ms = max(counts.longest_gap_ms, (now_ns - counts.heard_ns) / NS_PER_MS)
    counts.heard_ns = now_ns
    count_sequence(counts, pose["stream"], pose["seq"], pose["dropped"], undisturbed)


def count_sequence(counts: Counts, stream: int, seq: int, dropped: int, undisturbed: bool) -> None:
    """Compare the gap in sequence numbers with what the publisher says it dropped."""
    last_stream, last_seq, last_dropped = counts.last
    counts.last = (stream, seq, dropped)
    if stream != last_stream:
        counts.streams += 1
        return
    if seq <= last_seq:
        counts.out_of_order += 1
        return
    told = max(0, dropped - last_dropped)
    counts.dropped += told
    untold = max(0, seq - last_seq - 1 - told)
    counts.lost += untold if undisturbed else 0
    counts.lost_to_harm += 0 if undisturbed else untold


def finite(packed: bytes | None) -> bool:
    return packed is None or bool(np.isfinite(np.frombuffer(packed, "<f4")).all())


class Witness:
    """Listen in a thread of its own, with plain pyzmq and msgpack."""

    def __init__(self, address: str, max_age_ms: float) -> None:
        self.counts = Counts()
        self.undisturbed = False
        self._address, self._max_age_ms = address, max_age_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="witness")
        self._thread.start()

    def _listen(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        subscriber = context.socket(zmq.SUB)
        subscriber.set(zmq.RECONNECT_IVL, 20)
        subscriber.subscribe(b"pose3d/")
        subscriber.connect(self._address)
        while not self._stop.is_set():
            if subscriber.poll(POLL_MS):
                body = subscriber.recv().partition(b"\0")[2]
                add(self.counts, msgpack.unpackb(body), clock.now_ns(), self._max_age_ms, self.undisturbed)
        context.destroy(linger=0)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
