"""Render frames beforehand into memory, the same for both sides, and play them as a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime import clock
from realtime.capture.demo_source import wait_until
from realtime.capture.source import Picture, Stamper
from realtime.config.schema import SourceConfig

Film = NDArray[np.uint8]  # (N, H, W, 3) BGR


def render(path: Path, frames: int, size: tuple[int, int], fps: float, seed: int, people: int = 1) -> None:
    """Draw people side by side in one room, boards passing, as `--demo` shows them."""
    from realtime.demo.world import CylinderWorld

    world = CylinderWorld(seed, size, fps, people=people)
    film = np.lib.format.open_memmap(path, "w+", np.uint8, (frames, size[1], size[0], 3))
    for index in range(frames):
        film[index] = world.frame(index)[0]
    film.flush()


def open_film(path: str) -> Film:
    """Map the film's frames read-only, so that all processes share the same pages."""
    return np.asarray(np.load(path, mmap_mode="r"))  # a memmap's frames are made in three times the time of an array's


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
