"""Describe what tells a person from others: colours of trunk and thighs, and lengths of bones.

Place and size tell people apart from frame to frame.  Where they stood in each other's way, or came back elsewhere,
only this does.  Differences are in standard deviations of what one person shows from one second to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import BLAZEPOSE_33
from realtime.wire.arrays import F32
from realtime.wire.keypoints import distance

SURE = 0.5  # score from which shoulders, hips and knees say where the clothes are
MOST_SAMPLES = 30.0  # in the running mean: later ones count as one in so many
DARK = 8.0  # grey levels added to each: black is noise

SHOULDERS, HIPS = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")
THIGHS = (("left_hip", "left_knee"), ("right_hip", "right_knee"))
BONES = (  # left and right
    (("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow")),
    (("left_elbow", "left_wrist"), ("right_elbow", "right_wrist")),
    THIGHS,
    (("left_knee", "left_ankle"), ("right_knee", "right_ankle")),
    (SHOULDERS, SHOULDERS),
    (HIPS, HIPS),
)
TRUNK, THIGH, BRIGHTNESS, LENGTHS = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 6 + len(BONES))
STARTS = [part.start for part in (TRUNK, THIGH, BRIGHTNESS, LENGTHS)]
# standard deviation of one person's: log red over green and blue over green, twice; log brightness; log lengths
SIGMA = np.array([0.05] * 4 + [0.3] * 2 + [0.1] * len(BONES))
ENTRIES = len(SIGMA)


def _at(name: str) -> int:
    return BLAZEPOSE_33.joints.index(name)


def _between(weights: dict[str, float]) -> F32:
    """Return (33,) interpolation weights of a point between joints."""
    row = np.zeros(len(BLAZEPOSE_33), np.float32)
    for name, weight in weights.items():
        row[_at(name)] = weight
    return row


def _within_trunk(down: float, across: float) -> F32:
    corners = zip((*SHOULDERS, *HIPS), (1 - down, 1 - down, down, down), (1 - across, across) * 2)
    return _between({name: v * u for name, v, u in corners})


TRUNK_POINTS = np.stack([_within_trunk(v, u) for v in (0.15, 0.35, 0.55, 0.75) for u in (0.25, 0.5, 0.75)])
THIGH_POINTS = np.stack([_between({a: 1 - v, b: v}) for a, b in THIGHS for v in (0.15, 0.4, 0.65)])
TRUNK_JOINTS = [_at(name) for name in (*SHOULDERS, *HIPS)]
THIGH_JOINTS = [_at(name) for pair in THIGHS for name in pair]
BONE_ENDS = np.array([[[_at(a), _at(b)] for a, b in sides] for sides in BONES])


@dataclass
class Signature:
    """A running mean; entries that were never seen have count 0."""

    mean: NDArray[np.float64]
    count: NDArray[np.float64]

    def add(self, other: Signature) -> None:
        self.count = np.minimum(self.count + other.count, MOST_SAMPLES)
        weight = np.divide(other.count, self.count, out=np.zeros(ENTRIES), where=self.count > 0)
        self.mean = self.mean + weight * (other.mean - self.mean)


def nothing_known() -> Signature:
    return Signature(np.zeros(ENTRIES), np.zeros(ENTRIES))


def signature(image: NDArray[np.uint8], xy: F32, score: F32, world: F32 | None) -> Signature:
    """Describe what one frame shows of a person; `image` is (H, W, 3) BGR."""
    one = nothing_known()
    if len(xy) != len(BLAZEPOSE_33):
        return one  # another detector's joints
    if score[TRUNK_JOINTS].min() >= SURE:
        _add_colour(one, TRUNK, 0, _colour(image, TRUNK_POINTS @ xy))
    if score[THIGH_JOINTS].min() >= SURE:
        _add_colour(one, THIGH, 1, _colour(image, THIGH_POINTS @ xy))
    if world is not None:
        ends = world[BONE_ENDS]
        lengths = distance(ends[:, :, 0], ends[:, :, 1]).mean(1)
        one.mean[LENGTHS], one.count[LENGTHS] = np.log(lengths + 1e-3), 1
    return one


def _add_colour(target: Signature, hue: slice, part: int, colour: tuple[float, float, float] | None) -> None:
    if colour is not None:
        at = BRIGHTNESS.start + part
        target.mean[hue], target.mean[at] = colour[:2], colour[2]
        target.count[hue] = target.count[at] = 1


def _colour(image: NDArray[np.uint8], points: F32) -> tuple[float, float, float] | None:
    """Hue as two logarithms of ratios, and the logarithm of the brightness; None where too little is in the picture."""
    x, y = points.astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    if 2 * np.count_nonzero(inside) < len(points):
        return None
    levels = np.sort(image[y[inside], x[inside]], axis=0)
    blue, green, red = np.log(levels[len(levels) // 2] + DARK).tolist()  # of the medians
    return red - green, blue - green, (blue + green + red) / 3


def difference(first: Signature, second: Signature) -> float | None:
    """In standard deviations, of the part that differs most; None where the trunks cannot be compared."""
    known = np.minimum(first.count, second.count) > 0
    if not known[TRUNK.start]:
        return None
    off = np.where(known, (first.mean - second.mean) / SIGMA, 0.0)
    sums, counts = np.add.reduceat(off * off, STARTS), np.add.reduceat(known.astype(int), STARTS)
    return float(np.sqrt((sums / np.maximum(counts, 1)).max()))
