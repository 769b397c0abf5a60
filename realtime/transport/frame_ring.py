"""Share the newest pictures in memory: the FrameRing.

One writer, any number of readers, no locks: a slot is marked before and after it is written, and a reader copies
between two looks at these marks.  A picture is whole or None, never a mixture.  Generations only ever grow, over
restarts too, so that a reference never fits another picture than its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np

from realtime.clock import Pace, now_ns
from realtime.transport import shared_memory
from realtime.transport.address import FRAME_SEGMENTS, memory_key
from realtime.transport.frame_ring_layout import (
    DEFAULT,
    FEWEST,
    GREY_WIDTH,
    HEAD,
    MAGIC,
    Image,
    Slots,
    grey_size,
    slots_for,
    stride_of,
)
from realtime.transport.shared_memory import fence
from realtime.wire.messages import Frame, Stamp

log = logging.getLogger("frames")

Made = TypeVar("Made")


class PixelReference(Protocol):
    """A Frame, or Keypoints2D, which carry where their pixels lie."""

    @property
    def ring(self) -> str: ...
    @property
    def slot(self) -> int: ...
    @property
    def generation(self) -> int: ...


@dataclass(frozen=True)
class Pixels:
    image: Image  # (H, W, 3) BGR
    grey: Image  # (h, w), w <= GREY_WIDTH
    scale: float  # grey px per image px


def grey_copy(image: Image) -> tuple[Image, float]:
    """Return the picture as flow wants it, and its scale; the offline chain uses the same."""
    grey: Image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    height, width = grey.shape
    if width <= GREY_WIDTH:
        return grey, 1.0
    size = grey_size(width, height)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8), size[0] / width


def rgb_copy(image: Image) -> Image:
    """Return BGR pixels, seen from their last channel, whose memory is RGB."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)[..., ::-1]


class FrameWriter:
    """Owns the segment; takes another name for it when a picture outgrows the slots or somebody removed it."""

    def __init__(self, bind: str, slots: int = DEFAULT, kind: shared_memory.Kind = shared_memory.KIND) -> None:
        self._key, self._wanted, self._kind = memory_key(bind), slots, kind
        self._ring: Slots | None = None
        self._look = Pace(0.5)
        self._generation = now_ns()
        self._number = self._after_predecessors()

    @property
    def slots(self) -> int:
        return len(self._ring.marks) if self._ring else 0

    def reserve(self, image: Image) -> None:
        """Take the memory for pictures of this size now; NoRoom where there is too little."""
        self._ring_for(image.shape[1], image.shape[0])

    def write(self, image: Image, stamp: Stamp) -> Frame:
        """Copy the picture in; the reference to it travels."""
        height, width = image.shape[:2]
        ring = self._ring_for(width, height)
        self._generation += 1
        slot = self._generation % len(ring.marks)
        self._fill(ring, slot, image)
        return Frame(stamp, slot, self._generation, width, height, ring.segment.name)

    def _fill(self, ring: Slots, slot: int, image: Image) -> None:
        mark = ring.marks[slot]
        mark["before"] = self._generation
        fence()
        mark["height"], mark["width"] = image.shape[:2]
        np.copyto(ring.picture(slot, mark), image)
        fence()
        mark["after"] = self._generation

    def _ring_for(self, width: int, height: int) -> Slots:
        ring = self._ring
        if ring and stride_of(width, height) <= ring.stride and (not self._look.due() or ring.segment.exists()):
            return ring
        self.close()
        self._ring = self._create(width, height)
        return self._ring

    def _create(self, width: int, height: int) -> Slots:
        """With fewer slots, and a warning, where memory is short; NoRoom where even the fewest do not fit."""
        stride, slots = stride_of(width, height), slots_for(width, height, self._wanted)
        self._number = (self._number + 1) % FRAME_SEGMENTS
        name = f"{self._key}-frames-{self._number}"
        shared_memory.unlink(name, self._kind)
        for count in range(slots, FEWEST - 1, -1):
            try:
                segment = shared_memory.create(name, HEAD + count * stride, self._kind)
            except shared_memory.NoRoom as error:
                if count == FEWEST:
                    raise
                log.warning("one slot less than %d: %s", count, error)
                continue
            ring = Slots(segment)
            ring.header["slots"], ring.header["stride"], ring.header["magic"] = count, stride, MAGIC
            return ring.open()
        raise ValueError(f"a ring has at least {FEWEST} slots, asked for {self._wanted}")

    def _after_predecessors(self) -> int:
        """Return what a killed one left is removed; the next name differs from the last one."""
        last = -1
        for number in range(FRAME_SEGMENTS):
            last = number if shared_memory.unlink(f"{self._key}-frames-{number}", self._kind) else last
        return last

    def close(self) -> None:
        if self._ring:
            shared_memory.unlink(self._ring.segment.name, self._kind)
            self._ring.close()
            self._ring = None


