"""Write pictures as JPEG, and read those of another machine: their size is known before memory is taken."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.capture.source import BadPicture, Image

LARGEST = (7680, 4320)  # px, as in the settings
START_OF_FRAME = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


def write_jpeg(image: Image, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise BadPicture
    return data.tobytes()


def read_jpeg(data: bytes, size: tuple[int, int]) -> Image:
    """Decode a JPEG; BadPicture where it is damaged or not of the declared size (width, height)."""
    if size != jpeg_size(data) or size[0] > LARGEST[0] or size[1] > LARGEST[1]:
        raise BadPicture
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape[:2] != (size[1], size[0]):
        raise BadPicture
    return np.asarray(image, np.uint8)


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height, from the frame's head; None where there is none."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in START_OF_FRAME:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 if marker in ALONE else 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None
