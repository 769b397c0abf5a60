"""Encode a picture of the stream as JPEG for the page: only on this machine, only when asked for."""

from __future__ import annotations

from functools import partial

import cv2
import msgpack
import numpy as np

from realtime.transport.frame_ring import FrameReader, Image
from realtime.wire.messages import Frame, prefix

NARROWEST, WIDEST = 160, 1280  # px
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 70]


class Pictures:
    """Pictures of a stream, made ready for pages."""

    def __init__(self) -> None:
        self._frames = FrameReader()
        self.missed = 0  # no longer in the ring when it was looked for

    def encode(self, frame: Frame, wanted: int) -> bytes | None:
        """Return a message of the topic `picture`, `wanted` px wide or more; None where it is gone or was never
        there."""
        if not frame.ring:
            return None
        data = self._frames.made_of(frame, partial(jpeg, wanted=wanted))
        if data is None:
            self.missed += 1
            return None
        stamp = frame.stamp
        plain = {"stream": stamp.stream, "seq": stamp.seq, "t_capture_ns": stamp.t_capture_ns, "jpeg": data}
        return prefix("picture", stamp.source) + bytes(msgpack.packb(plain))

    def close(self) -> None:
        self._frames.close()


def jpeg(image: Image, wanted: int) -> bytes:
    good, data = cv2.imencode(".jpg", narrowed(image, wanted), QUALITY)
    if not good:
        raise ValueError(f"no JPEG could be made of a picture of shape {image.shape}")
    return data.tobytes()


def narrowed(image: Image, wanted: int) -> Image:
    """Return half the size where that is enough, as exact halving is quick; never wider than WIDEST."""
    height, width = image.shape[:2]
    wanted = min(max(wanted, NARROWEST), WIDEST)
    if width < 2 * wanted and width <= WIDEST:
        return image
    half = 2 * wanted <= width < 4 * wanted and width <= 2 * WIDEST
    size = (width // 2, height // 2) if half else (wanted, max(1, round(height * wanted / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if half else cv2.INTER_LINEAR), np.uint8)
