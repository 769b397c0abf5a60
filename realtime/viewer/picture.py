"""From a reference in the stream to a JPEG for the page: only on this machine, only when asked for.

Knows: the FrameRing, JPEG.  Does not know: poses, pages.
"""

from __future__ import annotations

import cv2
import msgpack

from realtime.frames import FrameReader, Image
from realtime.messages import Keypoints2D, prefix

WIDEST = 640  # px
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 70]


class Pictures:
    """Pictures of a stream, made ready for pages."""

    def __init__(self) -> None:
        self._frames = FrameReader()
        self.missed = 0  # no longer in the ring when it was looked for

    def encode(self, keypoints: Keypoints2D) -> bytes | None:
        """A message of the topic `picture`; None where the picture is gone or was never there."""
        if not keypoints.ring:
            return None
        image = self._frames.image(keypoints)
        if image is None:
            self.missed += 1
            return None
        stamp = keypoints.stamp
        plain = {"stream": stamp.stream, "seq": stamp.seq, "t_capture_ns": stamp.t_capture_ns, "jpeg": jpeg(image)}
        return prefix("picture", stamp.source) + bytes(msgpack.packb(plain))

    def close(self) -> None:
        self._frames.close()


def jpeg(image: Image) -> bytes:
    good, data = cv2.imencode(".jpg", narrowed(image), QUALITY)
    if not good:
        raise ValueError(f"no JPEG could be made of a picture of shape {image.shape}")
    return bytes(data.tobytes())


def narrowed(image: Image) -> Image:
    height, width = image.shape[:2]
    if width <= WIDEST:
        return image
    size = (WIDEST, max(1, round(height * WIDEST / width)))
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
