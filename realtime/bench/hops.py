"""Measure one hop of 2 kB: ZeroMQ as the bus has it, beside a pipe, shared memory with a wake-up, and threads.

`python -m realtime.bench.hops` prints a table and, last, one JSON line.  Linux.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import platform
import select
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from realtime.transport.in_process import Slot

BYTES, PAUSE_S, WARM_UP = 2048, 0.004, 20
HEAD = struct.Struct("<q")  # when it was sent, ns of the monotonic clock, which all processes share
FUTEX = {"x86_64": 202, "aarch64": 98}
WAIT, WAKE = 0, 1

Send = Callable[[bytes], None]
Receive = Callable[[], bytes]


def message() -> bytes:
    return HEAD.pack(time.monotonic_ns()) + bytes(BYTES - HEAD.size)


def between_processes(count: int, make: Callable[[], tuple[Callable[[], Send], Callable[[], Receive]]]) -> list[float]:
    """µs of each message to a child; what `make` answers is opened on the sending and on the receiving side."""
    sender, receiver = make()
    back, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(told, np.array(received(receiver())).tobytes())
        os._exit(0)
    os.close(told)
    say(sender(), count)
    with os.fdopen(back, "rb") as answers:
        data = answers.read()
    os.waitpid(child, 0)
    return np.frombuffer(data).tolist()  # type: ignore[no-any-return]


def say(send: Send, count: int) -> None:
    time.sleep(0.3)  # a subscription takes its time
    for _ in range(count):
        time.sleep(PAUSE_S)
        send(message())
    time.sleep(0.1)
    send(bytes(BYTES))


def received(receive: Receive) -> list[float]:
    """µs of each, until one without a time; of those that a newer one replaced nothing is known."""
    took: list[float] = []
    while sent_ns := HEAD.unpack_from(receive())[0]:
        took.append((time.monotonic_ns() - sent_ns) / 1e3)
    return took


def zeromq(folder: Path) -> tuple[Callable[[], Send], Callable[[], Receive]]:
    """Return the sockets of the bus, with its options; nothing encoded, nothing checked."""
    import zmq

    address = f"ipc://{folder}/hop"

    def sender() -> Send:
        socket = zmq.Context().socket(zmq.PUB)
        socket.set(zmq.LINGER, 0)
        socket.bind(address)
        return lambda data: socket.send(data, zmq.NOBLOCK, copy=True)

    def receiver() -> Receive:
        socket = zmq.Context().socket(zmq.SUB)
        socket.set(zmq.RECONNECT_IVL, 20)
        socket.set(zmq.SUBSCRIBE, b"")
        socket.connect(address)

        def receive() -> bytes:
            socket.poll(10_000)
            return bytes(socket.recv(zmq.NOBLOCK))

        return receive

    return sender, receiver


def pipe() -> tuple[Callable[[], Send], Callable[[], Receive]]:
    read, write = os.pipe()

    def receiver() -> Receive:
        poller = select.poll()
        poller.register(read, select.POLLIN)

        def receive() -> bytes:
            poller.poll(10_000)
            return os.read(read, BYTES)

        return receive

    def send(data: bytes) -> None:
        os.write(write, data)

    return (lambda: send), receiver


def eventfd() -> tuple[Callable[[], Send], Callable[[], Receive]]:
    """Return bytes in shared memory, told by an eventfd."""
    memory, bell = mmap.mmap(-1, BYTES), os.eventfd(0)

    def receiver() -> Receive:
        poller = select.poll()
        poller.register(bell, select.POLLIN)

        def receive() -> bytes:
            poller.poll(10_000)
            os.eventfd_read(bell)
            return memory[:BYTES]

        return receive

    def send(data: bytes) -> None:
        memory[:BYTES] = data
        os.eventfd_write(bell, 1)

    return (lambda: send), receiver


def futex() -> tuple[Callable[[], Send], Callable[[], Receive]]:
    """Return bytes in shared memory, told by a futex: its first four count the messages."""
    memory, number = mmap.mmap(-1, 4096 + BYTES), FUTEX[platform.machine()]
    word = ctypes.c_uint32.from_buffer(memory)
    call = ctypes.CDLL(None, use_errno=True).syscall

    def receiver() -> Receive:
        last = word.value

        def receive() -> bytes:
            nonlocal last
            while word.value == last:
                call(number, ctypes.byref(word), WAIT, last, None, None, 0)
            last = word.value
            return memory[4096 : 4096 + BYTES]

        return receive

    def send(data: bytes) -> None:
        memory[4096 : 4096 + BYTES] = data
        word.value += 1
        call(number, ctypes.byref(word), WAKE, 1, None, None, 0)

    return (lambda: send), receiver


def between_threads(count: int, send: Send, receive: Receive) -> list[float]:
    took: list[float] = []
    reader = threading.Thread(target=lambda: took.extend(received(receive)))
    reader.start()
    say(send, count)
    reader.join()
    return took


def slot(count: int) -> list[float]:
    """Return what stages of one process hand over with."""
    held = Slot()

    def receive() -> bytes:
        while (data := held.get(10_000)) is None:
            pass
        return bytes(data)

    return between_threads(count, held.put, receive)


def condition(count: int) -> list[float]:
    changed, held = threading.Condition(), list[bytes]()

    def send(data: bytes) -> None:
        with changed:
            held.append(data)
            changed.notify()

    def receive() -> bytes:
        with changed:
            changed.wait_for(lambda: bool(held))
            return held.pop()

    return between_threads(count, send, receive)


@contextmanager
def ways() -> Iterator[dict[str, Callable[[int], list[float]]]]:
    """Provide every way from one stage to another, by what the table calls it."""
    with tempfile.TemporaryDirectory(prefix="steadypose-hops-") as folder:
        yield {
            "processes: pipe, poll": lambda count: between_processes(count, pipe),
            "processes: shared memory, eventfd": lambda count: between_processes(count, eventfd),
            "processes: shared memory, futex": lambda count: between_processes(count, futex),
            "processes: ZeroMQ, ipc": lambda count: between_processes(count, lambda: zeromq(Path(folder))),
            "threads: condition variable": condition,
            "threads: slot and lock": slot,
        }


def measure(count: int) -> dict[str, dict[str, float]]:
    """p50 and p99 in µs of each way, one after another."""
    found = {}
    with ways() as each:
        for name, measured in each.items():
            took = measured(count + WARM_UP)[WARM_UP:]
            p50, p99 = np.percentile(took, (50, 99))
            found[name] = {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}
    return found


def lines(figures: dict[str, dict[str, float]]) -> list[str]:
    rows = [f"| {name} | {row['p50_us']:.0f} | {row['p99_us']:.0f} |" for name, row in figures.items()]
    return ["| one hop of 2 kB | p50 µs | p99 µs |", "|---|---|---|", *rows]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("realtime.bench.hops", description=__doc__)
    parser.add_argument("--messages", type=int, default=400, metavar="N", help="each way (default 400)")
    found = measure(parser.parse_args(argv).messages)
    print("\n".join(lines(found)))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
