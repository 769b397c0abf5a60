"""`trainers weigh MODEL --data DIR`: ablate the weighting of inference stage optimisation (Table 2).

Every row starts from the same answers of the same network.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from engines.skeleton import Array
from trainers.data import motion
from trainers.deploy.run_engine import exported, opened, predict
from trainers.errors import UserError
from trainers.metrics import LIMB_JOINTS, align_similarity, joint_errors
from trainers.models.blocks.inputs import facing
from trainers.models.papers.inference_optimisation import (
    CALIBRATION,
    InferenceOptimisationSettings,
    KeypointView,
    refine,
)
from trainers.refinement.refine import filled
from trainers.test_clips.from_motion import SUITES, TestClip, from_motion

ROWS: dict[str, InferenceOptimisationSettings | None] = {
    "no ISO": None,
    **{name: InferenceOptimisationSettings(name) for name in ("constant", "confidence", "calibrated")},
    **{f"hard {t:g}": InferenceOptimisationSettings("hard", threshold=t) for t in (0.3, 0.5, 0.7, 0.9)},
    **{f"soft {s:g}": InferenceOptimisationSettings("soft", sigma=s) for s in (0.3, 0.5, 1.0, 2.0, 3.0)},
    "w = 0": InferenceOptimisationSettings("constant", reprojection_weight=0.0),
    "soft 1, lambda2 = 0": InferenceOptimisationSettings("soft", smooth_weight=0.0),
}
LIMBS = list(LIMB_JOINTS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="engine name, exported folder, run folder or checkpoint")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="motion made by prepare")
    parser.add_argument("--occlusion", choices=tuple(SUITES), default="mixed", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--run", default="", metavar="RUN", help="trained cheng2020: its critic and calibration")
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--limit", type=int, default=20, help="so many clips at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="the figures as JSON")


def main(args: argparse.Namespace) -> int:
    critic, calibration = None, CALIBRATION
    if args.run:
        from trainers.recipes.cheng2020 import judges

        critic, calibration = judges(args.run)
    people = motion.split(motion.load(args.data))[1]
    trials = list(islice(from_motion(people, args.occlusion, args.seed), args.limit))
    if not trials:
        raise UserError(f"{args.data}: no clip of validation people; prepare more motion or raise --limit")
    with exported(args.model) as folder:
        answers = [(trial, xyz) for trial, (xyz, _) in predict(opened(folder), trials)]
    found: dict[str, dict[str, float]] = {}
    before = errors(answers)
    with Progress() as bar:
        task = bar.add_task("weights", total=len(ROWS))
        for name, how in ROWS.items():
            chosen = how and replace(how, iterations=args.iterations)
            after = [(t, better(t, xyz, chosen, critic, calibration)) for t, xyz in answers]
            found[name] = figures(after) | paired(before, errors(after))
            bar.update(task, advance=1)
    show(found, with_critic=critic is not None)
    if args.out:
        args.out.write_text(json.dumps({"model": args.model, "rows": found}, indent=1) + "\n")
    return 0


def better(
    trial: TestClip,
    xyz: Array,
    how: InferenceOptimisationSettings | None,
    critic: Any,
    calibration: tuple[float, float],
) -> Array:
    """Return the clip's poses (T, 17, 3) after optimisation against what the detector said of it."""
    if how is None:
        return xyz
    pose, x, confidence = (filled(torch.from_numpy(np.asarray(v))) for v in (xyz, trial.x, trial.reliability))
    points, rotation = facing(x)
    counts = torch.ones_like(confidence, dtype=torch.bool)
    counts.flatten(0, 1)[len(xyz) :] = False
    found = refine(
        (pose - pose[..., :1, :]) @ rotation, KeypointView(points, confidence, counts), how, critic, calibration
    )
    return np.asarray((found @ rotation.mT).flatten(0, 1)[: len(xyz)].numpy())


def figures(answers: list[tuple[TestClip, Array]]) -> dict[str, float]:
    """Return mm on limbs: all, aligned, open and hidden; frames after the first half second."""
    pose = torch.from_numpy(np.concatenate([xyz[15:] for _, xyz in answers]))
    truth = torch.from_numpy(np.concatenate([t.pose[15:] for t, _ in answers]))
    hidden = torch.from_numpy(np.concatenate([t.hidden[15:] for t, _ in answers]))[:, LIMBS]
    error = joint_errors(pose, truth)[:, LIMBS] * 1000
    aligned = joint_errors(align_similarity(pose, truth), truth)[:, LIMBS] * 1000
    places = {"mpjpe": error, "p_mpjpe": aligned, "open": error[~hidden], "hidden": error[hidden]}
    return {name: float(values.mean()) if values.numel() else 0.0 for name, values in places.items()}


def errors(answers: list[tuple[TestClip, Array]]) -> Array:
    """(clips, 2) mm of each clip's limbs, open and hidden, after half a second; NaN where nothing is hidden."""
    each = [figures([answer]) for answer in answers]
    return np.array([[one["open"], one["hidden"] or np.nan] for one in each])


def paired(before: Array, after: Array) -> dict[str, float]:
    """Change against the same clips without optimisation, mm, and its standard error over clips."""
    change = after - before
    found: dict[str, float] = {}
    for k, name in enumerate(("open", "hidden")):
        there = change[~np.isnan(change[:, k]), k]
        spread = float(there.std(ddof=1) / np.sqrt(len(there))) if len(there) > 1 else float("nan")
        found |= {f"{name}, change": float(there.mean()) if len(there) else 0.0, f"{name}, its error": spread}
    return found


def show(figures: dict[str, dict[str, float]], with_critic: bool) -> None:
    table = Table(title="inference stage optimisation, mm" + ("" if with_critic else ", without a critic (--run RUN)"))
    for title in ("weights", *next(iter(figures.values()))):
        table.add_column(title, justify="left" if title == "weights" else "right")
    for name, row in figures.items():
        table.add_row(name, *(f"{value:.1f}" for value in row.values()))
    Console(width=160).print(table)
