"""Define colours, marks and text of drawn skeletons: left and right tinted, unseen joints hollow."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

LEFT, RIGHT, MIDDLE = (255, 178, 74), (66, 133, 255), (235, 235, 235)  # blue, orange, near white
DARK: Colour = (16, 14, 12)
TEXT: Colour = (240, 240, 240)
FONT = cv2.FONT_HERSHEY_SIMPLEX
DASH = 0.5  # of a dashed bone is drawn
DASHES = 7
SUBPIXEL = 4  # bits: positions in sixteenths of a pixel, so that slow motion does not step
FARTHEST_PX = 20_000  # OpenCV's lines overflow beyond


def side_colour(joint: str) -> Colour:
    """Tint of a joint, and of the bone that ends at it."""
    return LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else MIDDLE


def fixed(point: NDArray[np.floating]) -> tuple[int, int]:
    x, y = np.clip(np.nan_to_num(point), -FARTHEST_PX, FARTHEST_PX) * (1 << SUBPIXEL)
    return round(float(x)), round(float(y))


def bone(
    image: Image, a: NDArray[np.floating], b: NDArray[np.floating], colour: Colour, width: int, observed: bool
) -> None:
    """Draw a bone as a line with a dark rim; dashed and thinner where one of its ends is not observed."""
    if observed:
        stroke(image, a, b, DARK, width + 2)
        stroke(image, a, b, colour, width)
        return
    for i in range(DASHES):
        start, end = (a + (b - a) * (i + part) / DASHES for part in (0.0, DASH))
        stroke(image, start, end, colour, max(1, width // 2))


def stroke(image: Image, a: NDArray[np.floating], b: NDArray[np.floating], colour: Colour, width: int) -> None:
    cv2.line(image, fixed(a), fixed(b), colour, width, cv2.LINE_AA, SUBPIXEL)


def mark(image: Image, at: NDArray[np.floating], state: int, colour: Colour, radius: int) -> None:
    """Disc: observed; ring: inferred; square: held; nothing: absent."""
    if state == ABSENT:
        return
    if state == OBSERVED:
        disc(image, at, radius + 1, DARK)
        disc(image, at, radius, colour)
    elif state == INFERRED:
        cv2.circle(image, fixed(at), (radius + 1) << SUBPIXEL, DARK, 4, cv2.LINE_AA, SUBPIXEL)
        cv2.circle(image, fixed(at), (radius + 1) << SUBPIXEL, colour, 2, cv2.LINE_AA, SUBPIXEL)
    elif state == HELD:
        low, high = fixed(at - radius - 1), fixed(at + radius + 1)
        cv2.rectangle(image, low, high, DARK, 4, cv2.LINE_AA, SUBPIXEL)
        cv2.rectangle(image, low, high, colour, 2, cv2.LINE_AA, SUBPIXEL)


def disc(image: Image, at: NDArray[np.floating], radius: int, colour: Colour) -> None:
    cv2.circle(image, fixed(at), radius << SUBPIXEL, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL)


def halo(image: Image, at: NDArray[np.floating], radius_px: float, colour: Colour, strength: float = 0.22) -> None:
    """Draw the 95 % confidence disc of a joint, translucent."""
    reach, height, width = int(radius_px) + 2, *image.shape[:2]
    if not (np.isfinite(at).all() and 0 < radius_px < 4 * max(height, width)):
        return
    x, y = int(at[0]), int(at[1])
    left, top = max(x - reach, 0), max(y - reach, 0)
    patch = image[top : min(y + reach, height), left : min(x + reach, width)]
    if patch.size == 0:
        return
    covered = patch.copy()
    cv2.circle(covered, (x - left, y - top), int(radius_px), colour, cv2.FILLED, cv2.LINE_AA)
    patch[:] = cv2.addWeighted(covered, strength, patch, 1 - strength, 0)


def write_text(image: Image, text: str, at: tuple[int, int], size: float, colour: Colour = TEXT) -> int:
    """Return one line of ASCII on a dark strip; `at` is the left end of its baseline.  Answers its width in px."""
    plain = text.encode("ascii", "replace").decode("ascii")
    (width, height), below = cv2.getTextSize(plain, FONT, size, 1)
    strip(image, (at[0] - 5, at[1] - height - 5), (at[0] + width + 5, at[1] + below + 3))
    cv2.putText(image, plain, at, FONT, size, colour, 1, cv2.LINE_AA)
    return int(width)


def strip(image: Image, low: tuple[int, int], high: tuple[int, int], strength: float = 0.6) -> None:
    """Darkens a rectangle, so that what is written there can be read on any picture."""
    patch = image[max(low[1], 0) : max(high[1], 0), max(low[0], 0) : max(high[0], 0)]
    patch[:] = (patch * (1 - strength) + np.array(DARK) * strength).astype(np.uint8)
