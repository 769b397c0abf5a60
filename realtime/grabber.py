"""A thread that reads a live source without pause and keeps the newest picture; and what that tells about the source.

Knows: how long nothing came, whether pictures change, their rate.  Does not know: OpenCV, rings, restarts.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections import deque

from realtime import clock
from realtime.config import SourceConfig
from realtime.sources import BadPicture, Image, Picture, Source, SourceError, kind_of

BAD_IN_A_ROW = 60  # damaged pictures one after another: the source counts as lost
BAD_PAUSE_S = 0.02  # some drivers answer "no picture" at once, for ever
PAUSE_NS = 300_000_000  # between two looks: this process was stopped
RATES = 90  # pictures the measured rate is taken over
RATE_RANGE = (0.6, 1.67)  # measured / declared outside of it: mismatch


class Grabber:
    """`take` hands over the newest picture once; whatever ended the source is raised there."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.damaged = 0
        self._newest: Picture | None = None
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="grab", daemon=True)

    def start(self) -> Grabber:
        self._thread.start()
        return self

    def close(self) -> None:
        """A driver that still blocks is left alone: this process ends without it."""
        self._stop = True
        self._thread.join(0.3)
        if not self._thread.is_alive():
            self.source.close()

    def take(self, timeout_s: float) -> Picture | None:
        with self._changed:
            if self._newest is None and self._error is None:
                self._changed.wait(timeout_s)
            picture, self._newest = self._newest, None
            if picture is None and self._error is not None:
                raise self._error
            return picture

    def _run(self) -> None:
        bad = 0
        while not self._stop:
            try:
                picture = self.source.read()
                bad = 0
            except BadPicture:
                bad += 1
                self._count_damage(bad)
                continue
            except BaseException as error:  # noqa: BLE001 - raised again where the pictures are taken
                self._give(None, error)
                return
            if picture is None:
                self._give(None, SourceError("the source has ended"))
                return
            self._give(picture, None)

    def _count_damage(self, in_a_row: int) -> None:
        self.damaged += 1
        if in_a_row >= BAD_IN_A_ROW:
            self._stop = True
            self._give(None, SourceError(f"{in_a_row} damaged pictures in a row, or none at all"))
        threading.Event().wait(BAD_PAUSE_S)

    def _give(self, picture: Picture | None, error: BaseException | None) -> None:
        with self._changed:
            self._newest, self._error = picture or self._newest, error
            self._changed.notify()


class Watch:
    """What is wrong with a source, judged by its pictures alone; a reason for Health, or SourceError."""

    def __init__(self, config: SourceConfig, source: Source, now_ns: int) -> None:
        self._config, self._declared_hz = config, source.fps
        self._came_ns = self._changed_ns = self._looked_ns = now_ns
        self._content: int | None = None
        self._times: deque[int] = deque(maxlen=RATES)
        self._sizes = {"declares": source.size}
        if kind_of(config.spec) == "camera":
            self._sizes["was asked for"] = (config.width, config.height)
        self._first_size = (0, 0)
        self.seen = 0

    def look(self, picture: Picture | None, now_ns: int) -> str:
        self._forgive(now_ns)
        if picture is not None:
            self._note(picture, now_ns)
        silent_s, same_s = (now_ns - self._came_ns) * 1e-9, (now_ns - self._changed_ns) * 1e-9
        self._raise_if_lost(silent_s, same_s)
        if silent_s > self._config.stall_s:
            return "stalled"
        if same_s > self._config.frozen_s:
            return "frozen"
        return "mismatch" if self.mismatch() else ""

    def _forgive(self, now_ns: int) -> None:
        """The machine slept: that was not the source's silence."""
        away_ns, self._looked_ns = now_ns - self._looked_ns, now_ns
        if away_ns > PAUSE_NS:
            self._came_ns += away_ns
            self._changed_ns += away_ns

    def _raise_if_lost(self, silent_s: float, same_s: float) -> None:
        patience_s = self._config.restart_s if self.seen else self._config.first_picture_s
        if silent_s > patience_s:
            raise SourceError(f"source {self._config.spec}: no picture for {silent_s:.1f} s")
        if same_s > self._config.frozen_s + self._config.first_picture_s:
            raise SourceError(f"source {self._config.spec}: the same picture for {same_s:.1f} s")

    def _note(self, picture: Picture, now_ns: int) -> None:
        self.seen += 1
        self._came_ns = now_ns
        self._times.append(picture.stamp.t_capture_ns)
        if self.seen == 1:
            height, width = picture.image.shape[:2]
            self._first_size = (width, height)
        content = fingerprint(picture.image)
        if content != self._content:
            self._content, self._changed_ns = content, now_ns

    @property
    def rate_hz(self) -> float:
        """Measured; 0 until there are enough pictures."""
        if len(self._times) < 10 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) * clock.NS_PER_S / (self._times[-1] - self._times[0])

    def mismatch(self) -> str:
        """How the pictures differ from what the driver declares or was asked for; empty when they do not."""
        if not self.seen:
            return ""
        for how, (width, height) in self._sizes.items():
            if {width, height} != set(self._first_size):
                return f"{how} {width}x{height}, gives {self._first_size[0]}x{self._first_size[1]}"
        if not math.isfinite(self._declared_hz) or self._declared_hz <= 0:
            return f"declares {self._declared_hz:g} Hz"
        if self.rate_hz and not RATE_RANGE[0] < self.rate_hz / self._declared_hz < RATE_RANGE[1]:
            return f"declares {self._declared_hz:g} Hz, gives {self.rate_hz:.1f}"
        return ""


def fingerprint(image: Image) -> int:
    """Of every eighth row: a camera's noise changes it with every picture."""
    return zlib.crc32(image[::8].tobytes())


__all__ = ["Grabber", "Watch"]
