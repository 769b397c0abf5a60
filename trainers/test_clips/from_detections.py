"""Build test clips from synthesized detections: rendered people, bursts, or real footage behind occluders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import open_engine
from engines.errors import EngineError
from engines.skeleton import BLAZEPOSE_33, H36M_17, Array
from engines.store import names
from realtime.engine_io.time_grid import TimeGrid
from trainers.data.shards.burst_clips import clips_of
from trainers.data.shards.burst_shards import read_bursts
from trainers.data.shards.clip_shards import OUTSIDE, OWN, read_clips
from trainers.data.shards.detections import COVERED, DetectionTrack, believed_focal, tracks
from trainers.data.shards.detector_model import settings_of
from trainers.errors import UserError
from trainers.test_clips import conditions as words
from trainers.test_clips.from_motion import TestClip

DEFAULT = "reliability"  # the engine of the store
Judge = Callable[[DetectionTrack], Array]  # -> (T, 33) in [0, 1]


def from_shards(folder: Path, subjects: tuple[str, ...] = (), reliability: str = "auto") -> Iterator[TestClip]:
    """Held-out looks where a folder has both; every unbroken track is a trial."""
    judge = judge_named(reliability)
    if (settings_of(folder) or {}).get("kind") == "bursts":
        yield from from_bursts(folder, judge)
        return
    clips = [c for c in read_clips(folder) if not subjects or c.subject in subjects]
    held = [c for c in clips if c.pool != "train"]
    for clip in held or clips:
        yield from (trial(track, judge) for track in tracks(clip))


def from_bursts(folder: Path, judge: Judge) -> Iterator[TestClip]:
    """Yield every burst: a person's first frames, before many cameras."""
    for clip, up in clips_of(read_bursts(folder)):
        for track in tracks(clip, shortest=1):
            found = trial(track, judge)
            yield replace(found, conditions=found.conditions | {"camera": words.tilt(up)})


def judge_named(name: str) -> Judge:
    """`truth`, `visibility`, an engine; `auto`: the store's where there is one."""
    if name == "auto":
        name = DEFAULT if DEFAULT in names() else "visibility"
    if name == "truth":
        return lambda track: track.right.astype(np.float32)
    if name == "visibility":
        return lambda track: track.clip.score[track.first : track.last]
    return engine_judge(name)


def engine_judge(name: str) -> Judge:
    try:
        engine = open_engine(name)
    except EngineError as error:
        raise UserError(str(error)) from None
    if engine.contract.task != "reliability":
        raise UserError(f"--reliability {name}: task {engine.contract.task}, expected reliability")

    def judge(track: DetectionTrack) -> Array:
        grid, rows = TimeGrid(10**9), []
        for k, cues in enumerate(track.cues):
            for step in grid.steps(round(float(track.clip.t[track.first + k]) * 1e9)):
                given = {
                    "features": cues[None],
                    "dt": np.array([step.dt_s], np.float32),
                    "reset": np.array([k == 0], np.float32),
                }
                answer = engine.run(given, commit=step.commit)["reliability"][0].copy()
            rows.append(answer)
        return np.stack(rows)

    return judge


def trial(track: DetectionTrack, judge: Judge) -> TestClip:
    clip, part = track.clip, slice(track.first, track.last)
    rays = (clip.xy[part] - np.array([clip.cx, clip.cy], np.float32)) / np.float32(believed_focal(clip))
    bits = clip.hidden[part, : len(H36M_17)]
    hidden, outside = np.asarray((bits & COVERED) > 0), np.asarray((bits & OUTSIDE) > 0)
    counts: Any = np.ones(hidden.shape, bool) if clip.kind == "rendered" else sure(clip.trusted[part])
    return TestClip(
        clip.name, clip.subject, clip.kind, clip.fps, BLAZEPOSE_33.name, rays.astype(np.float32), judge(track),
        clip.world[part].astype(np.float32), clip.xyz[part] - clip.xyz[part, :1], hidden,
        np.asarray(((bits & OWN) > 0) & ~hidden),
        counts, conditions_of(track, outside), outside,
    )  # fmt: skip


def conditions_of(track: DetectionTrack, outside: NDArray[np.bool_]) -> dict[str, str]:
    clip, part = track.clip, slice(track.first, track.last)
    told = {"format": words.shape(clip.width, clip.height)}
    if clip.kind != "rendered":
        return told  # of footage nobody knows more
    tall = np.ptp(clip.truth_xy[part][..., 1], axis=-1) / clip.height
    return told | {
        "facing": words.facing(clip.xyz[part]),
        "distance": words.distance(float(np.median(clip.root[part, 2]))),
        "size": words.size(float(np.median(tall))),
        "picture": words.cut(float(1 - outside.mean())),
    }


def sure(points: Array) -> Array:
    """Map (T, 33) -> (T, 17): every point that makes a joint can be trusted."""
    from trainers.data.shards.detections import MAP

    return np.asarray(((MAP != 0)[None] <= points[:, None]).all(-1))
