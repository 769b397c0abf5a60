"""Draw procedural textures for walls, floors, occluders and furniture from a seed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.demo.looks import CLOTHS, Colour

Image = NDArray[np.uint8]
F64 = NDArray[np.float64]


def texture(pattern: str, colour: Colour, width: int, height: int, seed: int) -> Image:
    """(height, width, 3) BGR; about 100 px are a metre."""
    rng = np.random.default_rng([seed, 23])
    if pattern == "clutter":
        return _clutter(colour, width, height, rng)
    tone = _TONES[pattern](width, height, rng) if pattern in _TONES else _plain(width, height, rng)
    grain = 1 + 0.03 * _smooth(width, height, 6, rng)
    shade = tone * grain
    image = np.empty((height, width, 3), np.uint8)
    for channel, value in enumerate(colour):
        image[..., channel] = _levels(value * shade)
    return image


def _levels(values: F64) -> F64:
    return np.asarray(np.clip(values, 0, 255, out=values))


def _smooth(width: int, height: int, cell: int, rng: np.random.Generator) -> F64:
    """Soft random field of about unit variance whose blobs measure `cell` px."""
    small = rng.normal(0, 1, (height // cell + 3, width // cell + 3))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def _grid(width: int, height: int) -> tuple[F64, F64]:
    """Return columns (1, width) and rows (height, 1), px."""
    return np.arange(width, dtype=np.float64)[None], np.arange(height, dtype=np.float64)[:, None]


def _plain(width: int, height: int, rng: np.random.Generator) -> F64:
    return 1 + 0.04 * _smooth(width, height, 90, rng)


def _plaster(width: int, height: int, rng: np.random.Generator) -> F64:
    return 1 + 0.035 * _smooth(width, height, 25, rng) + 0.03 * _smooth(width, height, 5, rng)


def _gradient(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    return np.asarray(1 + 0.35 * (np.cos(rng.uniform(0, 6.28)) * (x / width - 0.5) + (y / height - 0.5)))


def _brick(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    row = y // 9
    shifted = x + (row % 2) * 13
    shades = rng.normal(1.0, 0.10, (height // 9 + 2, width // 26 + 3))
    mortar = (y % 9 < 1.2) | (shifted % 26 < 1.5)
    return np.where(mortar, 1.18, shades[row.astype(int), (shifted // 26).astype(int)])


def _stripes(width: int, height: int, rng: np.random.Generator) -> F64:
    x, _ = _grid(width, height)
    period = rng.uniform(10, 40)
    return 1 + 0.13 * np.sign(np.sin(x * 2 * np.pi / period)) + 0.02 * _smooth(width, height, 8, rng)


def _wood(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    return 1 + 0.10 * np.sin(y * 0.35 + 2.5 * _smooth(width, height, 60, rng)) + 0.05 * np.sin(x * 0.02 + y * 1.3)


def _planks(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    row = (y // 13).astype(int)
    shades = rng.normal(1.0, 0.09, (height // 13 + 1, width // 80 + 3))
    column = ((x + (row * 37) % 80) // 80).astype(int)
    seam = (y % 13 < 1) | ((x + (row * 37) % 80) % 80 < 1.5)
    return np.where(seam, 0.7, shades[row, column]) + 0.02 * _smooth(width, height, 4, rng)


def _carpet(width: int, height: int, rng: np.random.Generator) -> F64:
    return 1 + 0.10 * _smooth(width, height, 3, rng) + 0.05 * _smooth(width, height, 50, rng)


def _checker(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    side = rng.uniform(12, 45)
    return np.where((x // side + y // side) % 2 > 0, 1.12, 0.85)


def _tiles(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    shades = rng.normal(1.0, 0.06, (height // 32 + 1, width // 32 + 1))
    seam = (x % 32 < 2) | (y % 32 < 2)
    return np.where(seam, 0.78, shades[(y // 32).astype(int), (x // 32).astype(int)])


def _panels(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    inset = (np.abs(x % 70 - 35) < 25) & (np.abs(y % 110 - 55) < 42)
    edge = (np.abs(x % 70 - 35) < 28) & (np.abs(y % 110 - 55) < 45) & ~inset
    return 1 + 0.06 * inset - 0.15 * edge + 0.02 * _smooth(width, height, 30, rng)


def _shelves(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    books = rng.uniform(0.45, 1.35, (height // 34 + 1, width // 5 + 1))
    board = y % 34 < 4
    return np.asarray(np.where(board, 0.8, books[(y // 34).astype(int), (x // 5).astype(int)]))


def _herringbone(width: int, height: int, rng: np.random.Generator) -> F64:
    x, y = _grid(width, height)
    fold = np.abs((x % 40) - 20) + y
    return 1 + 0.16 * np.sign(np.sin(fold * 0.55)) + 0.03 * _smooth(width, height, 5, rng)


_TONES = {
    "plain": _plain, "plaster": _plaster, "gradient": _gradient, "brick": _brick, "stripes": _stripes, "wood": _wood,
    "planks": _planks, "carpet": _carpet, "checker": _checker, "tiles": _tiles, "panels": _panels,
    "shelves": _shelves, "herringbone": _herringbone,
}  # fmt: skip


def _clutter(colour: Colour, width: int, height: int, rng: np.random.Generator) -> Image:
    """Overlapping boxes and discs, softened: a busy place out of focus."""
    image = np.full((height, width, 3), colour, np.float64)
    tones = np.array(CLOTHS["train"])
    for _ in range(width * height // 5000 + 6):
        tone = (tones[rng.integers(len(tones))] * rng.uniform(0.6, 1.2)).tolist()
        x, y = int(rng.integers(width)), int(rng.integers(height))
        w, h = (int(v) for v in rng.integers(8, 70, 2))
        if rng.random() < 0.7:
            cv2.rectangle(image, (x, y), (x + w, y + h), tone, -1)
        else:
            cv2.circle(image, (x, y), w // 2, tone, -1)
    blurred: F64 = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 3.0)), np.float64)
    return _levels(blurred).astype(np.uint8)
