"""Schedule occluders in a scene: which limb, from when to when, hanging, crossing or carried along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import Body, J
from realtime.demo.looks import Colour
from realtime.demo.occluders import Occluder

F64 = NDArray[np.float64]
TARGETS: tuple[tuple[str, ...], ...] = (
    *((f"{side}_wrist",) for side in ("left", "right")),
    *((f"{side}_ankle",) for side in ("left", "right")),
    *((f"{side}_elbow", f"{side}_wrist") for side in ("left", "right")),
    *((f"{side}_knee", f"{side}_ankle") for side in ("left", "right")),
    *((f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist") for side in ("left", "right")),
    *((f"{side}_hip", f"{side}_knee", f"{side}_ankle") for side in ("left", "right")),
    ("left_knee", "right_knee", "left_ankle", "right_ankle"),
    ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    ("left_shoulder", "right_shoulder", "thorax", "nose"),
    ("left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle"),
    ("right_shoulder", "right_elbow", "right_wrist", "right_hip", "right_knee", "right_ankle"),
)
_LIKELY = np.array([1, 1, 1, 1, 2, 2, 2, 2, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 0.5, 0.7, 0.7])


@dataclass(frozen=True)
class OccluderEvent:
    first: int  # frames [first, last)
    last: int
    middle: F64  # (3,) camera axes, its centre half-way
    velocity: F64  # (3,) m per frame
    carried: tuple[int, ...]  # joints it follows; empty: it does not
    shape: Occluder

    def board(self, k: int, body: Callable[[int], Body]) -> Occluder:
        centre = self.middle + self.velocity * (k - (self.first + self.last) / 2)
        if self.carried:
            there = body(k).joints[list(self.carried)].mean(0)
            centre = there * (self.middle[2] / max(float(there[2]), 0.2))
        return replace(self.shape, centre=(float(centre[0]), float(centre[1]), float(centre[2])))


@dataclass(frozen=True)
class OccluderScene:
    """What boards are drawn for."""

    count: int  # frames
    fps: float
    body: Callable[[int], Body]  # of a frame, camera axes
    patterns: tuple[str, ...]
    colours: tuple[Colour, ...]


def draw_events(stage: OccluderScene, rng: np.random.Generator) -> tuple[OccluderEvent, ...]:
    """Draw a clip's occluders: none (1 in 4), one that stays, such as a desk (1 in 10), else one every 1.6 s or so."""
    kind = rng.random()
    if kind < 0.25:
        return ()
    if kind < 0.35:
        return (_event(stage, 0, stage.count, rng, still=True),)
    return tuple(_event(stage, first, last, rng) for first, last in draw_spans(stage.count, stage.fps, rng))


def draw_spans(count: int, fps: float, rng: np.random.Generator, pause_s: float = 0.8) -> list[tuple[int, int]]:
    """Return frames [first, last) of 0.1 to 2 s, mostly under one, with pauses between."""
    spans, at = [], rng.uniform(0.3, 1.0)
    while at * fps < count - 3:
        seconds = rng.uniform(0.1, 1.0) if rng.random() < 0.7 else rng.uniform(1.0, 2.0)
        spans.append((int(at * fps), min(count, int((at + seconds) * fps) + 1)))
        at += seconds + rng.exponential(pause_s) + 0.15
    return spans


def draw_target(rng: np.random.Generator) -> tuple[str, ...]:
    return TARGETS[int(rng.choice(len(TARGETS), p=_LIKELY / _LIKELY.sum()))]


def _event(stage: OccluderScene, first: int, last: int, rng: np.random.Generator, still: bool = False) -> OccluderEvent:
    index = [J[name] for name in draw_target(rng)]
    there = stage.body((first + last) // 2).joints[index]
    away = max(float(there[:, 2].mean()), 0.3)
    depth = float(np.clip(there[:, 2].min() * rng.uniform(0.55, 0.88), 0.25, 20.0))
    flat = there[:, :2] / np.maximum(there[:, 2:], 0.2) * depth  # the limb, moved to the depth of the board
    size = np.abs(flat - flat.mean(0)).max(0) + rng.uniform(0.05, 0.16, 2) * depth / away
    way = rng.random()
    carried = tuple(index) if way < 0.25 and not still else ()
    speed = 0.0 if way < 0.6 or still else rng.uniform(0.3, 1.6) / stage.fps * depth / away
    turn = rng.normal(0, 0.35)
    velocity = speed * rng.choice([-1, 1]) * np.array([np.cos(turn), np.sin(turn), 0])
    pattern = stage.patterns[int(rng.integers(len(stage.patterns)))]
    colour = stage.colours[int(rng.integers(len(stage.colours)))]
    return OccluderEvent(
        first, last, np.array([*flat.mean(0), depth]), velocity, carried, _shape(size, rng, pattern, colour)
    )


def _shape(size: NDArray[Any], rng: np.random.Generator, pattern: str, colour: Colour) -> Occluder:
    tilt = float(rng.normal(0, 0.25))
    c, s = np.cos(tilt), np.sin(tilt)
    shade = rng.uniform(0.6, 1.25)
    lit = (min(colour[0] * shade, 245.0), min(colour[1] * shade, 245.0), min(colour[2] * shade, 245.0))
    across, along = (float(size[0] * c), float(size[0] * s), 0.0), (float(-size[1] * s), float(size[1] * c), 0.0)
    return Occluder((0.0, 0.0, 1.0), across, along, pattern, lit, int(rng.integers(1 << 31)))
