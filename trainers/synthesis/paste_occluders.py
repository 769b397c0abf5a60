"""Paste occluders on real footage: the run without them is the truth of the runs with them.

The reference itself is never stored as a clip: its error would be zero by definition.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.skeleton import BLAZEPOSE_33, mapping
from realtime.demo.anatomy import B
from realtime.demo.looks import BOARD_PATTERNS, CLOTHS
from realtime.demo.textures import texture
from realtime.detect.mediapipe_detector import Detector
from realtime.wire.keypoints import box_size
from trainers.data.shards.clip_shards import BOARD, OUTSIDE, DetectorClip, write_shard
from trainers.errors import UserError
from trainers.synthesis.occluder_schedule import draw_spans, draw_target
from trainers.synthesis.run_detector import Table, observe, open_observer
from trainers.synthesis.shard_pool import Workers, check_share, run
from trainers.synthesis.video_segments import Stretch, follows, pictures, survey

Image = NDArray[np.uint8]
F64 = NDArray[np.float64]
SURE = 0.6  # visibility and presence of a point of the reference that is believed
JUMP = 0.08  # box heights a frame; a point that moves more is not believed
FOLLOWED = 0.7  # share of a stretch in which the reference follows the person of the survey
PAUSE_S = 0.3  # between boards, on average
CUT = (0.9, 2.2)  # trunk lengths below the shoulders where a cut picture ends: from the waist to the knees
LEAST_CUT = 0.25  # of the picture's height remains
_PICTURE = 160  # px of a board's picture


@dataclass(frozen=True)
class BoardsSettings:
    videos: tuple[str, ...]
    passes: int
    seed: int
    model: str = "full"
    kind: str = "boards"
    cut: float = 0.0  # share of passes whose picture ends below the person's waist
    every: int = 1  # of a film's pictures: 3 makes 10 a second of 30, as a slow machine sees them

    @property
    def sources(self) -> tuple[str, ...]:
        return self.videos


def synthesize_boards(
    videos: list[str], out: Path, passes: int, workers: Workers = 1, seed: int = 0, model: str = "full",
    resume: bool = False, report: TextIO = sys.stderr, cut: float = 0.0, every: int = 1,
) -> list[Path]:  # fmt: skip
    check_share("cut", cut)
    if every < 1:
        raise UserError(f"--every {every}: 1 takes all pictures, 2 every other one")
    settings = BoardsSettings(tuple(videos), passes, seed, model, cut=cut, every=every)
    stretches = [stretch for video in videos for stretch in survey(video, model)]
    if not stretches:
        named = ", ".join(videos)
        raise UserError(f"{named}: nobody is clearly seen for a second; boards need footage of whole people")
    out.mkdir(parents=True, exist_ok=True)
    (out / "stretches.json").write_text(json.dumps([asdict(s) for s in stretches]) + "\n")
    return run(settings, paste_shard, out, len(stretches), workers, resume, report)


def paste_shard(settings: BoardsSettings, number: int, out: Path) -> int:
    """Return all passes over one stretch; a stretch whose reference is of somebody else gives an empty shard."""
    stretch = _stretch(json.loads((out / "stretches.json").read_text())[number])
    detector = _opened(settings.model)
    images = pictures(stretch)
    times = np.arange(len(images)) / stretch.fps
    reference = observe(images, times, detector)
    followed = follows(stretch, reference["xy"], reference["detected"])
    sure = trusted(reference, followed)  # of all pictures: who moves fast is steady between two that lie close
    clips = []
    if followed.mean() >= FOLLOWED:
        shown = slice(None, None, settings.every)
        slow = replace(stretch, fps=stretch.fps / settings.every)
        seen = {name: rows[shown] for name, rows in reference.items()}
        rngs = [np.random.default_rng([settings.seed, number, k]) for k in range(settings.passes)]
        clips = [
            paste(slow, images[shown], times[shown], seen, sure[shown], detector, rng, settings.cut) for rng in rngs
        ]
    write_shard(out, number, clips)
    return sum(map(len, clips))


def _stretch(entry: dict[str, Any]) -> Stretch:
    path = tuple((float(a), float(b)) for a, b in entry.pop("path"))
    x, y, w, h = entry.pop("crop")
    return Stretch(**entry, crop=(x, y, w, h), path=path)


_open: dict[str, Detector] = {}


def _opened(model: str) -> Detector:
    if model not in _open:
        _open[model] = open_observer(model)
    return _open[model]


def paste(
    stretch: Stretch, images: list[Image], times: F64, reference: Table, sure: NDArray[np.bool_],
    detector: Detector, rng: np.random.Generator, cut: float = 0.0,
) -> DetectorClip:  # fmt: skip
    """Return one pass: what the detector says of the pictures with boards; a share of them cut below the waist.

    `sure` (T, 33): points of the reference that can be trusted.
    """
    xy = reference["xy"]
    boards = draw_boards(xy, stretch.fps, images, rng)
    height, width = images[0].shape[:2]
    if rng.random() < cut:
        height = lower_edge(xy, height, rng)
    covered = np.zeros(xy.shape[:2], bool)
    shown = []
    for k, image in enumerate(images):
        now = [board for board in boards if board.first <= k < board.last]
        shown.append(draw(image, now, k, xy)[:height])
        for board in now:
            covered[k] |= board.covers(k, xy)
    seen = observe(shown, times, detector)
    outside = np.asarray((xy < 0).any(-1) | (xy >= (width, height)).any(-1))
    return DetectorClip(
        name=stretch.name, subject=Path(stretch.video).stem, kind="boards", pool="footage", fps=stretch.fps,
        width=width, height=height, focal=0.0, cx=width / 2, cy=height / 2, t=times, **seen, truth_xy=xy,
        root=np.full((len(xy), 3), np.nan), xyz=_joints(reference["world"]), xyz33=reference["world"],
        hidden=_bits(covered, outside), trusted=sure,
    )  # fmt: skip


def lower_edge(xy: NDArray[Any], height: int, rng: np.random.Generator) -> int:
    """Return the height at which a picture ends that shows the upper part of the person, as a webcam's does.

    The whole height where the person lies or has no trunk to go by.
    """
    shoulders, hips = (
        float(np.median(xy[:, [B[f"left_{name}"], B[f"right_{name}"]], 1])) for name in ("shoulder", "hip")
    )
    edge = shoulders + rng.uniform(*CUT) * (hips - shoulders)
    return int(edge) if LEAST_CUT * height <= edge < height and hips > shoulders else height


def _joints(world: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(mapping("blazepose33", "h36m17") @ world)


def _bits(covered: NDArray[np.bool_], outside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(T, 50): a joint is hidden by a board when a point that makes it is."""
    weights = mapping("blazepose33", "h36m17") != 0
    flags = [np.concatenate([(points[:, None] & weights[None]).any(-1), points], 1) for points in (covered, outside)]
    return np.asarray(flags[0] * BOARD + flags[1] * OUTSIDE, np.uint8)


