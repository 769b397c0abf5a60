"""Hand a picture to another process: this project's frame ring, plain ZeroMQ, and imagezmq, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zmq
from numpy.typing import NDArray

from realtime import clock
from realtime.transport.address import free_port
from realtime.transport.bus import Bus
from realtime.transport.frame_ring import FrameReader, FrameWriter
from realtime.wire.messages import Stamp

Image = NDArray[np.uint8]


class PictureSender(Protocol):
    def send(self, image: Image) -> None: ...
    def close(self) -> None: ...


class PictureReceiver(Protocol):
    """A picture the receiver may keep and write to, or None when time is up."""

    def receive(self, timeout_ms: int) -> Image | None: ...
    def close(self) -> None: ...


class RingSender:
    """Pixels in shared memory, a reference over ZeroMQ."""

    def __init__(self, folder: Path) -> None:
        self._bus, self._seq = Bus(folder), 0
        self._publisher = self._bus.publisher("frame")
        self._ring = FrameWriter(bind_of(folder))

    def send(self, image: Image) -> None:
        self._seq += 1
        stamp = Stamp("bench", 1, self._seq, clock.now_ns(), clock.unix_ns())
        self._publisher.send(self._ring.write(image, stamp))

    def close(self) -> None:
        self._ring.close()
        self._bus.close()


class RingReceiver:
    def __init__(self, folder: Path) -> None:
        self._bus, self._frames = Bus(folder), FrameReader()
        self._references = self._bus.latest("frame")

    def receive(self, timeout_ms: int) -> Image | None:
        reference = self._references.get(timeout_ms)
        return None if reference is None else self._frames.image(reference)

    def close(self) -> None:
        self._frames.close()
        self._bus.close()


class SocketEnd:
    """A plain ZeroMQ socket over ipc."""

    def __init__(self, folder: Path, kind: int) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.set(zmq.LINGER, 0)
        self.address = f"ipc://{folder / 'plain'}"

    def close(self) -> None:
        self.socket.close()
        self.context.term()


class SocketSender(SocketEnd):
    """Shape, then the pixels without a copy of our own: what a careful program with pyzmq does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, zmq.PUB)
        self.socket.set(zmq.SNDHWM, 2)
        self.socket.bind(self.address)

    def send(self, image: Image) -> None:
        self.socket.send(np.array(image.shape, "<i4").tobytes(), zmq.SNDMORE)
        self.socket.send(image.data, copy=False)


class SocketReceiver(SocketEnd):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, zmq.SUB)
        self.socket.set(zmq.RCVHWM, 2)
        self.socket.subscribe(b"")
        self.socket.connect(self.address)

    def receive(self, timeout_ms: int) -> Image | None:
        if not self.socket.poll(timeout_ms):
            return None
        shape = np.frombuffer(self.socket.recv(), "<i4")
        image: Image = np.frombuffer(self.socket.recv(copy=False).buffer, np.uint8).reshape(shape).copy()
        return image


class ImagezmqSender:
    """Its PUB mode, which drops like ours; REQ waits for an answer and would halve the rate."""

    def __init__(self, folder: Path) -> None:
        import imagezmq

        port = free_port()
        self._sender = imagezmq.ImageSender(f"tcp://127.0.0.1:{port}", REQ_REP=False)
        (folder / "port").write_text(str(port))

    def send(self, image: Image) -> None:
        self._sender.send_image("bench", image)

    def close(self) -> None:
        self._sender.close()


class ImagezmqReceiver:
    def __init__(self, folder: Path) -> None:
        import imagezmq

        self._hub = imagezmq.ImageHub(f"tcp://127.0.0.1:{(folder / 'port').read_text()}", REQ_REP=False)

    def receive(self, timeout_ms: int) -> Image | None:
        if not self._hub.zmq_socket.poll(timeout_ms):
            return None
        image: Image = self._hub.recv_image()[1].copy()  # what it gives is read-only
        return image

    def close(self) -> None:
        self._hub.close()


@dataclass(frozen=True)
class Way:
    sender: Callable[[Path], PictureSender]
    receiver: Callable[[Path], PictureReceiver]
    needs: str = ""  # package beyond this project's own


WAYS = {
    "frame ring": Way(RingSender, RingReceiver),
    "plain ZeroMQ": Way(SocketSender, SocketReceiver),
    "imagezmq": Way(ImagezmqSender, ImagezmqReceiver, "imagezmq"),
}


def bind_of(folder: Path) -> str:
    """Return a name for shared memory that no other run has: the port stands in the folder."""
    kept = folder / "ring-port"
    if not kept.exists():
        kept.write_text(str(free_port()))
    return f"tcp://127.0.0.1:{kept.read_text()}"
