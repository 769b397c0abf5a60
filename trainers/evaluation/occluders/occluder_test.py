"""Evaluate on footage with pasted occluders: are hidden keypoints flagged, does the lifter stay put?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.engine import Engine
from engines.skeleton import Array
from trainers.data.shards.clip_shards import read_clips
from trainers.data.shards.detections import DetectionTrack, tracks
from trainers.deploy.run_engine import predict
from trainers.errors import UserError
from trainers.evaluation.scores import Scores, report
from trainers.metrics import area_under_roc, inner
from trainers.synthesis.paste_occluders import synthesize_boards
from trainers.test_clips.from_detections import judge_named, trial

PASSES = 3


def judge_video(video: Path, engine: Engine, reliability: str, seed: int) -> dict[str, Any]:
    """Return figures of flags and of the lifter on one video."""
    with tempfile.TemporaryDirectory() as made:
        synthesize_boards([str(video)], Path(made), PASSES, seed=seed)
        found = [track for clip in read_clips(made) for track in tracks(clip)]
    if not found:
        raise UserError(f"--boards {video}: nobody could be followed for half a second; give footage of whole people")
    judge = judge_named(reliability)
    scores = Scores()
    for one, (xyz, sigma) in predict(engine, [trial(t, judge) for t in found]):
        scores.add(one, xyz, sigma)
    said = flags(((judge(t), t) for t in found), engine.contract.threshold)
    return {"flags": said, "parts": report(scores)["parts"]}


def flags(answers: Iterable[tuple[Array, DetectionTrack]], threshold: float) -> dict[str, float]:
    """Of "do not believe this keypoint", where truth is known; "settled": without two frames at each edge of a gap."""
    pairs = list(answers)
    everything = detection_scores(pairs, threshold, [t.counts for _, t in pairs])
    return everything | {
        f"{name}, settled": value
        for name, value in detection_scores(pairs, threshold, [t.counts & settled(t.covered) for _, t in pairs]).items()
    }


def detection_scores(
    pairs: list[tuple[Array, DetectionTrack]], threshold: float, counts: list[NDArray[np.bool_]]
) -> dict[str, float]:
    """Precision, recall, the area under ROC."""
    reliability = np.concatenate([said[where] for (said, _), where in zip(pairs, counts)])
    wrong = np.concatenate([~track.right[where] for (_, track), where in zip(pairs, counts)])
    said = reliability < threshold
    both = float((said & wrong).sum())
    area = area_under_roc(-torch.from_numpy(reliability), torch.from_numpy(wrong))
    precision, recall = both / max(float(said.sum()), 1), both / max(float(wrong.sum()), 1)
    return {"precision": precision, "recall": recall, "area under ROC": area, "share wrong": float(wrong.mean())}


def settled(covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (T, J): neither covered nor uncovered within the two frames around."""
    gaps = torch.from_numpy(covered)[None]
    return np.asarray((inner(gaps) | inner(~gaps))[0])
