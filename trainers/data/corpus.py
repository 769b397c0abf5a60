"""Open a training's motion folders and detections, split so that validation people are never seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainers.data.clips import Footage
from trainers.data.motion import PUBLISHED_TEST, VALIDATION, MotionSet, load, split
from trainers.errors import UserError


@dataclass(frozen=True)
class Corpus:
    train: MotionSet
    validation: MotionSet | None
    rendered_train: Footage | None = None
    rendered_validation: Footage | None = None


def held_out(motion: MotionSet) -> tuple[MotionSet, MotionSet | None]:
    """Return the project's or the papers' test subjects where the folder has them, else its last one, else nobody."""
    theirs = set(motion.subjects)
    known = {*VALIDATION, *PUBLISHED_TEST}
    if theirs & known and theirs - known:
        return split(motion)
    return split(motion, motion.subjects[-1:]) if len(theirs) > 1 else (motion, None)


def motions(folders: list[str]) -> tuple[MotionSet, MotionSet | None]:
    """(training, validation), of motion alone."""
    if not folders:
        raise UserError("no data: give --data DIR, a folder made by `trainers prepare`")
    return held_out(MotionSet(tuple(s for folder in folders for s in load(folder).segments), folders[0]))


def open_corpus(folders: list[str], reliability: str) -> Corpus:
    if not folders:
        raise UserError("no data: give --data DIR, a folder made by `trainers prepare` (and one of `synthesize`)")
    motion = [f for f in folders if list(Path(f).glob("subject_*.npz"))]
    synthesized = [f for f in folders if f not in motion]
    if not motion:
        raise UserError(f"{folders[0]}: no subject_*.npz in it; make a motion folder with `trainers prepare cmu`")
    train, validation = held_out(MotionSet(tuple(s for f in motion for s in load(f).segments), motion[0]))
    if not synthesized:
        return Corpus(train, validation)
    from trainers.data.shards.detections import engine_judge, read_footage

    return Corpus(train, validation, *read_footage(synthesized, engine_judge(reliability)))
