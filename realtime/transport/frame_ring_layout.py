"""Lay out the FrameRing's memory: a header, a mark for each slot, then the slots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.transport import shared_memory

Image = NDArray[np.uint8]

GREY_WIDTH = 640  # px at most
BUDGET = 43_000_000  # bytes; with the PoseRing 60 MB at 1920x1080
FEWEST, DEFAULT = 3, 8  # slots
MAGIC = 0x32474E4952465053  # "SPFRING2"
HEAD = 4096  # bytes before the first slot: a Header, then a Mark for each slot
Header = np.dtype([("magic", "u8"), ("slots", "u8"), ("stride", "u8")])
Mark = np.dtype([("before", "u8"), ("after", "u8"), ("width", "u4"), ("height", "u4")])
MARKS_AT = 64


def grey_size(width: int, height: int) -> tuple[int, int]:
    if width <= GREY_WIDTH:
        return width, height
    return GREY_WIDTH, max(1, round(height * GREY_WIDTH / width))


def stride_of(width: int, height: int) -> int:
    """Return bytes of one slot, whole pages."""
    return -(-width * height * 3 // 4096) * 4096


def slots_for(width: int, height: int, wanted: int = DEFAULT) -> int:
    return max(FEWEST, min(wanted, BUDGET // stride_of(width, height)))


class Slots:
    """A segment's header, marks and pictures as arrays."""

    def __init__(self, segment: shared_memory.SharedSegment) -> None:
        self.segment = segment
        if len(segment.memory) < HEAD:
            raise ValueError(f"{segment.name} is no ring of pictures: {len(segment.memory)} bytes")
        self.header: Any = np.frombuffer(segment.memory, Header, 1)
        self.marks: Any = np.zeros(0, Mark)

    def open(self) -> Slots:
        slots, self.stride = int(self.header["slots"][0]), int(self.header["stride"][0])
        fits = 0 < slots <= (HEAD - MARKS_AT) // Mark.itemsize and HEAD + slots * self.stride <= len(
            self.segment.memory
        )
        if int(self.header["magic"][0]) != MAGIC or not fits:
            raise ValueError(f"{self.segment.name} is no ring of pictures")
        self.marks = np.frombuffer(self.segment.memory, Mark, slots, MARKS_AT)
        return self

    def picture(self, slot: int, mark: Any) -> Image:
        """Return a view (H, W, 3), valid while the mark is."""
        width, height = int(mark["width"]), int(mark["height"])
        if width * height * 3 > self.stride:
            raise ValueError(f"{width}x{height} does not fit a slot of {self.stride} bytes")
        pixels = np.frombuffer(self.segment.memory, np.uint8, width * height * 3, HEAD + slot * self.stride)
        return pixels.reshape(height, width, 3)

    def close(self) -> None:
        self.header = self.marks = None  # the mapping cannot go while arrays look into it
        self.segment.close()
