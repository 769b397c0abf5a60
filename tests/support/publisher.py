"""A pipeline's public side without a pipeline: valid messages on a real ZeroMQ PUB, pictures in a real FrameRing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing

import cv2
import numpy as np
import zmq

from realtime import clock
from realtime.transport.frame_ring import FrameWriter
from realtime.transport.pose_ring import PoseRingWriter
from realtime.wire.messages import Health, Hello, Message, Person3D, Stamp, encode, replace
from tests.support.people import walker

Script = Callable[[float], list[Person3D]]
STAGES = {
    "capture": (0.4, 1.1),
    "detect": (11.8, 16.2),
    "occlude": (0.9, 2.0),
    "lift": (1.0, 1.9),
    "publish": (0.2, 0.6),
}


def one_walker(t: float) -> list[Person3D]:
    return [walker.person(1, walker.in_camera(walker.walker(t)))]


def free_address() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as holder:
        return f"tcp://127.0.0.1:{holder.getsockname()[1]}"


def picture(people: list[Person3D], t: float) -> np.ndarray:
    """Something to look at: a wall, a floor, grey figures where the people are."""
    image = np.full((walker.HEIGHT, walker.WIDTH, 3), (196, 190, 182), np.uint8)
    cv2.rectangle(image, (0, 330), (walker.WIDTH, walker.HEIGHT), (120, 132, 146), -1)
    cv2.circle(image, (int(320 + 250 * np.sin(t)), 70), 24, (90, 160, 220), -1)
    for person in people:
        for child, parent in enumerate(walker.HELLO.parents):
            if parent >= 0:
                ends = [tuple(int(v) for v in person.xy[i]) for i in (child, parent)]
                cv2.line(image, ends[0], ends[1], (92, 84, 76), 17, cv2.LINE_AA)
    return image


class FakePipeline:
    """Publishes in a thread until it is closed; `seq` is the last frame published."""

    def __init__(
        self, script: Script = one_walker, address: str = "", hz: float = 30.0, video: bool = False,
        hello: Hello | None = walker.HELLO, stream: int = 1, stage_reasons: dict[str, str] | None = None,
        delay_ms: float = 12.0, speed: float | None = None,
    ) -> None:  # fmt: skip
        self.address, self.script, self.hz, self.hello, self.stream = (
            address or free_address(),
            script,
            hz,
            hello,
            stream,
        )
        self.seq, self.muted, self.status = -1, False, None
        self._speed, self._began_ns = speed, clock.now_ns()  # of a film or recording; None: a live source
        self._video, self._reasons, self._delay_ns = video, stage_reasons or {}, int(delay_ms * 1e6)
        self.captured_ns: list[int] = []  # of every frame published
        self._stop, self._up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> FakePipeline:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        context = zmq.Context()
        frames = FrameWriter(self.address) if self._video else None
        with context, context.socket(zmq.PUB) as out, closing(PoseRingWriter(self.address)) as ring:
            out.setsockopt(zmq.LINGER, 0)
            out.bind(self.address)
            self._up.set()
            began = clock.now_ns()
            while not self._stop.wait(max(0.0, (began + (self.seq + 1) / self.hz * 1e9 - clock.now_ns()) * 1e-9)):
                self.seq += 1
                if not self.muted:
                    self._frame(out, ring, frames)
        if frames:
            frames.close()

    def _frame(self, out: zmq.Socket, ring: PoseRingWriter, frames: FrameWriter | None) -> None:
        now, t = clock.now_ns(), self.seq / self.hz
        media_ns = self._began_ns + int(self.seq / self.hz * 1e9 * (self._speed or 0))
        captured_ns = now - self._delay_ns if self._speed is None else media_ns
        self.captured_ns.append(captured_ns)
        stamp = Stamp("cam0", self.stream, self.seq, captured_ns, clock.unix_ns() - self._delay_ns)
        people = self.script(t)
        keypoints = walker.keypoints(self.seq, tuple(people), stamp)
        if frames:
            frame = frames.write(picture(people, t), stamp)
            keypoints = replace(keypoints, slot=frame.slot, generation=frame.generation, ring=frame.ring)
        pose = replace(walker.pose(self.seq, people, stamp), t_publish_ns=clock.now_ns(), dropped=self.seq // 100)
        pose = replace(pose, live=self._speed is None)
        if self.status:
            pose = replace(pose, status=self.status, people=())
        messages: list[tuple[str, Message]] = [("keypoints2d", keypoints), ("pose3d", pose)]
        if self.seq % round(self.hz) == 0:
            hello = [("hello", self.hello)] if self.hello else []
            messages = [*hello, *(("health", report) for report in self._reports()), *messages]
        for topic, message in messages:
            data = encode(topic, "cam0", message)
            out.send(data)
            if topic != "health":
                ring.write(data)

    def _reports(self) -> list[Health]:
        return [
            Health(
                name,
                "DEGRADED" if name in self._reasons else "READY",
                self._reasons.get(name, ""),
                self.hz,
                0,
                0,
                0,
                *ms,
            )
            for name, ms in STAGES.items()
        ]
