"""A stranger who listens: plain pyzmq and msgpack, nothing of ours; and the running system it listens to.

`Peer` keeps every public message with the time it came.  `Live` is the real supervisor, in a thread of the test, with
fake detector and engine in real processes.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgpack
import zmq

from realtime.pipeline import Table
from realtime.supervise import supervisor
from realtime.supervise.status_board import StageRow
from realtime.supervise.supervisor import End, Supervisor
from realtime.transport.runtime_dir import run_directory
from tests.support.fakes.run import faked, settings


class Peer:
    def __init__(self, address: str, topics: tuple[str, ...] = ("pose3d", "health", "hello")) -> None:
        self.poses: list[tuple[float, dict]] = []  # (s, message), in order of arrival
        self.health: list[tuple[float, dict]] = []
        self.hello: list[tuple[float, dict]] = []
        self._came = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(address, topics), daemon=True)
        self._thread.start()

    def _listen(self, address: str, topics: tuple[str, ...]) -> None:
        context = zmq.Context()
        subscriber = context.socket(zmq.SUB)
        subscriber.set(zmq.RECONNECT_IVL, 20)
        subscriber.connect(address)
        for topic in topics:
            subscriber.subscribe(f"{topic}/".encode())
        while not self._stop.is_set():
            if subscriber.poll(50):
                self._keep(subscriber.recv_multipart())
        context.destroy(linger=0)

    def _keep(self, parts: list[bytes]) -> None:
        assert len(parts) == 1
        topic, _, body = parts[0].partition(b"\0")
        where = {"pose3d": self.poses, "health": self.health, "hello": self.hello}[topic.decode().split("/")[0]]
        with self._came:
            where.append((time.monotonic(), msgpack.unpackb(body)))
            self._came.notify_all()

    def wait(self, found: Callable[[], object], timeout_s: float, what: str = "") -> object:
        """Until `found` answers something, asked anew with every message; what it answers."""
        end = time.monotonic() + timeout_s
        with self._came:
            while not (answer := found()):
                left = end - time.monotonic()
                assert left > 0, f"{what or 'it'} did not come within {timeout_s:g} s; last: {self.last()}"
                self._came.wait(min(left, 0.05))
            return answer

    def last(self) -> dict:
        states = {m["stage"]: f"{m['state']} {m['reason']}" for _, m in self.health[-20:]}
        return {"poses": len(self.poses), "status": self.poses[-1][1]["status"] if self.poses else None} | states

    def fresh_pose(self, timeout_s: float = 8.0, after_s: float | None = None) -> dict:
        """A pose that is current when it comes, and came after now (or `after_s`)."""
        since = time.monotonic() if after_s is None else after_s

        def found() -> dict | None:
            for at, message in reversed(self.poses):
                if at < since:
                    return None
                if message["status"] == "OK" and message["people"]:
                    return message
            return None

        return self.wait(found, timeout_s, "a fresh pose")  # type: ignore[return-value]

    def stage(self, name: str, state: str, reason: str | None = None, timeout_s: float = 8.0) -> tuple[float, dict]:
        """Health of a stage in this state, told after now."""
        since = time.monotonic()

        def found() -> tuple[float, dict] | None:
            for at, m in self.health:
                if at >= since and m["stage"] == name and m["state"] == state and reason in (None, m["reason"]):
                    return at, m
            return None

        return self.wait(found, timeout_s, f"{name} {state} {reason}")  # type: ignore[return-value]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class Live:
    """A run in a thread; its end is in `end`."""

    def __init__(self, values: dict, table: Table | None = None) -> None:
        self.bind = f"tcp://127.0.0.1:{free_port()}"
        self.config = settings({"publish.bind": self.bind} | values)
        self.table = table or faked(supervisor.table_for(self.config))
        self.end: End | None = None
        self.supervisor: Supervisor  # made in its thread
        self._made = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self._made.wait(10)
        self.peer = Peer(self.bind)

    def _run(self) -> None:
        with run_directory(self.bind) as directory:
            self.supervisor = Supervisor(self.config, self.table, directory)
            self._made.set()
            self.end = self.supervisor.run(lambda _: None)

    def pids(self) -> dict[str, int | None]:
        return {worker.name: worker.pid for worker in self.supervisor.workers}

    def health(self) -> dict:
        return {one.stage: one for one in self.supervisor.board.health()}

    def row(self, stage: str) -> StageRow:
        return self.supervisor.board.row(stage)

    def close(self) -> None:
        self.peer.close()
        self.supervisor.stop()
        self.thread.join(10)


SMALL = {"source.spec": "demo", "source.width": 96, "source.height": 64}


@contextmanager
def live(monkeypatch, values: dict | None = None, table: Table | None = None, **fakes) -> Iterator[Live]:
    """Small, quick, told how to misbehave."""
    monkeypatch.setenv("FAKES", json.dumps(fakes))
    running = Live(SMALL | (values or {}), table)
    try:
        yield running
    finally:
        running.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
