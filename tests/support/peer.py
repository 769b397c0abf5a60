"""The other end of a wire: messages as stages send them, unused addresses, and peers that break the rules."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zmq

from realtime import clock
from realtime.wire.messages import Frame, Hello, Keypoints2D, Person2D, Person3D, Pose3D, Stamp, Status

J2, J3 = 33, 17


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return f"tcp://127.0.0.1:{holder.getsockname()[1]}"


def stamp(seq: int = 0, stream: int = 1, source: str = "cam0", age_ms: float = 0.0) -> Stamp:
    return Stamp(source, stream, seq, clock.now_ns() - int(age_ms * 1e6), clock.unix_ns())


def frame(seq: int = 0, stream: int = 1) -> Frame:
    return Frame(stamp(seq, stream), 0, 1, 640, 480, "steadypose-test")


def person2d(number: int = 1, seed: int = 0) -> Person2D:
    draw = np.random.default_rng(seed)
    flat = [draw.random(J2, np.float32) for _ in range(4)]
    xy, world = draw.random((J2, 2), np.float32) * 480, draw.random((J2, 3), np.float32)
    return Person2D(number, xy, flat[0], flat[1], world, flat[2], flat[3])


def keypoints(seq: int = 0, people: int = 1, **stamped: Any) -> Keypoints2D:
    found = tuple(person2d(n + 1, seq + n) for n in range(people))
    return Keypoints2D(stamp(seq, **stamped), 640, 480, found, 2, 3, "steadypose-test", {"detect": 9000}, 4)


def person3d(number: int = 1, seed: int = 0) -> Person3D:
    draw = np.random.default_rng(seed)
    flat = [draw.random(J3, np.float32) for _ in range(3)]
    xyz, xy = draw.random((J3, 3), np.float32), draw.random((J3, 2), np.float32) * 480
    state = draw.integers(0, 4, J3).astype(np.uint8)
    root = np.array((0.1, 0.2, 3.0), np.float32)
    return Person3D(number, "TRACKED", xyz, flat[0], state, flat[1], flat[2], xy, root, True)


def pose(seq: int = 0, people: int = 1, look_ahead_ms: float = 0.0, **stamped: Any) -> Pose3D:
    found = tuple(person3d(n + 1, seq + n) for n in range(people))
    status: Status = "OK" if people else "NO_PERSON"
    return Pose3D(
        stamp(seq, **stamped), 640, 480, status, found, look_ahead_ms=look_ahead_ms, t_publish_ns=clock.now_ns()
    )


def hello(**other: Any) -> Hello:
    known: dict[str, Any] = {
        "boot": "b00", "source": "cam0", "joints": tuple(f"j{n}" for n in range(J3)),
        "parents": tuple(range(-1, J3 - 1)), "joints2d": tuple(f"k{n}" for n in range(J2)),
        "reliability_source": "eq2", "threshold": 0.3, "engine": "hold", "engine_sha256": "0" * 64,
        "detector": "fake", "look_ahead_ms": 0.0, "config_hash": "c0", "clock": clock.identity(),
    }  # fmt: skip
    return Hello(**(known | other))


def until(true: Callable[[], Any], timeout_s: float = 5.0) -> Any:
    """What it answers as soon as that is true; the test fails when time is up."""
    end = time.monotonic() + timeout_s
    while not (answer := true()):
        assert time.monotonic() < end, f"not within {timeout_s} s"
        time.sleep(0.005)
    return answer


def until_heard(send: Callable[[], Any], heard: Callable[[], Any], timeout_s: float = 5.0) -> Any:
    """Subscriptions take a moment: send until somebody hears."""

    def once() -> Any:
        send()
        return heard()

    return until(once, timeout_s)


@contextmanager
def raw_socket(kind: int, **options: Any) -> Iterator[zmq.Socket[Any]]:
    """A plain ZeroMQ socket, as somebody else's program has one."""
    context = zmq.Context()
    socket = context.socket(kind)
    socket.linger = 0
    for name, value in options.items():
        setattr(socket, name, value)
    try:
        yield socket
    finally:
        socket.close()
        context.term()


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has said "ready"; killed at the end, also when it was stopped."""
    child = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout and child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream:
                stream.close()
