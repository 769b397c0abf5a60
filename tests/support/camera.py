"""A camera on the network: an MJPEG server whose picture moves, and which misbehaves on request.

Modes: ok | stall | close | garbage | trunc | freeze | resize | slow; all but ok and slow begin after `good` pictures.
"""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from realtime.capture import stage as capture_stage
from realtime.capture.opencv import LiveVideo
from realtime.capture.source import Stamper
from tests.support.fakes.detector import fakes

SIZE, OTHER_SIZE = (96, 64), (160, 120)


def jpeg(number: int, size: tuple[int, int] = SIZE) -> bytes:
    """A bright square that walks over noise: no two pictures are the same."""
    image = np.random.default_rng(number).integers(0, 60, (size[1], size[0], 3), np.uint8)
    x = number * 3 % (size[0] - 16)
    image[16:32, x : x + 16] = 255
    return bytes(cv2.imencode(".jpg", image)[1])


class Camera:
    def __init__(self, mode: str = "ok", port: int = 0, fps: float = 30.0, good: int = 20) -> None:
        self.mode, self.fps, self.good, self.served = mode, fps, good, 0
        self.stalled_at: float | None = None
        self.stopping = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                camera.serve(self.wfile)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/stream.mjpg"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def serve(self, out) -> None:
        first = self.served
        try:
            while not self.stopping.is_set():
                data = self.part(self.served - first)
                if data is None:
                    return
                out.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                out.write(data + b"\r\n")
                out.flush()
                self.served += 1
                time.sleep(1 / (2 if self.mode == "slow" else self.fps))
        except OSError:
            return  # whoever watched has gone

    def part(self, count: int) -> bytes | None:
        """The next picture's bytes; None ends the connection."""
        data, bad = jpeg(self.served), count >= self.good
        if self.mode == "stall" and bad:
            self.stalled_at = self.stalled_at or time.monotonic()
            self.stopping.wait()
            return None
        if self.mode == "close" and bad:
            return None
        if self.mode == "garbage" and bad and count % 3:
            return np.random.default_rng(count).bytes(len(data))
        if self.mode == "trunc" and bad and count % 3:
            return data[: len(data) // 2]
        if self.mode == "freeze" and bad:
            return jpeg(0)
        if self.mode == "resize" and bad:
            return jpeg(self.served, OTHER_SIZE)
        return data

    def close(self) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


class Driver:
    """What OpenCV hands out for a camera; FAKES says its rate (camera_hz) and what it declares (declared_hz)."""

    def __init__(self) -> None:
        self.declared = {cv2.CAP_PROP_FPS: float(fakes()["declared_hz"]), cv2.CAP_PROP_FRAME_WIDTH: SIZE[0]}
        self.declared[cv2.CAP_PROP_FRAME_HEIGHT] = SIZE[1]
        self.period_s = 1 / fakes().get("camera_hz", 25)
        self.pictures = [cv2.imdecode(np.frombuffer(jpeg(n), np.uint8), cv2.IMREAD_COLOR) for n in range(20)]
        self.count = 0

    def get(self, prop: int) -> float:
        return self.declared.get(prop, 0.0)

    def grab(self) -> bool:
        time.sleep(self.period_s)
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        self.count += 1
        return True, self.pictures[self.count % len(self.pictures)]  # type: ignore[return-value]

    def release(self) -> None: ...


def driver_main(ctx) -> None:
    capture_stage.run(ctx, LiveVideo(Driver(), ctx.config.source, Stamper(ctx.config.source.name)))
