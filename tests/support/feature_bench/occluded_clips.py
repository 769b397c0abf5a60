"""Clips whose hidden joints are known: the rendered man, and footage on which boards are pasted.

Footage labels itself: the detector's run without boards says where the joints are, the boards say which are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime.config.schema import DetectorConfig
from realtime.demo.world import CylinderWorld
from realtime.detect.mediapipe_detector import Detection, open_detector
from realtime.wire.keypoints import box_size

HZ = 30
BODY = slice(11, 33)  # without the face
WIDTH = 960  # of footage
OFF = 0.15  # box heights: farther from the reference on average, the detector follows somebody else
SEEN = 0.6  # a joint of the reference below this visibility may be hidden already


@dataclass(frozen=True)
class Labelled:
    name: str
    size: tuple[int, int]
    images: list[np.ndarray]
    found: list[Detection | None]
    hidden: np.ndarray  # (T, 33)
    known: np.ndarray  # (T, 33) where the label counts


def detections(images: list[np.ndarray]) -> list[Detection | None]:
    detector = open_detector(DetectorConfig())
    people = [detector.detect(image, i * 1000 // HZ) for i, image in enumerate(images)]
    detector.close()
    return [one[0] if one else None for one in people]


def rendered(seed: int, count: int) -> Labelled:
    world = CylinderWorld(seed, look_pool="heldout")
    images = [world.frame(i)[0] for i in range(count)]
    hidden = np.array([world.hidden(i)[0].any[17:] for i in range(count)])
    found = detections(images)
    return Labelled("rendered", (640, 480), images, found, hidden, _found(found))


def footage(path: Path, count: int) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    images: list[np.ndarray] = []
    while len(images) < count:
        good, image = video.read()
        if not good:
            break
        height = image.shape[0] * WIDTH // image.shape[1]
        images.append(cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA))
    video.release()
    return images


def pasted(path: Path, count: int, seeds: range) -> list[Labelled]:
    images = footage(path, count)
    reference = detections(images)
    return [_pasted(path.stem, images, reference, seed) for seed in seeds]


def _pasted(name: str, images: list[np.ndarray], reference: list[Detection | None], seed: int) -> Labelled:
    covered, hidden = _cover(images, reference, np.random.default_rng(seed))
    found = detections(covered)
    known = _found(found)
    for i, (one, truth) in enumerate(zip(found, reference)):
        if one is None or truth is None:
            known[i] = False
            continue
        apart = np.linalg.norm(one.xy - truth.xy, axis=1)
        known[i] = (np.median(apart) < OFF * box_size(truth.xy)) & (truth.score > SEEN)
    height, width = images[0].shape[:2]
    return Labelled(name, (width, height), covered, found, hidden, known)


def _found(found: list[Detection | None]) -> np.ndarray:
    return np.repeat([[one is not None] for one in found], 33, 1)


def _cover(
    images: list[np.ndarray], reference: list[Detection | None], rng: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """A board of 0.3 to 2 s before a random joint, again and again: hanging, crossing, sometimes carried along."""
    covered, hidden = [image.copy() for image in images], np.zeros((len(images), 33), bool)
    first = 10
    while first < len(images) - 10:
        last = min(first + int(rng.integers(10, 60)), len(images))
        span = [one for one in reference[first:last] if one is not None]
        if len(span) < last - first:
            first += 5
            continue
        for i, centre, half, board in _board(span, rng):
            _paste(covered[first + i], board, centre - half)
            hidden[first + i] = (np.abs(span[i].xy - centre) < half).all(-1)
        first = last + int(rng.integers(8, 30))
    return covered, hidden


def _board(span: list[Detection], rng: np.random.Generator):
    joint, size = int(rng.integers(BODY.start, BODY.stop)), float(np.mean([box_size(one.xy) for one in span]))
    half = (rng.uniform((0.08, 0.08), (0.25, 0.3)) * size).astype(int)
    carried, speed = rng.random() < 0.15, rng.uniform(-0.02, 0.02) * size * (rng.random() < 0.5)
    middle, board = span[len(span) // 2].xy[joint], _texture(rng, *(2 * half))
    for i, one in enumerate(span):
        there = one.xy[joint] if carried else middle + [speed * (i - len(span) / 2), 0]
        yield i, there.astype(int), half, board


def _texture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Plain, blotched or striped, with a little noise."""
    board = np.full((height, width, 3), rng.integers(0, 255, 3), float)
    kind = rng.integers(3)
    if kind == 1:
        coarse = rng.integers(0, 255, (max(height // 12, 2), max(width // 12, 2), 3)).astype(np.uint8)
        board[:] = cv2.resize(coarse, (width, height))
    elif kind == 2:
        board[:, (np.arange(width) // max(width // 8, 3)) % 2 == 0] = rng.integers(0, 255, 3)
    return np.clip(board + rng.normal(0, 6, (height, width, 1)), 0, 255).astype(np.uint8)


def _paste(image: np.ndarray, board: np.ndarray, corner: np.ndarray) -> None:
    (x, y), (height, width) = corner, image.shape[:2]
    left, right = np.clip([x, x + board.shape[1]], 0, width)
    top, bottom = np.clip([y, y + board.shape[0]], 0, height)
    image[top:bottom, left:right] = board[top - y : bottom - y, left - x : right - x]
