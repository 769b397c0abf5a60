"""Measure how far hidden keypoints lie from the truth, by the time they have been hidden (`trainers hidden-error`).

Of the real detector on shards of `trainers synthesize boards` (films with boards pasted over limbs; the run without
boards is the truth), and of the detector that training and test clips make up (trainers.augmentation.detector_noise):
the second should err as the first does.  Shares of the height of the person's box, so that near and far are alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from engines.skeleton import BLAZEPOSE_33, H36M_17, Array
from trainers.augmentation import occlusion_masks
from trainers.augmentation.detector_noise import NoiseRange, keypoints
from trainers.data import bank as banks
from trainers.data import motion
from trainers.data.shards.clip_shards import BOARD, read_clips
from trainers.errors import UserError
from trainers.geometry.virtual_cameras import CameraRange, sample_views, tick_times
from trainers.metrics import LIMB_JOINTS
from trainers.test_clips.from_motion import SUITES

AGES_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # borders of the columns; the last one is open
LIMBS_33 = [BLAZEPOSE_33.index(H36M_17.joints[j]) for j in LIMB_JOINTS]
CLIPS, TICKS = 400, 120


@dataclass(frozen=True)
class HiddenKeypoints:
    """N hidden keypoints."""

    error: Array  # (N,) share of the box's height
    age: Array  # (N,) s hidden


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--boards", type=Path, action="append", default=[], metavar="DIR", help="made by synthesize boards"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="motion: the made-up detector's errors")


def main(args: argparse.Namespace) -> int:
    if not args.boards and not args.data:
        raise UserError("expected --boards DIR (the real detector), --data DIR (the made-up one), or both")
    rows = {"the real detector": joined(real(args.boards))} if args.boards else {}
    if args.data:
        rows["the made-up one"] = made_up(banks.bank(motion.load(args.data)), NoiseRange())
    show(rows, Console(width=120))
    return 0


def real(folders: list[Path]) -> Iterator[HiddenKeypoints]:
    for clip in read_clips(*folders):
        covered = (clip.hidden[:, 17:] & BOARD > 0) & clip.detected[:, None]
        height = np.ptp(clip.truth_xy[..., 1], axis=1)[:, None]
        error = np.linalg.norm(clip.xy - clip.truth_xy, axis=-1) / np.maximum(height, 1)
        counts = (covered & clip.trusted)[:, LIMBS_33]
        yield HiddenKeypoints(error[:, LIMBS_33][counts], hidden_for(covered, clip.fps)[:, LIMBS_33][counts])


def made_up(source: banks.Bank, limits: NoiseRange, seed: int = 5) -> HiddenKeypoints:
    """Of the mixed suite, boards and limbs and halves, over the people given."""
    g = torch.Generator().manual_seed(seed)
    times = tick_times(CLIPS, TICKS, g)
    view = sample_views(banks.sample(source, times, g), CameraRange(), g)
    hidden = occlusion_masks.mixed(view.rays, g, SUITES["mixed"])
    away = (keypoints(view, limits, hidden, g) - view.rays).norm(dim=-1)
    height = view.rays[..., 1].amax(-1) - view.rays[..., 1].amin(-1)
    error, limbs = (away / height[..., None]).numpy(), list(LIMB_JOINTS)
    whole = (height > 0.5 * height.amax(1, keepdim=True)).numpy()[..., None]  # lying people have no height
    counts = hidden.numpy()[..., limbs] & whole
    ages = np.stack([hidden_for(one, 30.0) for one in hidden.numpy()])[..., limbs]
    return HiddenKeypoints(error[..., limbs][counts], ages[counts])


def hidden_for(hidden: NDArray[np.bool_], fps: float) -> Array:
    """(T, J) bool -> s since the keypoint was last seen, or since the clip began."""
    frames = np.arange(len(hidden))[:, None]
    last = np.maximum.accumulate(np.where(hidden, -1, frames), 0)
    return np.asarray((frames - last) / fps)


def joined(chunks: Iterator[HiddenKeypoints]) -> HiddenKeypoints:
    parts = list(chunks)
    return HiddenKeypoints(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("error", "age")))


def by_age(hidden_keypoints: HiddenKeypoints) -> list[float]:
    """Return mean error in each column, then over all; NaN where nothing was hidden so long."""
    column = np.digitize(hidden_keypoints.age, AGES_S) - 1
    each = [hidden_keypoints.error[column == k] for k in range(len(AGES_S))]
    return [float(e.mean()) if len(e) else float("nan") for e in (*each, hidden_keypoints.error)]


def show(rows: dict[str, HiddenKeypoints], console: Console) -> None:
    titles = [f"{a:g}-{b:g} s" for a, b in pairwise(AGES_S)] + [f"{AGES_S[-1]:g} s and more", "all"]
    table = Table("% of the body's height", *titles, "keypoints", box=box.MARKDOWN)
    for name, found in rows.items():
        table.add_row(name, *(f"{100 * e:.1f}" for e in by_age(found)), f"{len(found.error):,}")
    console.print(table)
