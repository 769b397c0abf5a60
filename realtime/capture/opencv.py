"""Read pictures through OpenCV: files frame by frame, cameras and streams as they come."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from realtime import clock
from realtime.capture.source import BadPicture, Image, Picture, Stamper
from realtime.config.redact import without_secret
from realtime.config.schema import SourceConfig
from realtime.config.source_spec import SourceError, kind_of

FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 5000, 5000
ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
BAD_FRAMES_AT_END = 3  # reads of a file that may fail in a row before it counts as ended
FRAME_RATES = (1.0, 1000.0)  # Hz; a file that declares another does not know


def backends(platform: str) -> tuple[int, ...]:
    """Camera backends in the order they are tried."""
    if platform == "win32":
        return cv2.CAP_DSHOW, cv2.CAP_MSMF
    return (cv2.CAP_AVFOUNDATION,) if platform == "darwin" else (cv2.CAP_V4L2,)


def prepare(platform: str) -> None:
    """Before anything is opened: OpenCV and FFmpeg are quiet, MSMF's hardware transforms do not cost a minute."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    if platform == "win32":
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")


def open_live(config: SourceConfig, stamper: Stamper) -> LiveVideo:
    prepare(sys.platform)
    capture = _open_camera(config) if kind_of(config.spec) == "camera" else _open_stream(config.spec)
    return LiveVideo(capture, config, stamper)


def _open_camera(config: SourceConfig) -> cv2.VideoCapture:
    device = int(config.spec) if config.spec.isdecimal() else config.spec
    for backend in backends(sys.platform):
        capture = cv2.VideoCapture(device, backend)
        if capture.isOpened():
            ask(capture, config)
            return capture
    raise SourceError(
        f"camera {config.spec}: there, but does not open; does another program hold it? What there is: realtime doctor"
    )


def ask(capture: Any, config: SourceConfig) -> None:
    """MJPG first: raw pictures of many USB cameras come at 10 a second.  What it grants is read back later."""
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
    capture.set(cv2.CAP_PROP_FPS, config.fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)


def _open_stream(spec: str) -> cv2.VideoCapture:
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
    with without_queues():
        capture = cv2.VideoCapture(spec, cv2.CAP_FFMPEG, timeouts)
    if not capture.isOpened():
        raise SourceError(f"source {without_secret(spec)}: no video there, or no answer within 5 s; is the camera on?")
    return capture


@contextmanager
def without_queues() -> Iterator[None]:
    """Provide pictures of a stream wait nowhere.  Only while it is opened: a file read like this loses its last
    frame."""
    if FFMPEG_OPTIONS in os.environ:  # the user's own
        yield
        return
    os.environ[FFMPEG_OPTIONS] = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
    try:
        yield
    finally:
        del os.environ[FFMPEG_OPTIONS]


def open_packets(capture: Any) -> bool:
    """Pictures of an MJPG stream as they were sent: FFmpeg would hide damage and squeeze new sizes into the old."""
    is_mjpg = int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
    return is_mjpg and bool(capture.set(cv2.CAP_PROP_FORMAT, -1))


def open_file(config: SourceConfig, stamper: Stamper) -> FileVideo:
    prepare(sys.platform)
    path = Path(config.spec).expanduser()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"source {config.spec}: not a video that OpenCV can read; try: ffmpeg -i {path} clip.mp4")
    return FileVideo(capture, config, stamper)


def upright(image: Any, rotate: int) -> Image:
    """Convert a picture to three channels, rotated as configured."""
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif image.shape[2] == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    return cv2.rotate(image, ROTATIONS[rotate]) if rotate else image  # type: ignore[no-any-return]


class LiveVideo:
    live = True

    def __init__(self, capture: Any, config: SourceConfig, stamper: Stamper) -> None:
        self._capture, self._rotate, self._stamper = capture, config.rotate, stamper
        self._packets = kind_of(config.spec) == "stream" and open_packets(capture)
        self.fps = float(capture.get(cv2.CAP_PROP_FPS))
        self.size = (_whole(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), _whole(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))

    def read(self) -> Picture:
        grabbed = self._capture.grab()
        now_ns, unix_ns = clock.now_ns(), clock.unix_ns()
        if not grabbed:
            raise BadPicture
        image = self._retrieve()
        if image is None:
            self._stamper.skip()
            raise BadPicture
        image = upright(image, self._rotate)
        return Picture(image, self._stamper.stamp(image.shape, now_ns, unix_ns))

    def _retrieve(self) -> Any:
        """Decode the grabbed picture; None where it is damaged."""
        good, image = self._capture.retrieve()
        if not good or image is None or image.size == 0:
            return None
        return cv2.imdecode(image, cv2.IMREAD_COLOR) if self._packets else image

    def close(self) -> None:
        self._capture.release()


class FileVideo:
    """Every frame, in order, stamped in media time from the moment the file was opened."""

    live = False

    def __init__(self, capture: Any, config: SourceConfig, stamper: Stamper) -> None:
        self._capture, self._rotate, self._stamper = capture, config.rotate, stamper
        declared = float(capture.get(cv2.CAP_PROP_FPS))
        self.fps = declared if FRAME_RATES[0] <= declared <= FRAME_RATES[1] else 30.0
        self.size = (_whole(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), _whole(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        self.frames = _whole(capture.get(cv2.CAP_PROP_FRAME_COUNT))  # as declared; 0 where unknown
        self._start_ns, self._start_unix_ns = clock.now_ns(), clock.unix_ns()
        self._media_ms = -1000.0 / self.fps
        self.damaged = 0

    def read(self) -> Picture | None:
        for _ in range(BAD_FRAMES_AT_END):
            good, image = self._capture.read()
            if good and image is not None and image.size:
                return self._picture(upright(image, self._rotate))
            self.damaged += 1
        self.damaged -= BAD_FRAMES_AT_END
        return None

    def _picture(self, image: Image) -> Picture:
        self._media_ms = next_media_ms(self._media_ms, self._capture.get(cv2.CAP_PROP_POS_MSEC), self.fps)
        after_ns = round(self._media_ms * 1e6)
        return Picture(
            image, self._stamper.stamp(image.shape, self._start_ns + after_ns, self._start_unix_ns + after_ns)
        )

    def close(self) -> None:
        self._capture.release()


def next_media_ms(last_ms: float, told_ms: float, fps: float) -> float:
    """Return the container's timestamp where it grows by a plausible step, else one frame period later, ms."""
    step = 1000.0 / fps
    return told_ms if math.isfinite(told_ms) and 0.1 * step <= told_ms - last_ms <= 10_000 else last_ms + step


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) and value > 0 else 0


__all__: Sequence[str] = ("FileVideo", "LiveVideo", "open_file", "open_live")
