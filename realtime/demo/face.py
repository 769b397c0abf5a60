"""Draw eyes, brows, nose, mouth, ears, glasses: small polygons, each seen only from its front.

Positions are metres from the tip of the nose: left, up, forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realtime.demo.looks import SceneAppearance

F64 = NDArray[np.float64]
CORNERS = 8  # of every polygon; those with fewer repeat their last


@dataclass(frozen=True)
class Feature:
    at: F64  # (CORNERS, 3)
    normal: F64  # (3,)
    colour: F64  # (3,)
    lift: float  # metres towards the viewer when sorted: an iris lies over its eye


@lru_cache(maxsize=16)
def features(look: SceneAppearance) -> tuple[F64, F64, F64, F64]:
    """Return at (F, CORNERS, 3), normal (F, 3), colour (F, 3), lift (F,)"""
    found = [*_eyes(look), *_nose(look), *_mouth(look), *_ears(look), *(_glasses() if look.glasses else [])]
    return (
        np.stack([f.at for f in found]), np.stack([f.normal for f in found]),
        np.stack([f.colour for f in found]), np.array([f.lift for f in found]),
    )  # fmt: skip


def _face_depth(x: F64, y: F64) -> F64:
    """Return how far behind the tip of the nose the skin of the face lies."""
    return np.asarray(
        -0.105
        + 0.092 * np.sqrt(np.maximum(1 - (x / 0.079) ** 2, 0.05)) * np.clip(1 - np.maximum(y - 0.05, 0) * 3, 0.5, 1)
    )


def _disc(x: float, y: float, wide: float, high: float, colour: tuple[float, ...], lift: float) -> Feature:
    turn = np.arange(CORNERS) / CORNERS * 2 * np.pi
    px, py = x + wide * np.cos(turn), y + high * np.sin(turn)
    at = np.stack([px, py, _face_depth(px, py) + 0.002], 1)
    return Feature(at, np.array([x * 9, 0.0, 1.0]), np.array(colour), lift)


def _plate(points: list[tuple[float, float, float]], normal: tuple[float, ...], colour: F64, lift: float) -> Feature:
    padded = points + [points[-1]] * (CORNERS - len(points))
    return Feature(np.array(padded), np.array(normal, np.float64), colour, lift)


def _eyes(look: SceneAppearance) -> list[Feature]:
    iris = ((60, 45, 30), (40, 70, 95), (120, 90, 50))[look.seed % 3]
    brow = tuple(0.55 * c + 0.15 * s for c, s in zip(look.hair, look.skin))
    lid = tuple(0.72 * s for s in look.skin)
    parts = []
    for sign in (1, -1):
        parts += [
            _disc(sign * 0.032, 0.036, 0.0165, 0.0095, lid, 0.010),
            _disc(sign * 0.032, 0.035, 0.0145, 0.0065, (225, 228, 230), 0.014),
            _disc(sign * 0.032, 0.035, 0.0065, 0.0065, iris, 0.018),
            _disc(sign * 0.032, 0.035, 0.0030, 0.0030, (15, 15, 15), 0.020),
            _disc(sign * 0.033, 0.055, 0.0200, 0.0040, brow, 0.014),
        ]
    return parts


def _nose(look: SceneAppearance) -> list[Feature]:
    skin, tip = np.array(look.skin), (0.0, 0.0, 0.0)
    bridge, base = (0.0, 0.040, -0.016), (0.0, -0.012, -0.012)
    parts = []
    for sign in (1, -1):
        wing, cheek = (sign * 0.017, -0.006, -0.016), (sign * 0.010, 0.040, -0.020)
        parts.append(_plate([bridge, tip, wing, cheek], (sign * 0.85, 0.15, 0.5), skin, 0.006))
        parts.append(_plate([tip, wing, base], (sign * 0.25, -0.9, 0.35), skin * 0.8, 0.006))
    return parts


def _mouth(look: SceneAppearance) -> list[Feature]:
    skin = np.array(look.skin)
    lips = skin * np.array([0.72, 0.62, 0.90])
    dark = skin * np.array([0.4, 0.36, 0.5])
    return [
        _disc(0.0, -0.035, 0.025, 0.0085, tuple(lips), 0.012),
        _disc(0.0, -0.034, 0.022, 0.0018, tuple(dark), 0.016),
    ]


def _ears(look: SceneAppearance) -> list[Feature]:
    skin = np.array(look.skin)
    turn = np.arange(CORNERS) / CORNERS * 2 * np.pi
    parts = []
    for sign in (1, -1):
        for size, shade, lift in ((1.0, 0.92, 0.012), (0.55, 0.7, 0.016)):
            y, z = 0.014 + 0.030 * size * np.sin(turn), -0.108 + 0.017 * size * np.cos(turn)
            at = np.stack([np.full(CORNERS, sign * 0.080) + sign * 0.1 * (-0.098 - z), y, z], 1)
            parts.append(Feature(at, np.array([sign, 0.0, 0.25]), skin * shade, lift))
            if size == 1.0:
                parts.append(Feature(at, np.array([-sign, 0.0, -0.6]), skin * 0.8, -0.02))
    return parts


def _glasses() -> list[Feature]:
    frame, parts = (30.0, 30.0, 32.0), []
    for sign in (1, -1):
        for x0, x1, y0, y1 in (
            (0.008, 0.056, 0.052, 0.056),
            (0.008, 0.056, 0.016, 0.019),
            (0.008, 0.011, 0.016, 0.056),
            (0.053, 0.057, 0.016, 0.056),
        ):
            points = [(sign * x, y, -0.008 - x * 0.25) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
            parts.append(_plate(points, (0.0, 0.0, 1.0), np.array(frame), 0.03))
    return parts
