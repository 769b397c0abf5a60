"""Judge flags on a folder of real films with occluders pasted in: area under ROC, precision, recall a source of people.

The run without occluders says where keypoints are, the occluders say which are hidden: films label themselves.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.data.multiview import FILMS
from trainers.data.shards.clip_shards import read_clips
from trainers.data.shards.detections import DetectionTrack, tracks
from trainers.data.shards.detector_model import SETTINGS
from trainers.errors import UserError
from trainers.metrics import area_under_roc
from trainers.recipes.reliability import BODY
from trainers.synthesis.paste_occluders import BoardsSettings, synthesize_boards
from trainers.synthesis.shard_pool import differing

F32 = NDArray[np.float32]
Judge = Callable[[DetectionTrack], F32]  # -> (T, 33) reliability
Figures = dict[str, float]
THRESHOLD = 0.5
SOURCES = ("group", "film")


def films_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"--occluders {folder}: no such folder; expected a folder of films of people")
    films = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILMS)
    if not films:
        raise UserError(f"--occluders {folder}: no film in it; expected {', '.join(f'*{suffix}' for suffix in FILMS)}")
    return films


def source_of(stem: str, by: str) -> str:
    """Return a film by itself, or with those that differ in a last number only: office_001, office_002 -> office."""
    return stem if by == "film" else re.sub(r"[-_. ]*\d+$", "", stem) or stem


def occluder_shards(films: list[Path], out: Path, passes: int, seed: int, model: str, workers: int) -> None:
    """Occluders pasted into every film `passes` times; what is there of the same settings stays."""
    settings = BoardsSettings(tuple(map(str, films)), passes, seed, model)
    if not complete(out, settings):
        synthesize_boards([*settings.videos], out, passes, workers, seed, model, resume=True)


def complete(out: Path, settings: BoardsSettings) -> bool:
    """All shards of these settings lie there, so that nothing has to be surveyed again."""
    note, stretches = out / SETTINGS, out / "stretches.json"
    if not (note.is_file() and stretches.is_file()):
        return False
    shards = len(list(out.glob("shard_*.npz")))
    return not differing(note, settings) and shards == len(json.loads(stretches.read_text()))


def tracks_by_source(folder: Path, by: str) -> dict[str, list[DetectionTrack]]:
    found: dict[str, list[DetectionTrack]] = {}
    for clip in read_clips(folder):
        for track in tracks(clip):
            found.setdefault(source_of(clip.subject, by), []).append(track)
    if not found:
        raise UserError(f"{folder}: nobody could be followed for half a second; give films of people clearly seen")
    return found


def judged(sources: Mapping[str, list[DetectionTrack]], judge: Callable[[str], Judge]) -> dict[str, Figures]:
    """Return figures of every source by its own judge, and of all keypoints together."""
    told = {name: labels(found, judge(name)) for name, found in sources.items()}
    rows = {name: figures(*columns) for name, columns in told.items()}
    everything = [np.concatenate(column) for column in zip(*told.values())]
    return rows | {"together": figures(*everything)}


def labels(tracks: list[DetectionTrack], judge: Judge) -> tuple[F32, F32, NDArray[np.bool_], NDArray[np.bool_]]:
    """Of limb joints whose truth is known: reliability, visibility, occluded, wrong or occluded."""
    columns: list[list[NDArray[np.generic]]] = [[], [], [], []]
    for track in tracks:
        where = track.counts[:, BODY]
        visibility = track.clip.score[track.first : track.last]
        for column, values in zip(columns, (judge(track), visibility, track.covered, ~track.right)):
            column.append(values[:, BODY][where])
    reliability, seen, occluded, wrong = (np.concatenate(column) for column in columns)
    return reliability.astype(np.float32), seen.astype(np.float32), occluded.astype(bool), wrong.astype(bool)


def figures(reliability: F32, visibility: F32, occluded: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> Figures:
    said = reliability < THRESHOLD
    return {
        "joints": float(len(reliability)), "occluded": _share(occluded), "area": area(reliability, occluded),
        "area of visibility": area(visibility, occluded), "precision": _share(occluded[said]),
        "recall": _share(said[occluded]), "precision, wrong or occluded": _share(wrong[said]),
    }  # fmt: skip


def area(reliability: F32, positive: NDArray[np.bool_]) -> float:
    """Under the ROC curve of low reliability."""
    return area_under_roc(-torch.from_numpy(reliability), torch.from_numpy(positive))


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else math.nan
