"""Boards pasted into footage: are hidden keypoints told, and does the lifter stay where it was without them?

Knows: pasted clips, flags, the run without boards as reference.  Does not know: how boards are drawn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engines.contract import Array
from engines.engine import Engine
from trainers.data.footage import Track, tracks
from trainers.drive import answered
from trainers.errors import UserError
from trainers.pasted import synthesize_boards
from trainers.scores import Scores, report
from trainers.shards import read_clips
from trainers.trials_rendered import judge_named, trial

PASSES = 3


def judge_video(video: Path, engine: Engine, reliability: str, seed: int) -> dict[str, Any]:
    """Figures of flags and of the lifter on one video."""
    with tempfile.TemporaryDirectory() as made:
        synthesize_boards([str(video)], Path(made), PASSES, seed=seed)
        found = [track for clip in read_clips(made) for track in tracks(clip)]
    if not found:
        raise UserError(f"--boards {video}: nobody could be followed for half a second; give footage of whole people")
    judge = judge_named(reliability)
    scores = Scores()
    for one, (xyz, sigma) in answered(engine, [trial(t, judge) for t in found]):
        scores.add(one, xyz, sigma)
    told = flags(((judge(t), t) for t in found), engine.contract.threshold)
    return {"flags": told, "parts": report(scores)["parts"]}


def flags(found: Iterable[tuple[Array, Track]], threshold: float) -> dict[str, float]:
    """Of "do not believe this keypoint", where truth is known: precision, recall, and the area under ROC."""
    pairs = [(said[t.counts], ~t.right[t.counts]) for said, t in found]
    reliability, wrong = (np.concatenate(column) for column in zip(*pairs))
    said = reliability < threshold
    both = float((said & wrong).sum())
    precision, recall = both / max(float(said.sum()), 1), both / max(float(wrong.sum()), 1)
    area = area_under_roc(-reliability, wrong)
    return {"precision": precision, "recall": recall, "area under ROC": area, "share wrong": float(wrong.mean())}


def area_under_roc(score: Array, positive: Array) -> float:
    """Chance that a positive scores above a negative; ties count half."""
    values, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    yes, no = float(positive.sum()), float((~positive).sum())
    return float((rank[positive].sum() - yes * (yes + 1) / 2) / max(yes * no, 1)) if len(values) else 0.5
