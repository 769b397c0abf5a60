"""Render frames beforehand into memory, the same for both sides, and play them as a source."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime import clock
from realtime.capture.demo_source import wait_until
from realtime.capture.source import Picture, Stamper
from realtime.config.schema import SourceConfig

Film = NDArray[np.uint8]  # (N, H, W, 3) BGR


def render(path: Path, frames: int, size: tuple[int, int], fps: float, seed: int, people: int = 1) -> None:
    """Draw people, boards passing, as `--demo` shows one; several stand in tiles, each in a room of their own."""
    from realtime.demo.world import CylinderWorld

    columns, rows = tiles(people)
    tile = size[0] // columns, size[1] // rows
    worlds = [CylinderWorld(seed + number, tile, fps) for number in range(people)]
    film = np.lib.format.open_memmap(path, "w+", np.uint8, (frames, tile[1] * rows, tile[0] * columns, 3))
    for index in range(frames):
        film[index] = 0
        for number, world in enumerate(worlds):
            top, left = number // columns * tile[1], number % columns * tile[0]
            film[index, top : top + tile[1], left : left + tile[0]] = world.frame(index)[0]
    film.flush()


def tiles(people: int) -> tuple[int, int]:
    """(columns, rows) that hold so many."""
    columns = math.ceil(math.sqrt(people))
    return columns, math.ceil(people / columns)


def open_film(path: str) -> Film:
    """Mapped read-only: all processes share the same pages."""
    film: Film = np.load(path, mmap_mode="r")
    return film


def there_and_back(index: int, frames: int) -> int:
    """Played forwards, then backwards: no jump that a tracker would take for another person."""
    turn = index % (2 * frames - 2)
    return turn if turn < frames else 2 * frames - 2 - turn


class FilmSource:
    """Live, as a camera: at its rate, and whoever is late misses frames."""

    live = True

    def __init__(self, film: Film, config: SourceConfig) -> None:
        self._film, self.fps = film, config.fps
        self.size = (film.shape[2], film.shape[1])
        self._stamper = Stamper(config.name)
        self._start_ns, self._index = clock.now_ns(), -1

    def read(self) -> Picture:
        self._index += 1
        wait_until(self._start_ns + round(self._index * 1e9 / self.fps))
        image = self._film[there_and_back(self._index, len(self._film))]
        return Picture(image, self._stamper.stamp(image.shape, clock.now_ns(), clock.unix_ns()))

    def close(self) -> None: ...
