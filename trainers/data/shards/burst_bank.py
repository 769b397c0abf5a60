"""Bursts as tensors for training: rays, the detector's own 3D, truth in camera axes, what is hidden, by scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainers.data.shards.burst_shards import BurstFrames, read_bursts
from trainers.data.shards.clip_shards import OUTSIDE, OWN
from trainers.data.shards.detector_model import kind
from trainers.errors import UserError
from trainers.user_file import read_json

HELD_OUT = 8  # one scene in so many is never trained on, where no folder of validation people is given
GUESSED_FOV = 63.0  # degrees over the longer side: what the runtime assumes of an unknown camera


@dataclass(frozen=True)
class Bursts:
    """N frames."""

    rays: Tensor  # (N, 33, 2) of the true camera
    world: Tensor  # (N, 33, 3)
    xyz: Tensor  # (N, 37, 3) from the pelvis, camera axes
    covered: Tensor  # (N, 37) bool: behind something, or outside the picture
    outside: Tensor  # (N, 37) bool
    guess: Tensor  # (N,) true focal length over the one that the runtime would guess
    scene: Tensor  # (N,)

    def __len__(self) -> int:
        return len(self.rays)

    def at(self, index: Tensor) -> Bursts:
        return Bursts(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def to(self, device: str) -> Bursts:
        return Bursts(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def open_bursts(folders: list[str]) -> tuple[Bursts, Bursts]:
    """(training, validation): a folder of validation people is never trained on; without one, scenes are held out."""
    if not folders:
        raise UserError("no data: give --data DIR made by `trainers synthesize bursts`")
    told = {folder: _part(Path(folder)) for folder in folders}
    models = {model for _, model in told.values()}
    if len(models) > 1:
        said = ", ".join(f"{folder} {model}" for folder, (_, model) in told.items())
        raise UserError(f"bursts of several detector models: {said}; train one network for each: --data of one model")
    learn = [folder for folder, (part, _) in told.items() if part != "validation"]
    check = [folder for folder, (part, _) in told.items() if part == "validation"]
    if not learn:
        raise UserError(f"{folders[0]}: bursts of validation people only; add a folder of --part train")
    train = tensors(read_bursts(*learn, names=("xy", "world", "root", "xyz", "hidden")))
    if check:
        return train, tensors(read_bursts(*check, names=("xy", "world", "root", "xyz", "hidden")))
    held = train.scene % HELD_OUT == 0
    if not held.any() or held.all():
        raise UserError(f"{learn[0]}: {int(train.scene.max()) + 1} scenes are too few to hold some out; make more")
    return train.at(~held), train.at(held)


def _part(folder: Path) -> tuple[str, str]:
    """(part, detector model) of a folder's settings."""
    note = folder / "synthesis.json"
    if not note.exists():
        raise UserError(
            f"{folder}: no synthesis.json in it; make bursts: trainers synthesize bursts --out {folder} ..."
        )
    try:
        settings = dict(read_json(note))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{note}: no settings of trainers synthesize ({error}); make the bursts anew") from None
    if settings.get("kind") != "bursts" or not {"part", "model"} <= set(settings):
        raise UserError(f"{folder}: holds {settings.get('kind')!r}, expected bursts: trainers synthesize bursts")
    return str(settings["part"]), kind(str(settings["model"]))


def tensors(frames: BurstFrames) -> Bursts:
    camera = frames.camera[:, None]
    rays = (frames.xy - camera[..., 3:5]) / camera[..., 2:3]
    guess = frames.camera[:, :2].max(1) / 2 / math.tan(math.radians(GUESSED_FOV) / 2)
    hidden = torch.from_numpy(frames.hidden)
    return Bursts(
        torch.from_numpy(np.asarray(rays, np.float32)), torch.from_numpy(frames.world), torch.from_numpy(frames.xyz),
        (hidden & ~OWN) > 0, (hidden & OUTSIDE) > 0,
        torch.from_numpy(np.asarray(frames.camera[:, 2] / guess, np.float32)), torch.from_numpy(frames.scene).long(),
    )  # fmt: skip