def trusted(reference: Table, followed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(T, 33): the detector without boards was sure, steady, and looked at the right person."""
    xy, size = reference["xy"], np.array([box_size(one) for one in reference["xy"]])[:, None]
    score = _median3(reference["score"])
    step = np.linalg.norm(np.diff(xy, axis=0, prepend=xy[:1]), axis=-1) / size
    jump = step > JUMP
    jump[:-1] |= jump[1:]
    return np.asarray((score > SURE) & (reference["presence"] > SURE) & ~jump & followed[:, None])


def _median3(values: NDArray[Any]) -> NDArray[Any]:
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray(np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), 0))


@dataclass(frozen=True)
class PastedBoard:
    first: int
    last: int
    centre: F64  # (2,) px, half-way
    velocity: F64  # (2,) px a frame
    carried: tuple[int, ...]  # points it follows; empty: it does not
    axes: F64  # (2, 2) px: half its width, half its height
    picture: Image
    soft: float  # px over which its edge fades

    def place(self, k: int, xy: NDArray[Any]) -> F64:
        if self.carried:
            return np.asarray(xy[k, list(self.carried)].mean(0), np.float64)
        return np.asarray(self.centre + self.velocity * (k - (self.first + self.last) / 2))

    def covers(self, k: int, xy: NDArray[Any]) -> NDArray[np.bool_]:
        """Return (33,) points of frame k behind it."""
        at = (xy[k] - self.place(k, xy)) @ np.linalg.inv(self.axes)
        return np.asarray((np.abs(at) <= 1).all(-1))


def draw_boards(xy: NDArray[Any], fps: float, images: list[Image], rng: np.random.Generator) -> list[PastedBoard]:
    """One clip in eight has a board that stays all the time."""
    spans = [(0, len(xy))] if rng.random() < 0.125 else draw_spans(len(xy), fps, rng, PAUSE_S)
    return [_board(first, last, xy, fps, images, rng) for first, last in spans]


def _board(
    first: int, last: int, xy: NDArray[Any], fps: float, images: list[Image], rng: np.random.Generator
) -> PastedBoard:
    index = [B[name] for name in draw_target(rng) if name in BLAZEPOSE_33.joints]
    middle = (first + last) // 2
    there, size = np.asarray(xy[middle, index], np.float64), box_size(xy[middle])
    half = np.abs(there - there.mean(0)).max(0) + rng.uniform(0.035, 0.10, 2) * size
    tilt, turn, way = rng.normal(0, 0.25), rng.normal(0, 0.35), rng.random()
    axes = np.array(
        [[half[0] * np.cos(tilt), half[0] * np.sin(tilt)], [-half[1] * np.sin(tilt), half[1] * np.cos(tilt)]]
    )
    speed = 0.0 if way < 0.6 else rng.uniform(0.2, 1.0) * size / fps * rng.choice([-1, 1])
    velocity = speed * np.array([np.cos(turn), np.sin(turn)])
    carried = tuple(index) if way < 0.25 else ()
    return PastedBoard(
        first, last, there.mean(0), velocity, carried, axes, _picture(images, rng), rng.uniform(0.5, 2.0)
    )


def _picture(images: list[Image], rng: np.random.Generator) -> Image:
    """Half of the boards are cut from the footage itself, the others plain or textured."""
    if rng.random() < 0.5:
        image = images[int(rng.integers(len(images)))]
        side = int(rng.integers(24, max(25, min(image.shape[:2]) // 3)))
        y, x = (int(rng.integers(0, max(1, n - side))) for n in image.shape[:2])
        return np.asarray(cv2.resize(image[y : y + side, x : x + side], (_PICTURE, _PICTURE)), np.uint8)
    patterns, tones = BOARD_PATTERNS["train"], CLOTHS["train"]
    tone = tones[int(rng.integers(len(tones)))]
    picture = texture(patterns[int(rng.integers(len(patterns)))], tone, _PICTURE, _PICTURE, int(rng.integers(1 << 31)))
    grain = rng.normal(0, rng.uniform(0, 6), picture.shape)
    return np.asarray(np.clip(picture * rng.uniform(0.5, 1.2) + grain, 0, 255), np.uint8)


def draw(image: Image, boards: list[PastedBoard], k: int, xy: NDArray[Any]) -> Image:
    shown = image.copy() if boards else image
    for board in boards:
        _paste_one(shown, board, board.place(k, xy))
    return shown


def _paste_one(image: Image, board: PastedBoard, centre: F64) -> None:
    reach = np.abs(board.axes).sum(0) + 3
    x0, y0 = (max(0, int(v)) for v in np.floor(centre - reach))
    x1, y1 = (min(int(v), n) for v, n in zip(np.ceil(centre + reach), image.shape[1::-1]))
    if x1 <= x0 or y1 <= y0:
        return
    to_part = np.concatenate([board.axes.T * 2 / _PICTURE, (centre - board.axes.sum(0) - (x0, y0))[:, None]], 1)
    size = (x1 - x0, y1 - y0)
    picture = cv2.warpAffine(board.picture, to_part, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(np.full((_PICTURE, _PICTURE), 1.0, np.float32), to_part, size)
    alpha = cv2.GaussianBlur(mask, (0, 0), board.soft)[..., None]
    part = image[y0:y1, x0:x1]
    part[:] = (part * (1 - alpha) + picture * alpha).astype(np.uint8)
