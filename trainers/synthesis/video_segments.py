"""Find stretches of real footage in which one person can be followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.config.schema import DetectorConfig
from realtime.detect.mediapipe_detector import open_detector
from realtime.detect.tracker import Tracker
from realtime.wire.keypoints import box_size
from realtime.wire.messages import Keypoints2D, Stamp
from trainers.errors import UserError

Image = NDArray[np.uint8]
PEOPLE = 6  # most that are followed at once
SURE, SURE_SHARE = 0.6, 0.45  # visibility of a sure point, share of sure points in a frame that counts
GAP = 4  # frames; the person may be unsure for so long within a stretch
SMALLEST_PX = 80  # box height
SHORTEST_S, LONGEST_S = 1.0, 6.0
LARGEST_PX = 960  # longer side of the pictures that are worked on
_ROOM = 0.35  # of the box height around the person


@dataclass(frozen=True)
class Stretch:
    """Frames [first, last) of a video and the part of the picture that is worked on."""

    video: str
    first: int
    last: int
    fps: float
    crop: tuple[int, int, int, int]  # x, y, width, height in px of the video
    scale: float  # px worked on per px of the video
    path: tuple[tuple[float, float], ...]  # middle of the person per frame, px worked on

    @property
    def name(self) -> str:
        return f"{Path(self.video).stem}@{self.first}x{self.crop[0]}"


def survey(video: str, model: str) -> list[Stretch]:
    """Return every stretch of a video, found with as many people as there are."""
    fps, size = _properties(video)
    detector = open_detector(DetectorConfig(model=model, people=PEOPLE))
    tracker, rows = Tracker(PEOPLE, lost_s=0.3, first_id=0), []
    for k, image in enumerate(frames(video)):
        t_ns = round(k / fps * 1e9)
        found = detector.detect(image, round(t_ns / 1e6))
        rows.append(tracker.update(found, Stamp("clip", 1, k, t_ns, t_ns), *size))
    detector.close()
    return _stretches(video, fps, size, rows)


def frames(video: str, first: int = 0, last: int | None = None) -> Iterator[Image]:
    capture = cv2.VideoCapture(video)
    try:
        for k in range(last if last is not None else 1 << 40):
            good, image = capture.read()
            if not good:
                return
            if k >= first:
                yield np.asarray(image, np.uint8)
    finally:
        capture.release()


def pictures(stretch: Stretch) -> list[Image]:
    """Return the cropped and scaled pictures of a stretch."""
    x, y, w, h = stretch.crop
    size = (round(w * stretch.scale), round(h * stretch.scale))
    cut = (image[y : y + h, x : x + w] for image in frames(stretch.video, stretch.first, stretch.last))
    return [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8) for one in cut]


def _properties(video: str) -> tuple[float, tuple[int, int]]:
    capture = cv2.VideoCapture(video)
    fps, size = capture.get(cv2.CAP_PROP_FPS), [int(capture.get(k)) for k in (3, 4)]
    good = capture.isOpened() and min(size) > 0
    capture.release()
    if not good:
        raise UserError(f"{video}: no readable video; expected a file such as clip.mp4")
    return (fps if np.isfinite(fps) and 1 <= fps <= 240 else 30.0), (size[0], size[1])


def _stretches(video: str, fps: float, size: tuple[int, int], rows: list[Keypoints2D]) -> list[Stretch]:
    sure: dict[int, dict[int, NDArray[Any]]] = {}
    for k, row in enumerate(rows):
        for person in row.people:
            if (person.score > SURE).mean() >= SURE_SHARE and box_size(person.xy) > SMALLEST_PX:
                sure.setdefault(person.id, {})[k] = person.xy
    alone = max((len(row.people) for row in rows), default=0) <= 1
    found = []
    for seen in sure.values():
        for run in _runs(sorted(seen), fps):
            xy = np.stack([seen[k] for k in run])
            found.append(_stretch(video, fps, size, run, xy, alone))
    return found


def _runs(numbers: list[int], fps: float) -> list[list[int]]:
    """Return frames of runs without a gap beyond GAP, cut to LONGEST_S; the short ones are left out."""
    borders = np.flatnonzero(np.diff(numbers) > GAP) + 1
    runs = [part.tolist() for part in np.split(np.array(numbers), borders)]
    longest = int(LONGEST_S * fps)
    cut = [
        [n for n in run if first <= n < first + longest] for run in runs for first in range(run[0], run[-1], longest)
    ]
    return [run for run in cut if run and run[-1] - run[0] + 1 >= SHORTEST_S * fps]


def _stretch(video: str, fps: float, size: tuple[int, int], run: list[int], xy: NDArray[Any], alone: bool) -> Stretch:
    room = _ROOM * float(np.median([box_size(one) for one in xy]))
    low, high = np.maximum(xy.min((0, 1)) - room, 0), np.minimum(xy.max((0, 1)) + room, size)
    x, y, w, h = (0, 0, *size) if alone else (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    scale = min(1.0, LARGEST_PX / max(w, h))
    middle, every = (np.median(xy, 1) - (x, y)) * scale, np.arange(run[0], run[-1] + 1)
    path = zip(*(np.interp(every, run, middle[:, k]).tolist() for k in (0, 1)))
    return Stretch(video, run[0], run[-1] + 1, fps, (x, y, w, h), scale, tuple(path))


def follows(stretch: Stretch, xy: NDArray[Any], detected: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (T,): the one person that a single-person detector found is the one of the survey."""
    apart = np.linalg.norm(np.median(xy, 1) - np.array(stretch.path)[: len(xy)], axis=1)
    height = np.array([box_size(one) for one in xy])
    return np.asarray(detected & (apart < 0.2 * height))
