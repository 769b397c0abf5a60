"""Judge a source by its pictures alone: stalled, frozen, or not what was asked for."""

from __future__ import annotations

import math
from collections import deque

from realtime import clock
from realtime.capture.source import Image, Picture, Source
from realtime.config.redact import without_secret
from realtime.config.schema import SourceConfig
from realtime.config.source_spec import SourceError, kind_of

PAUSE_NS = 300_000_000  # between two looks: this process was stopped
RATES = 90  # pictures the measured rate is taken over
RATE_RANGE = (0.4, 1.67)  # measured / declared outside of it: mismatch
SLOWER = 0.8  # measured / declared below it: a note, as of a camera in a dark room


class SourceWatchdog:
    """What is wrong with a source, judged by its pictures alone; a reason for Health, or SourceError."""

    def __init__(self, config: SourceConfig, source: Source, now_ns: int) -> None:
        self._config, self._declared_hz = config, source.fps
        self._remote = kind_of(config.spec) == "remote"  # declares nothing; may come when it likes
        self._came_ns = self._changed_ns = self._looked_ns = now_ns
        self._content = b""
        self._times: deque[int] = deque(maxlen=RATES)
        self._sizes = {"declares": source.size}
        if kind_of(config.spec) == "camera":
            self._sizes["was asked for"] = (config.width, config.height)
        self._first_size = (0, 0)
        self.pictures = 0

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
        """Move the deadlines by a machine's sleep: it was not the source's silence."""
        away_ns, self._looked_ns = now_ns - self._looked_ns, now_ns
        if away_ns > PAUSE_NS:
            self._came_ns += away_ns
            self._changed_ns += away_ns

    def _raise_if_lost(self, silent_s: float, same_s: float) -> None:
        first_s = math.inf if self._remote else self._config.first_picture_s
        patience_s = self._config.restart_s if self.pictures else first_s
        if silent_s > patience_s:
            raise SourceError(f"source {without_secret(self._config.spec)}: no picture for {silent_s:.1f} s")
        if same_s > self._config.frozen_s + self._config.first_picture_s:
            raise SourceError(f"source {without_secret(self._config.spec)}: the same picture for {same_s:.1f} s")

    def _note(self, picture: Picture, now_ns: int) -> None:
        self.pictures += 1
        self._came_ns = now_ns
        self._times.append(picture.stamp.t_capture_ns)
        if self.pictures == 1:
            height, width = picture.image.shape[:2]
            self._first_size = (width, height)
        content = sampled(picture.image)
        if content != self._content:
            self._content, self._changed_ns = content, now_ns

    @property
    def rate_hz(self) -> float:
        """Measured; 0 until there are enough pictures."""
        if len(self._times) < 10 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) * clock.NS_PER_S / (self._times[-1] - self._times[0])

    def note(self) -> str:
        """Note a working source's steady rate where it is below the declared one; else empty."""
        if not self.rate_hz or not math.isfinite(self._declared_hz) or self._declared_hz <= 0:
            return ""
        share = self.rate_hz / self._declared_hz
        return f"camera gives {self.rate_hz:.0f} of {self._declared_hz:.0f} Hz" if share < SLOWER else ""

    def steady_hz(self) -> float:
        """Return the rate to keep up with: declared, or measured where that is less, Hz; 0: unknown."""
        declared_hz = self._declared_hz if math.isfinite(self._declared_hz) else 0.0
        return self.rate_hz if self.note() or declared_hz <= 0 else declared_hz

    def mismatch(self) -> str:
        """Describe how the pictures differ from what was declared or requested; empty when they do not."""
        if not self.pictures or self._remote:
            return ""
        for how, (width, height) in self._sizes.items():
            if {width, height} != set(self._first_size):
                return f"{how} {width}x{height}, gives {self._first_size[0]}x{self._first_size[1]}"
        if not math.isfinite(self._declared_hz) or self._declared_hz <= 0:
            return f"declares {self._declared_hz:g} Hz"
        if self.rate_hz and not RATE_RANGE[0] < self.rate_hz / self._declared_hz < RATE_RANGE[1]:
            return f"declares {self._declared_hz:g} Hz, gives {self.rate_hz:.1f}"
        return ""


def sampled(image: Image) -> bytes:
    """Return every eighth row: a camera's noise changes it with every picture, and comparing ends where it does."""
    return image[::8].tobytes()
