"""Render clips of people on training motion and run the real detector over them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from realtime.demo.anatomy import Body
from realtime.demo.hidden import HiddenJoints
from realtime.detect.mediapipe_detector import Detector
from trainers.augmentation.motion_mixing import mixed
from trainers.data.motion import MotionSegment, long_segments
from trainers.data.shards.clip_shards import BOARD, OTHER, OUTSIDE, OWN, DetectorClip, write_shard
from trainers.errors import UserError
from trainers.synthesis.motion_settings import MotionSettings
from trainers.synthesis.run_detector import observe
from trainers.synthesis.scenes import Scene, draw_scene
from trainers.synthesis.shard_pool import Workers, check_share, run
from trainers.synthesis.worker_inputs import open_inputs

SHORTEST_S = 1.0  # of a motion segment
SHARD_FRAMES = 1000
CLIP_FRAMES = (90, 240)  # shortest, longest


@dataclass(frozen=True)
class RenderedSettings(MotionSettings):
    """What decides the content of the shards; written beside them and compared on resume."""

    motion: str
    seed: int
    part: str = "train"  # train | validation: subjects, and with them the pool of looks
    model: str = "full"
    kind: str = "rendered"
    mix: float = 0.0  # share of clips that take limbs and angles from another one
    clip: tuple[int, int] = CLIP_FRAMES


def synthesize_rendered(
    motion: Path, out: Path, frames: int, workers: Workers = 1, seed: int = 0, part: str = "train", model: str = "full",
    resume: bool = False, report: TextIO = sys.stderr, **more: Any,
) -> list[Path]:  # fmt: skip
    settings = RenderedSettings(str(motion), seed, part, model, **more)
    check_share("mix", settings.mix)
    if not 2 <= settings.clip[0] < settings.clip[1]:
        raise UserError(f"--clip {' '.join(map(str, settings.clip))}: two counts of frames, 2 or more, rising")
    long_segments(settings.motion, SHORTEST_S, settings.part)  # a wrong folder is told before anything starts
    return run(settings, render_shard, out, -(-frames // SHARD_FRAMES), workers, resume, report)


def render_shard(settings: RenderedSettings, number: int, out: Path) -> int:
    """Write one shard; answers its frames."""
    segments, detector = open_inputs(settings.motion, settings.part, SHORTEST_S, settings.model)
    rng = np.random.default_rng([settings.seed, number])
    weights = np.array([s.seconds for s in segments]) ** 0.5  # long clips of one action do not drown the rare ones
    clips: list[DetectorClip] = []

    def drawn() -> MotionSegment:
        return segments[int(rng.choice(len(segments), p=weights / weights.sum()))]

    while sum(map(len, clips)) < SHARD_FRAMES:
        segment = drawn()
        if settings.mix and rng.random() < settings.mix:
            segment = mixed(segment, drawn(), int(rng.integers(1 << 31)))
        frames, key = int(rng.integers(*settings.clip)), int(rng.integers(1 << 31))
        scene = draw_scene(segment.xyz, segment.fps, [settings.seed, number, key], settings.pool, frames)
        clips.append(shoot(scene, segment, settings.pool, detector))
    write_shard(out, number, clips)
    return sum(map(len, clips))


def shoot(scene: Scene, segment: MotionSegment, pool: str, detector: Detector) -> DetectorClip:
    """Return every picture of a scene through the detector, beside what is true."""
    seen = observe((scene.image(k) for k in range(len(scene))), scene.times, detector)
    truth = _stacked([_truth(scene, k) for k in range(len(scene))])
    camera = scene.base
    return DetectorClip(
        name=segment.clip, subject=segment.subject, kind="rendered", pool=pool, fps=scene.fps, width=camera.width,
        height=camera.height, focal=camera.focal, cx=camera.cx, cy=camera.cy, t=scene.times, **seen, **truth,
    )  # fmt: skip


def _truth(scene: Scene, k: int) -> dict[str, Any]:
    person, reasons = scene.truth(k)
    return {
        "truth_xy": scene.camera(k).project(person.points),
        "root": person.joints[0],
        "xyz": person.joints - person.joints[0],
        "xyz33": person.points - person.joints[0],
        "hidden": hidden_bits(reasons),
        "trusted": _trusted(person),
    }


def hidden_bits(reasons: HiddenJoints) -> np.ndarray:
    flags = ((reasons.board, BOARD), (reasons.own, OWN), (reasons.outside, OUTSIDE), (reasons.other, OTHER))
    return np.asarray(sum(flag.astype(np.uint8) * bit for flag, bit in flags), np.uint8)


def _trusted(person: Body) -> np.ndarray:
    """Points behind the camera have no place in the picture."""
    return np.asarray(person.points[:, 2] > 0.1)


def _stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
