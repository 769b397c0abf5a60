"""Draw one person's skeleton from projected joints: halos of uncertainty, bones, marks, in this order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.render.style import Image, bone, halo, mark, side_colour
from realtime.wire.messages import ABSENT, OBSERVED

NINETY_FIVE = 1.96  # sigmas
SMALL_PARTS = ("eye", "ear", "mouth", "pinky", "index", "thumb")  # drawn thinner


@dataclass(frozen=True)
class DrawnSkeleton:
    """What is drawn, in pixels of the picture it is drawn on."""

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    at: NDArray[np.floating]  # (J, 2) px
    state: NDArray[np.uint8]  # (J,)
    sigma_px: NDArray[np.floating]  # (J,)
    size: int  # width of a bone, px


def draw(image: Image, skeleton: DrawnSkeleton) -> None:
    there = (skeleton.state != ABSENT) & np.isfinite(skeleton.at).all(-1)
    for j in np.flatnonzero(there & (skeleton.state != OBSERVED)).tolist():
        halo(image, skeleton.at[j], float(NINETY_FIVE * skeleton.sigma_px[j]), side_colour(skeleton.joints[j]))
    for j, parent in enumerate(skeleton.parents):
        if parent >= 0 and there[j] and there[parent]:
            seen = bool(skeleton.state[j] == OBSERVED == skeleton.state[parent])
            width = width_of(skeleton, j)
            bone(image, skeleton.at[parent], skeleton.at[j], side_colour(skeleton.joints[j]), width, seen)
    for j in np.flatnonzero(there).tolist():
        radius = max(2, width_of(skeleton, j))
        mark(image, skeleton.at[j], int(skeleton.state[j]), side_colour(skeleton.joints[j]), radius)


def width_of(skeleton: DrawnSkeleton, joint: int) -> int:
    small = any(part in skeleton.joints[joint] for part in SMALL_PARTS)
    return max(1, skeleton.size // 2) if small else skeleton.size
