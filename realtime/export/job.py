"""One export: a recording's poses to files of one format, with what was smoothed, resampled and left out told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.export import bvh, c3d, tables, trc
from realtime.export.clip import ExportClip, padded, resampled
from realtime.export.steady import one_euro
from realtime.export.tracks import clips
from realtime.recording.file_format import RecordingError
from realtime.wire.messages import Hello, Pose3D

ALL_PEOPLE: dict[str, Callable[[Path, list[ExportClip]], None]] = {
    "csv": tables.write_csv,
    "json": tables.write_json,
    "npz": tables.write_npz,
}
ONE_PERSON = ("bvh", "trc", "c3d")
FORMATS = (*ONE_PERSON, *ALL_PEOPLE)
WITHOUT_MARKS = ("bvh", "trc")  # these cannot mark a hidden joint: a file of states goes beside them
OF_WHOLE_AXIS = ("bvh", "c3d")  # these cannot say when a person begins: they hold every frame of the recording
FLASH_FRAMES = 10  # whoever was seen for fewer is taken for a detector's mistake, unless --min-frames says otherwise
LESS_CERTAIN = {"observed": "inferred, held or absent", "inferred": "held or absent", "held": "absent"}


@dataclass(frozen=True)
class Options:
    to: str
    out: Path
    person: int | None = None  # None: everybody
    keep: str = "inferred"  # bvh, trc, c3d: the least certain state that still counts as a value
    rate_hz: float | None = None  # None: the frames as they were captured
    smooth: bool = False
    centimetres: bool = False  # bvh only
    force: bool = False
    align: str = "recording"  # one time axis and floor for everybody; "person": each on their own
    min_frames: int | None = None  # None: FLASH_FRAMES, where anybody was seen for so many


@dataclass(frozen=True)
class Done:
    files: list[Path]
    notes: list[str]


def export(hello: Hello, poses: list[Pose3D], options: Options) -> Done:
    notes = []
    if options.smooth:
        poses, note = one_euro(hello, poses)
        notes.append(note)
    chosen, left_out = chosen_clips(clips(hello, poses, options.align), options)
    notes += left_out
    if options.to in ALL_PEOPLE:
        refuse_existing([options.out], options.force)
        ALL_PEOPLE[options.to](options.out, chosen)
        return Done([options.out], notes)
    targets = {clip.person: one_of(options.out, clip, chosen) for clip in chosen}
    refuse_existing([file for target in targets.values() for file in files_of(target, options)], options.force)
    for clip in chosen:
        write_one(targets[clip.person], clip, options)
        notes += notes_on(clip, options)
    return Done([file for target in targets.values() for file in files_of(target, options)], notes)


def chosen_clips(everybody: list[ExportClip], options: Options) -> tuple[list[ExportClip], list[str]]:
    """Whom the options mean, resampled, and who was left out."""
    ids = ", ".join(str(clip.person) for clip in everybody)
    chosen = [clip for clip in everybody if options.person in (None, clip.person)]
    if not chosen:
        raise RecordingError(f"nobody with id {options.person} in this recording; there are: {ids}")
    chosen, notes = seen_for_long(chosen, options)
    chosen, more = worth_writing(chosen, options)
    return [resampled(clip, options.rate_hz) if options.rate_hz else clip for clip in chosen], notes + more


def seen_for_long(found: list[ExportClip], options: Options) -> tuple[list[ExportClip], list[str]]:
    """Those in enough frames; by default nobody is left out where that would leave nobody."""
    least = FLASH_FRAMES if options.min_frames is None else options.min_frames
    counts = {clip.person: int(np.isfinite(clip.xyz).all(-1).any(-1).sum()) for clip in found}
    long = [clip for clip in found if counts[clip.person] >= least]
    if not long and options.min_frames is not None:
        most = max(counts.values())
        raise RecordingError(f"nobody was seen in {least} frames, at most in {most}; try --min-frames {most}")
    if not long or (options.min_frames is None and options.person is not None):
        return found, []
    gone = [
        f"person {i}: in {n} frames only, left out; --min-frames 1 keeps them" for i, n in counts.items() if n < least
    ]
    return long, gone


def worth_writing(found: list[ExportClip], options: Options) -> tuple[list[ExportClip], list[str]]:
    """Of formats with one file a person: those with a joint that is certain enough."""
    if options.to in ALL_PEOPLE:
        return found, []
    shown = [clip for clip in found if np.isfinite(clip.kept(options.keep)).any()]
    if not shown:
        raise RecordingError(f"nobody has a joint that is at least {options.keep}; try --keep held")
    gone = [clip.person for clip in found if clip not in shown]
    return shown, [f"person {i}: no joint is at least {options.keep}, left out; try --keep held" for i in gone]


def write_one(path: Path, clip: ExportClip, options: Options) -> None:
    if options.to == "bvh":
        bvh.write(path, clip, options.keep, 100.0 if options.centimetres else 1.0)
    else:
        {"trc": trc.write, "c3d": c3d.write}[options.to](path, clip, options.keep)
    if options.to in WITHOUT_MARKS:
        tables.write_states(states_beside(path), padded(clip) if options.to in OF_WHOLE_AXIS else clip)


def files_of(path: Path, options: Options) -> list[Path]:
    return [path, states_beside(path)] if options.to in WITHOUT_MARKS else [path]


def states_beside(path: Path) -> Path:
    return path.with_suffix(".states.csv")


def one_of(out: Path, clip: ExportClip, chosen: list[ExportClip]) -> Path:
    """walk.bvh, or walk.p3.bvh where there are several people."""
    return out if len(chosen) == 1 else out.with_suffix(f".p{clip.person}{out.suffix}")


def refuse_existing(targets: list[Path], force: bool) -> None:
    for path in [] if force else targets:
        if path.exists():
            raise RecordingError(f"{path} exists; choose another name with --out, or --force to replace it")


def notes_on(clip: ExportClip, options: Options) -> list[str]:
    notes = []
    missing = float(np.isnan(clip.kept(options.keep)).any(-1).mean())
    if missing > 0:
        how = "keep their last rotation" if options.to == "bvh" else "are left empty"
        worse = LESS_CERTAIN[options.keep]
        notes.append(f"person {clip.person}: {100 * missing:.1f} % of the joints were {worse} and {how}")
    if options.to in OF_WHOLE_AXIS and not even(clip):
        notes.append(f"person {clip.person}: frames are not evenly spaced; --rate {clip.rate_hz:.0f} makes them so")
    if not clip.absolute:
        notes.append(f"person {clip.person}: no position in the room; joints are relative to {clip.joints[0]}")
    return notes


def even(clip: ExportClip) -> bool:
    times = clip.axis.times_s
    return bool(np.abs(times - np.arange(len(times)) / clip.rate_hz).max() < 0.5 / clip.rate_hz)
