"""Calibrate sigma of the lifter `hold` on rendered validation people."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from trainers.data.motion import CALIBRATION
from trainers.errors import UserError
from trainers.models.blocks.sigma_by_age import age_clip
from trainers.models.causal.hold import HoldLifter
from trainers.test_clips.from_detections import from_shards
from trainers.test_clips.from_motion import TestClip


def hold_lifter(data: list[str]) -> HoldLifter:
    """Without data sigma is what a new table says."""
    model = HoldLifter()
    if data:
        found = [tried(model, trial) for folder in data for trial in from_shards(Path(folder), CALIBRATION)]
        if not found:
            raise UserError(
                f"{', '.join(data)}: nobody of {', '.join(CALIBRATION)} in it; synthesize rendered --part validation"
            )
        model.sigma.fit(*(torch.cat(column) for column in zip(*found)))
    return model


def tried(model: HoldLifter, trial: TestClip) -> tuple[Tensor, Tensor, Tensor]:
    """(answers (T, 17, 3), truth (T, 17, 3), age (T, 17))."""
    points, reliability, world = (torch.from_numpy(v)[None] for v in (trial.x, trial.reliability, trial.world))
    time = torch.arange(len(trial.x))[None] / trial.fps
    believed = model.joint_map.reliability(reliability)
    pose, _ = model.clip(model.joint_map.points(points), believed, time, model.joint_map.points(world))
    return pose[0], torch.from_numpy(trial.pose), age_clip(believed >= model.doubted, time)[0]
