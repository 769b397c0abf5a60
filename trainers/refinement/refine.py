"""`trainers refine RECORDING`: optimise recorded poses against their keypoints into a new recording.

Whatever is not a pose is copied byte for byte; joints that are ABSENT mean nothing and stay as they were.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from realtime.recording.file_format import (
    COUNT,
    HELLO,
    LOST,
    POSE3D,
    RecordingReader,
    RecordingWriter,
    check_target,
)
from realtime.wire import messages
from realtime.wire.messages import Hello, Pose3D
from trainers.data.recording_clips import CORE, KINDS, Key, RecordingClip, decoded, gathered, stamp
from trainers.data.views import GUESSED_FOV_DEG
from trainers.errors import UserError
from trainers.models.blocks.inputs import believable, facing
from trainers.models.causal.corrected_lifter import EXTRA_PARENTS
from trainers.models.papers.inference_optimisation import (
    CALIBRATION,
    CELL_M,
    WEIGHTS,
    InferenceOptimisationSettings,
    KeypointView,
    refine,
    reprojection,
)

WINDOW = 64  # frames that share scale and translation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, help="made by `realtime run --record` or `realtime record`")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="default: beside it, NAME.refined")
    parser.add_argument("--weights", choices=WEIGHTS, default="soft", help="how much a keypoint counts")
    parser.add_argument("--sigma", type=float, default=1.0, help="of soft weights, in 1/64 of 2.56 m (0.3 to 3)")
    parser.add_argument("--threshold", type=float, default=0.7, help="of hard weights (0.3 to 0.9)")
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--run", default="", metavar="RUN", help="trained cheng2020: its critic and calibration")
    parser.add_argument("--fov", type=float, default=GUESSED_FOV_DEG, help="degrees over the picture's longer side")


def main(args: argparse.Namespace) -> int:
    how = settings(args)
    out = args.out or args.recording.with_name(args.recording.name + ".refined")
    check_target(out)
    found = gathered(args.recording, args.fov)
    better = optimised(found, how, args.run)
    with RecordingWriter(out) as writer:
        copied(args.recording, writer, better)
    print(f"{out}: {sum(len(c.keys) for c in found)} poses of {len({c.keys[0][2] for c in found})} people refined")
    return 0


def settings(args: argparse.Namespace) -> InferenceOptimisationSettings:
    for name, value, low, high in (
        ("--sigma", args.sigma, 0.01, 100), ("--threshold", args.threshold, 0, 1),
        ("--iterations", args.iterations, 1, 100_000), ("--fov", args.fov, 5, 170),
    ):  # fmt: skip
        if not low <= value <= high:
            raise UserError(f"{name}: expected {low:g} to {high:g}, found {value:g}")
    return InferenceOptimisationSettings(args.weights, args.sigma, args.threshold, args.iterations)


# --- optimising -----------------------------------------------------------------------------------------------------


def optimised(clips: list[RecordingClip], how: InferenceOptimisationSettings, run: str) -> dict[Key, Any]:
    """Return the better poses, (17, 3) m, of everybody in every frame."""
    critic, calibration = None, CALIBRATION
    if run:
        from trainers.recipes.cheng2020 import judges

        critic, calibration = judges(run)
    better: dict[Key, Any] = {}
    before = after = 0.0
    with Progress() as bar:
        task = bar.add_task("refine", total=how.iterations * len(clips))
        for clip in clips:
            pose, view, rotation = windows(clip)
            found = refine(pose, view, how, critic, calibration, lambda: bar.update(task, advance=1))
            before += distance(pose, view) * len(clip.keys)
            after += distance(found, view) * len(clip.keys)
            turned_back = (found @ rotation.mT).flatten(0, 1)[: len(clip.keys)].numpy()
            better |= {
                key: np.where(means[:, None], new, old)
                for key, means, new, old in zip(clip.keys, clip.means, turned_back, clip.xyz)
            }
    total = sum(len(c.keys) for c in clips)
    without = "" if critic else ", without a critic (--run RUN)"
    print(f"keypoints to pose, root mean square: {before / total:.1f} mm before, {after / total:.1f} mm after{without}")
    return better


def windows(clip: RecordingClip) -> tuple[Tensor, KeypointView, Tensor]:
    """(poses, what was seen, rotations) in windows of 64 frames; the last is filled with frames that do not count."""
    xyz, rays, confidence, means = (
        filled(torch.from_numpy(np.stack(column))) for column in (clip.xyz, clip.rays, clip.confidence, clip.means)
    )
    means.flatten(0, 1)[len(clip.keys) :] = False
    rays, confidence = believable(rays, confidence)
    points, rotation = facing(rays)
    pose = (xyz - xyz[..., :1, :]) @ rotation
    return pose, KeypointView(points, confidence, means & (confidence > 0)), rotation


def filled(values: Tensor) -> Tensor:
    """Return (N, ...) -> (W, 64, ...), the last row repeated."""
    frames = min(WINDOW, len(values))
    missing = -len(values) % frames
    return cast(
        Tensor, torch.cat([values, values[-1:].repeat(missing, *[1] * (values.dim() - 1))]).unflatten(0, (-1, frames))
    )


def distance(pose: Tensor, view: KeypointView) -> float:
    """Return mm from believed keypoints to the pose's projection, root mean square."""
    plain = InferenceOptimisationSettings("constant")
    believed = KeypointView(view.keypoints, view.confidence, view.counts & (view.confidence >= 0.5))
    cells2 = reprojection(pose, believed, plain, CALIBRATION) * pose[..., 0, 0].numel()
    return float((cells2 / believed.counts.sum().clamp_min(1)).sqrt() * CELL_M * 1000)


# --- writing --------------------------------------------------------------------------------------------------------


def copied(path: Path, writer: RecordingWriter, better: dict[Key, Any]) -> None:
    for record in RecordingReader(path):
        if record.type == LOST:
            writer.write_lost(COUNT.unpack(record.payload)[0])
        elif record.type in (HELLO, POSE3D) and (message := decoded(record)) is not None:
            topic, source, _ = messages.split(record.payload)
            writer.write(messages.encode(topic, source, changed(message, better)))
        elif record.type in KINDS:
            writer.write(record.payload)


def changed(message: Hello | Pose3D, better: dict[Key, Any]) -> Hello | Pose3D:
    if isinstance(message, Hello):
        return replace(message, engine=f"{message.engine} refined")
    people = tuple(replace(p, xyz=with_core(p.xyz, better.get((*stamp(message), p.id)))) for p in message.people)
    return replace(message, people=people)


def with_core(xyz: Any, core: Any) -> Any:
    """Put the first 17 joints (17, 3) in their new places; face, hands and feet move along with what they hang on."""
    if core is None:
        return xyz
    hung = EXTRA_PARENTS[: len(xyz) - CORE]
    return np.concatenate([core, xyz[CORE:] + core[hung] - xyz[hung]]).astype(np.float32)
