"""Mark the feet that stand on the ground: a green bar along the sole, below the ankle where no sole is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realtime.render.skeleton import DrawnSkeleton
from realtime.render.style import DARK, Image, stroke
from realtime.wire.messages import ABSENT, Pose3D

FeetOnGround = Mapping[tuple[int, int], tuple[bool, bool]]  # (frame's seq, person) -> left stands, right stands
SIDES = ("left", "right")
STANDS = (110, 214, 60)  # BGR
NOTHING_KNOWN: FeetOnGround = {}
ALONE = 4  # bone widths: half of a bar whose foot is an ankle alone


def stands(feet: FeetOnGround, pose: Pose3D | None, person_id: int) -> tuple[bool, bool]:
    return feet.get((pose.stamp.seq, person_id), (False, False)) if pose else (False, False)


def mark_standing(image: Image, skeleton: DrawnSkeleton, standing: tuple[bool, bool]) -> None:
    """Draw in place, a bone's width below the sole."""
    below = np.array([0.0, 2.0 * skeleton.size])
    for side, on_ground in zip(SIDES, standing):
        ends = sole(skeleton, side) if on_ground else None
        if ends is not None:
            stroke(image, ends[0] + below, ends[1] + below, DARK, skeleton.size + 2)
            stroke(image, ends[0] + below, ends[1] + below, STANDS, skeleton.size)


def sole(skeleton: DrawnSkeleton, side: str) -> np.ndarray | None:
    """Return (2, 2) px: heel and toes; None where the foot is not known."""
    names = [f"{side}_{part}" for part in ("heel", "foot_index")]
    if not all(name in skeleton.joints for name in names):
        names = [f"{side}_ankle"] * 2
    if names[0] not in skeleton.joints:
        return None
    places = [skeleton.joints.index(name) for name in names]
    ends = skeleton.at[places]
    if (skeleton.state[places] == ABSENT).any() or not np.isfinite(ends).all():
        return None
    aside = np.array([[-1.0, 0.0], [1.0, 0.0]]) * ALONE * skeleton.size
    return np.asarray(ends + aside if names[0] == names[1] else ends, np.float64)