class FrameReader:
    """Pictures by reference; follows the writer to new segments."""

    def __init__(self, kind: shared_memory.Kind = shared_memory.KIND) -> None:
        self.lapped = 0  # overwritten before or while it was copied
        self.missing = 0  # segment gone
        self._kind = kind
        self._ring: Slots | None = None

    def read(self, reference: PixelReference) -> Pixels | None:
        """Return a copy of the picture and its small grey one, or None when it is no longer there."""
        image = self.image(reference)
        return None if image is None else Pixels(image, *grey_copy(image))

    def image(self, reference: PixelReference) -> Image | None:
        return self.made_of(reference, np.ndarray.copy)

    def image_of_rgb(self, reference: PixelReference) -> Image | None:
        """Return a BGR view of an RGB copy: for whom wants RGB, copied and converted in one pass."""
        return self.made_of(reference, rgb_copy)

    def grey(self, reference: PixelReference) -> tuple[Image, float] | None:
        """(grey picture, grey px per image px)."""
        return self.made_of(reference, grey_copy)

    def made_of(self, reference: PixelReference, use: Callable[[Image], Made]) -> Made | None:
        """Return what `use` makes of the picture where it lies, or None where it was not whole until that was done."""
        ring = self._ring_of(reference)
        if ring is None:
            self.missing += 1
            return None
        made = self._use_slot(ring, reference, use)
        self.lapped += made is None
        return made

    def _use_slot(self, ring: Slots, wanted: PixelReference, use: Callable[[Image], Made]) -> Made | None:
        mark = ring.marks[wanted.slot]
        if int(mark["after"]) != wanted.generation:
            return None
        fence()
        try:
            image = ring.picture(wanted.slot, mark)
        except ValueError:
            return None  # its size is being rewritten
        made = use(image)
        fence()
        return made if int(mark["before"]) == wanted.generation else None

    def _ring_of(self, wanted: PixelReference) -> Slots | None:
        if self._ring is None or self._ring.segment.name != wanted.ring or self._is_outdated(self._ring, wanted):
            self.close()
            self._ring = self._attach(wanted.ring)
        if self._ring is None or not 0 <= wanted.slot < len(self._ring.marks):
            return None
        return self._ring

    def _is_outdated(self, ring: Slots, wanted: PixelReference) -> bool:
        """Tell whether a ring is a predecessor's of the same name: its slot is still behind the reference."""
        return 0 <= wanted.slot < len(ring.marks) and int(ring.marks[wanted.slot]["after"]) < wanted.generation

    def _attach(self, name: str) -> Slots | None:
        try:
            return Slots(shared_memory.attach(name, self._kind)).open()
        except (FileNotFoundError, PermissionError, ValueError):
            return None

    def close(self) -> None:
        if self._ring:
            self._ring.close()
            self._ring = None


__all__ = ["FrameReader", "FrameWriter", "Image", "Pixels", "grey_copy"]
