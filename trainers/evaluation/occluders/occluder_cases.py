"""Paste a textured rectangle over a limb for half a second: the five occluder cases of a calibrated film."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.calibration.calibrated_camera import CalibratedCamera

CASES = {  # what is covered -> reference joints under the rectangle
    "legs": ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    "right arm": ("right_elbow", "right_wrist"),
    "left arm": ("left_elbow", "left_wrist"),
    "right leg": ("right_knee", "right_ankle"),
    "left leg": ("left_knee", "left_ankle"),
}
SECONDS = 0.5  # in the middle of the film
WHOLE = math.inf  # seconds: from the first frame to the last
MARGIN = 1 / 32  # of the picture's longer side, around the limb's projected joints: 60 px of 1920
GREY = (90, 160)
CELLS = 8  # the rectangle's noise before it is smoothed up to its size
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Cover:
    """What is covered, and for how long."""

    name: str
    joints: tuple[str, ...]
    seconds: float = SECONDS
    some: bool = False  # where a reference lacks joints of it, the others do


FIVE = tuple(Cover(name, joints) for name, joints in CASES.items())


@dataclass(frozen=True)
class PastedOccluder:
    """An upright rectangle that stays where it is for frames [first, last)."""

    first: int
    last: int
    box: tuple[int, int, int, int]  # px: left, top, right, bottom
    picture: Image

    def over(self, image: Image, k: int) -> Image:
        """Frame k as the camera would have seen it."""
        if not self.first <= k < self.last:
            return image
        left, top, right, bottom = self.box
        covered: Image = image.copy()
        covered[top:bottom, left:right] = self.picture
        return covered

    def hides(self, xy: NDArray[Any]) -> NDArray[np.bool_]:
        """Map (T, J, 2) px -> (T, J): joints under it."""
        left, top, right, bottom = self.box
        inside = (xy[..., 0] >= left) & (xy[..., 0] < right) & (xy[..., 1] >= top) & (xy[..., 1] < bottom)
        frames = np.arange(len(xy))[:, None]
        return np.asarray(inside & (frames >= self.first) & (frames < self.last))


def cases_of(
    joints: tuple[str, ...], xyz: NDArray[Any], camera: CalibratedCamera, fps: float, covers: Sequence[Cover] = FIVE
) -> dict[str, PastedOccluder]:
    """Return every case whose joints the reference has, by name."""
    xy = camera.pixels(xyz)
    made = {}
    for number, cover in enumerate(covers):
        known = [joints.index(joint) for joint in cover.joints if joint in joints]
        if known and (cover.some or len(known) == len(cover.joints)):
            limb = xy[:, known]
            occluder = _occluder(limb, camera.size, fps, number, cover.seconds)
            if occluder is not None:
                made[cover.name] = occluder
    return made


def _occluder(xy: NDArray[Any], size: tuple[int, int], fps: float, seed: int, seconds: float) -> PastedOccluder | None:
    """Return None where the limb lies outside the picture or is unknown throughout."""
    frames = len(xy) if seconds == WHOLE else max(1, round(seconds * fps))
    first = max(0, (len(xy) - frames) // 2)
    limb = xy[first : first + frames].reshape(-1, 2)
    limb = limb[np.isfinite(limb).all(-1)]
    if not len(limb):
        return None
    margin = MARGIN * max(size)
    low, high = (np.clip(v, 0, size).astype(int) for v in (limb.min(0) - margin, limb.max(0) + margin))
    if (high - low).min() < CELLS:
        return None
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return PastedOccluder(first, min(first + frames, len(xy)), box, _texture(box, seed))


def _texture(box: tuple[int, int, int, int], seed: int) -> Image:
    noise = np.random.default_rng(seed).integers(*GREY, (CELLS, CELLS, 1), np.uint8, endpoint=True)
    size = (box[2] - box[0], box[3] - box[1])
    grey = np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.repeat(grey[..., None], 3, -1)
