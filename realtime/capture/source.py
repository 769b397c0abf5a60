"""Define what a source of pictures offers, and stamp its pictures."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from realtime.wire.messages import Stamp, Truth

Image = NDArray[np.uint8]  # (H, W, 3) BGR


class BadPicture(Exception):
    """One picture could not be decoded; the next may be fine."""


@dataclass(frozen=True)
class Picture:
    """One picture and its stamp."""

    image: Image  # (H, W, 3) BGR
    stamp: Stamp
    truth: Truth | None = None  # demo only


class Source(Protocol):
    """What pictures can be read from: a camera, a file, or a program of your own (examples/own_source.py)."""

    live: bool  # pictures come by themselves, whether somebody reads or not
    fps: float  # as the driver or the file declares; 0 or NaN where it does not know
    size: tuple[int, int]  # as declared, before rotation; (0, 0) where unknown

    def read(self) -> Picture | None:
        """Read the next picture; None at the file's end. BadPicture: a damaged one; SourceError: no more will come."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TellingSource(Protocol):
    """A source that knows more than its pictures show."""

    def note(self) -> str:
        """For people, in a few words."""
        ...

    def info(self) -> dict[str, float]:
        """For the run's facts, units in the names."""
        ...


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
        """Skip the number of a damaged picture: receivers count the gap in `seq` as a drop."""
        self.seq += 1

    def stamp(self, shape: tuple[int, ...], t_capture_ns: int, t_unix_ns: int) -> Stamp:
        """Stamp the next picture with its identity and time of capture."""
        if self.shape is None:
            self.shape = shape
        elif self.shape != shape:
            self._next_stream(shape)
        self.seq += 1
        return Stamp(self.source, self.stream, self.seq - 1, t_capture_ns, t_unix_ns)
