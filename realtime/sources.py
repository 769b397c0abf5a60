"""Where pictures come from: a spec such as `0`, `/dev/video2`, `clip.mp4`, `rtsp://...` or `demo` -> an open source.

Knows: kinds of specs, what can be said about one before opening it, stamps.  Does not know: OpenCV, rings, sockets.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime import clock
from realtime.config import DemoConfig, RunConfig, SourceConfig
from realtime.messages import Stamp, Truth

Image = NDArray[np.uint8]  # (H, W, 3) BGR
Kind = Literal["camera", "stream", "file", "demo"]
SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp", "srt")
DEMO_FOV_DEG = 60.0


class SourceError(Exception):
    """At start: the run ends with this line.  Later: the source is lost and tried again for ever."""

    exit_code = 2
    source_lost = True


class BadPicture(Exception):
    """One picture could not be decoded; the next may be fine."""


@dataclass(frozen=True)
class Picture:
    image: Image
    stamp: Stamp
    truth: Truth | None = None


class Source(Protocol):
    live: bool  # pictures come by themselves, whether somebody reads or not
    fps: float  # as the driver or the file declares; 0 or NaN where it does not know
    size: tuple[int, int]  # as declared, before rotation; (0, 0) where unknown

    def read(self) -> Picture | None:
        """The next picture; None at the end of a file.  BadPicture for one that is damaged, SourceError for the end."""
        ...

    def close(self) -> None: ...


class Stamper:
    """Numbers the pictures of a source; a new stream for every source opened and every new size."""

    def __init__(self, source: str, stream: int | None = None) -> None:
        self.source, self._fixed = source, stream
        self._next_stream(None)

    def _next_stream(self, shape: tuple[int, ...] | None) -> None:
        self.stream = secrets.randbits(48) if self._fixed is None else self._fixed
        self.shape, self.seq = shape, 0
        if self._fixed is not None:
            self._fixed += 1

    def skip(self) -> None:
        """A picture came and was damaged: a gap in `seq`, which everyone behind counts as a drop."""
        self.seq += 1

    def stamp(self, shape: tuple[int, ...], t_capture_ns: int, t_unix_ns: int) -> Stamp:
        if self.shape is None:
            self.shape = shape
        elif self.shape != shape:
            self._next_stream(shape)
        self.seq += 1
        return Stamp(self.source, self.stream, self.seq - 1, t_capture_ns, t_unix_ns)


def kind_of(spec: str) -> Kind:
    if spec == "demo":
        return "demo"
    if spec.isdecimal() or spec.startswith("/dev/"):
        return "camera"
    return "stream" if re.match(r"[a-z]+://", spec) else "file"


def is_file_run(config: SourceConfig) -> bool:
    """Files, and the demo with every frame, go through the lossless chain."""
    kind = kind_of(config.spec)
    return kind == "file" or (kind == "demo" and config.every_frame)


def check(config: SourceConfig) -> None:
    """What can be refused at once, without a driver that might hang."""
    checks = {"camera": _check_camera, "stream": _check_stream, "file": _check_file}
    if look := checks.get(kind_of(config.spec)):
        look(config.spec)


def _check_camera(spec: str) -> None:
    if not sys.platform.startswith("linux"):
        return
    device = Path(f"/dev/video{spec}" if spec.isdecimal() else spec)
    found = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
    advice = f"cameras found: {found}. Without one: realtime run --demo. What this machine has: realtime doctor"
    if not device.exists():
        raise SourceError(f"camera {spec}: there is no {device}; {advice}")
    if not stat.S_ISCHR(device.stat().st_mode) or os.major(device.stat().st_rdev) != 81:
        raise SourceError(f"camera {spec}: {device} is not a video device; {advice}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"camera {spec}: no permission for {device}; sudo usermod -aG video $USER, then log in again")


def _check_stream(spec: str) -> None:
    scheme = spec.partition(":")[0]
    if scheme not in SCHEMES:
        raise SourceError(f"source {without_secret(spec)}: {scheme}:// is not read; expected {', '.join(SCHEMES)}")


def _check_file(spec: str) -> None:
    path = Path(spec).expanduser()
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"source {spec}: {error.strerror}; for a camera: --camera INDEX, to try: --demo") from error
    if stat.S_ISDIR(found.st_mode):
        raise SourceError(f"source {spec}: is a folder; expected a video file")
    if found.st_size == 0 and stat.S_ISREG(found.st_mode):
        raise SourceError(f"source {spec}: the file is empty; expected a video")
    try:
        path.open("rb").close()
    except OSError as error:
        raise SourceError(f"source {spec}: no permission to read it; chmod u+r {spec}") from error


def without_secret(spec: str) -> str:
    """An address as it may be shown: rtsp://user:password@host has no password."""
    return re.sub(r"//[^/@]*@", "//", spec)


def open_source(config: RunConfig, stream: int | None = None) -> Source:
    """Open, with its first picture still to come; SourceError says why not."""
    from realtime import video

    check(config.source)
    stamper = Stamper(config.source.name, stream)
    kind = kind_of(config.source.spec)
    if kind == "demo":
        return DemoSource(config.source, config.demo, config.detector.people, stamper)
    if kind == "file":
        return video.open_file(config.source, stamper)
    return video.open_live(config.source, stamper)


class DemoSource:
    """The rendered man: live at the asked rate, or every frame as fast as it is asked for."""

    def __init__(self, config: SourceConfig, demo: DemoConfig, people: int, stamper: Stamper) -> None:
        from realtime.demo.world import CylinderWorld

        self.live, self.fps = not config.every_frame, config.fps
        self.size = (config.width, config.height)
        self._stamper = stamper
        self._world = CylinderWorld(
            demo.seed, self.size, self.fps, motion=demo.motion, people=people, fov_deg=DEMO_FOV_DEG,
            boards=demo.boards, look_pool=demo.looks,
        )  # fmt: skip
        self._index = -1
        self._start_ns, self._start_unix_ns = clock.now_ns(), clock.unix_ns()
        self._wait: Callable[[int], None] = wait_until if self.live else lambda _: None

    def read(self) -> Picture:
        self._index = max(self._index + 1, self._due() if self.live else 0)
        after_ns = round(self._index * 1e9 / self.fps)
        self._wait(self._start_ns + after_ns)
        image, truth = self._world.frame(self._index)
        grabbed_ns = clock.now_ns() - self._start_ns if self.live else after_ns
        stamp = self._stamper.stamp(image.shape, self._start_ns + grabbed_ns, self._start_unix_ns + grabbed_ns)
        return Picture(image, stamp, replace(truth, stamp=stamp))

    def _due(self) -> int:
        """A camera does not wait for a slow machine either."""
        return math.ceil((clock.now_ns() - self._start_ns) * 1e-9 * self.fps)

    def close(self) -> None: ...


def wait_until(moment_ns: int) -> None:
    import time

    left = (moment_ns - clock.now_ns()) * 1e-9
    if left > 0:
        time.sleep(left)
