"""Bursts: many poses before many cameras, three pictures of each through the real detector, the last two kept.

The detector is not reset between bursts (a reset costs as much as two bursts): its clock jumps, so that nothing is
smoothed over the border, and the first frame lets it find the new pose.  A shard is a function of (settings, number).
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from realtime.demo.hidden import HiddenJoints
from realtime.detect.mediapipe_detector import Detection, Detector
from realtime.occlude.appearance import sample_patch
from realtime.occlude.optical_flow import trace, unknown
from realtime.transport.frame_ring import grey_copy
from trainers.data.motion import long_segments
from trainers.data.shards.burst_shards import FROM_50, HZ, write_bursts
from trainers.data.shards.clip_shards import BOARD, OUTSIDE, OWN
from trainers.synthesis.burst_poses import FRAMES
from trainers.synthesis.burst_scenes import BURSTS, KEPT, BurstScene, draw_burst_scene
from trainers.synthesis.motion_settings import MotionSettings
from trainers.synthesis.shard_pool import Workers, check_share, run
from trainers.synthesis.worker_inputs import open_inputs

SHORTEST_S = 0.5  # of a motion segment
SCENES = 24  # of a shard
JUMP_MS = 3000  # of the detector's clock between bursts
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class BurstSettings(MotionSettings):
    """What decides the content of the shards; written beside them and compared on resume."""

    motion: str
    seed: int
    part: str = "train"  # train | validation: subjects, and with them the pool of looks
    model: str = "full"
    kind: str = "bursts"
    desk: float = 1 / 3  # share of scenes with a half body before a webcam
    occluders: float = 0.2  # share of bursts with a limb or a half of the body behind something
    active: float = 0.0  # 1: many legs and trunks moved to where recorded motion seldom has them; 0: as recorded


def synthesize_bursts(
    motion: Path, out: Path, frames: int, workers: Workers = 1, resume: bool = False, report: TextIO = sys.stderr,
    **more: Any,
) -> list[Path]:  # fmt: skip
    """Shards with about `frames` kept frames in `out`; returns their paths."""
    settings = BurstSettings(str(motion), **more)
    for name in ("desk", "occluders", "active"):
        check_share(name, asdict(settings)[name])
    long_segments(settings.motion, SHORTEST_S, settings.part)  # a wrong folder is told before anything starts
    shards = -(-frames // (SCENES * BURSTS * len(KEPT)))
    return run(settings, burst_shard, out, shards, workers, resume, report)


def burst_shard(settings: BurstSettings, number: int, out: Path) -> int:
    """Write one shard; returns its frames."""
    segments, detector = open_inputs(settings.motion, settings.part, SHORTEST_S, settings.model)
    detector.reset()
    seconds = np.array([s.seconds for s in segments]) ** 0.5  # long clips of one action do not drown the rare ones
    weights = seconds / seconds.sum()
    heads: dict[str, list[Any]] = {"camera": [], "up": [], "desk": []}
    rows: list[dict[str, Any]] = []
    clock = 0
    for index in range(SCENES):
        seed = [settings.seed, number, index, 17]
        scene = draw_burst_scene(
            segments, weights, seed, settings.pool, settings.desk, settings.occluders, settings.active
        )
        camera = scene.camera
        heads["camera"].append((camera.width, camera.height, camera.focal, camera.cx, camera.cy))
        heads["up"].append(camera.up)
        heads["desk"].append(scene.kind)
        for b in range(len(scene.bursts)):
            rows += [row | {"scene": index} for row in shoot(scene, b, detector, clock)]
            clock += JUMP_MS
    write_bursts(out, number, {name: np.array(v, np.float32) for name, v in heads.items()}, rows)
    return len(rows)


def shoot(scene: BurstScene, b: int, detector: Detector, clock_ms: int) -> list[dict[str, Any]]:
    """Return the kept frames of one burst in which the detector finds somebody."""
    rows = []
    last: tuple[Image, Detection] | None = None
    for k in range(FRAMES):
        image = scene.image(b, k)
        people = detector.detect(image, clock_ms + round(k * 1000 / HZ))
        seen = people[0] if people else None
        if seen is None or seen.world is None or k + 1 < KEPT[0]:
            last = None
            continue
        grey, scale = grey_copy(image)
        if k in KEPT:
            rows.append({"burst": b, **_said(seen, grey, scale, last), **_truth(scene, b, k)})
        last = (grey, seen)
    return rows


def _said(detection: Detection, grey: Image, scale: float, last: tuple[Image, Detection] | None) -> dict[str, Any]:
    flow = trace(last[0], grey, last[1].xy, scale) if last else unknown(detection.xy)
    return {
        "xy": detection.xy, "score": detection.score, "presence": detection.presence, "world": detection.world,
        "look": sample_patch(grey, detection.xy, scale), "moved": flow.moved, "back_error": flow.back_error,
        "patch_error": flow.patch_error, "flow_known": flow.known,
    }  # fmt: skip


def _truth(scene: BurstScene, b: int, k: int) -> dict[str, Any]:
    person, reasons = scene.truth(b, k)
    points = np.concatenate([person.joints, person.points])[FROM_50]
    root = person.joints[0]
    return {"root": root, "xyz": points - root, "hidden": hidden_bits(reasons)[FROM_50]}


def hidden_bits(reasons: HiddenJoints) -> NDArray[np.uint8]:
    flags = ((reasons.board, BOARD), (reasons.own, OWN), (reasons.outside, OUTSIDE))
    return np.asarray(sum(flag.astype(np.uint8) * bit for flag, bit in flags), np.uint8)
