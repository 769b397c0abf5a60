"""One export: a recording's poses to files of one format, with what was smoothed, resampled and left out told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.export.clip import ExportClip, resampled
from realtime.export.formats import FORMATS, Format, marks_path, write_marks
from realtime.export.smoothing.steady import SMOOTHERS, foot_locked, one_euro, smoothed_clips
from realtime.export.tracks import clips
from realtime.recording.file_format import RecordingError
from realtime.wire.messages import Hello, Pose3D

FLASH_FRAMES = 10  # whoever was seen for fewer is taken for a detector's mistake, unless --min-frames says otherwise
LESS_CERTAIN = {"observed": "inferred, held or absent", "inferred": "held or absent", "held": "absent"}


@dataclass(frozen=True)
class ExportOptions:
    to: str
    out: Path
    person: int | None = None  # None: everybody
    keep: str = "inferred"  # the least certain state that still counts as a value, where a format has one value only
    rate_hz: float | None = None  # None: the frames as they were captured, evenly where the format wants it
    smooth: str | None = None  # one-euro, offline
    foot_lock: bool = False
    centimetres: bool = False  # bvh only
    force: bool = False
    align: str = "recording"  # one time axis and floor for everybody; "person": each on their own
    min_frames: int | None = None  # None: FLASH_FRAMES, where anybody was seen for so many
    names: str | None = None  # of a rig's bones or of markers; None: the format's own

    def __post_init__(self) -> None:
        found = FORMATS[self.to]
        if self.names is not None and self.names not in found.names:
            known = ", ".join(found.names) or "none: they are the recording's own"
            raise RecordingError(f"--names {self.names} is not for {self.to}; there are {known}")
        if self.centimetres and self.to != "bvh":
            raise RecordingError(f"--unit cm is for bvh; {self.to} is in metres")
        if self.rate_hz is not None and not 1 <= self.rate_hz <= 1000:
            raise RecordingError(f"--rate is 1 to 1000 Hz, found {self.rate_hz:g}")
        if self.smooth not in (None, *SMOOTHERS):
            raise RecordingError(f"--smooth is {' or '.join(SMOOTHERS)}, found {self.smooth}")

    @property
    def format(self) -> Format:
        return FORMATS[self.to]


@dataclass(frozen=True)
class Done:
    files: list[Path]
    notes: list[str]


def export(hello: Hello, poses: list[Pose3D], options: ExportOptions) -> Done:
    """Write the files that the options ask for; answers them and what is to be said."""
    chosen, notes = prepared(hello, poses, options)
    if options.format.write_all:
        refuse_existing([options.out], options.force)
        options.format.write_all(options.out, chosen, options.keep)
        return Done([options.out], notes)
    targets = {clip.person: one_of(options.out, clip, chosen) for clip in chosen}
    files = [file for target in targets.values() for file in files_of(target, options)]
    refuse_existing(files, options.force)
    for clip in chosen:
        write_one(targets[clip.person], clip, options)
        notes += notes_on(clip, options)
    return Done(files, notes)


def prepared(hello: Hello, poses: list[Pose3D], options: ExportOptions) -> tuple[list[ExportClip], list[str]]:
    """Select, smooth, foot-lock and resample the people of the options; return them and remarks for the user."""
    notes: list[str] = []
    if options.smooth == "one-euro":
        poses, note = one_euro(hello, poses)
        notes.append(note)
    chosen, left_out = chosen_clips(clips(hello, poses, options.align), options)
    notes += left_out
    if options.smooth == "offline":
        chosen, note = smoothed_clips(chosen)
        notes.append(note)
    if options.foot_lock:
        chosen, more = foot_locked(chosen)
        notes += more
    timed = [(clip, rate_of(clip, options)) for clip in chosen]
    notes += [
        f"frames are not evenly spaced, {options.to} knows one rate: resampled to {rate:g} Hz; --rate chooses another"
        for rate in dict.fromkeys(rate for _, rate in timed if rate and not options.rate_hz)
    ]
    return [resampled(clip, rate) if rate else clip for clip, rate in timed], notes


def rate_of(clip: ExportClip, options: ExportOptions) -> float | None:
    """Return the rate to resample to: the one asked for, or that of a format whose frames would drift from their
    times."""
    if options.rate_hz or not options.format.even_only or even(clip):
        return options.rate_hz
    return float(max(1, round(clip.rate_hz)))


def chosen_clips(everybody: list[ExportClip], options: ExportOptions) -> tuple[list[ExportClip], list[str]]:
    """Select the people of the options; return them and a remark on those left out."""
    ids = ", ".join(str(clip.person) for clip in everybody)
    chosen = [clip for clip in everybody if options.person in (None, clip.person)]
    if not chosen:
        raise RecordingError(f"nobody with id {options.person} in this recording; there are: {ids}")
    chosen, notes = seen_for_long(chosen, options)
    chosen, more = worth_writing(chosen, options)
    return chosen, notes + more


def seen_for_long(everybody: list[ExportClip], options: ExportOptions) -> tuple[list[ExportClip], list[str]]:
    """Keep people in enough frames; without an explicit limit everybody, where that would leave nobody."""
    least = FLASH_FRAMES if options.min_frames is None else options.min_frames
    counts = {clip.person: int(np.isfinite(clip.xyz).all(-1).any(-1).sum()) for clip in everybody}
    long = [clip for clip in everybody if counts[clip.person] >= least]
    if not long and options.min_frames is not None:
        most = max(counts.values())
        raise RecordingError(f"nobody was seen in {least} frames, at most in {most}; try --min-frames {most}")
    if not long or (options.min_frames is None and options.person is not None):
        return everybody, []
    gone = [
        f"person {i}: in {n} frames only, left out; --min-frames 1 keeps them" for i, n in counts.items() if n < least
    ]
    return long, gone


def worth_writing(everybody: list[ExportClip], options: ExportOptions) -> tuple[list[ExportClip], list[str]]:
    """Of formats with one file a person: those with a joint that is certain enough."""
    if options.format.write_all:
        return everybody, []
    shown = [clip for clip in everybody if np.isfinite(clip.known_xyz(options.keep)).any()]
    if not shown:
        raise RecordingError(f"nobody has a joint that is at least {options.keep}; try --keep held")
    gone = [clip.person for clip in everybody if clip not in shown]
    return shown, [f"person {i}: no joint is at least {options.keep}, left out; try --keep held" for i in gone]


def write_one(path: Path, clip: ExportClip, options: ExportOptions) -> None:
    found = options.format
    assert found.write_one is not None
    names = options.names or (found.names[0] if found.names else "")
    found.write_one(path, clip, options.keep, names, 100.0 if options.centimetres else 1.0)
    if found.marks_beside:
        write_marks(marks_path(path), clip, found.whole_axis)


def files_of(path: Path, options: ExportOptions) -> list[Path]:
    return [path, marks_path(path)] if options.format.marks_beside else [path]


def one_of(out: Path, clip: ExportClip, chosen: list[ExportClip]) -> Path:
    """walk.bvh, or walk.p3.bvh where there are several people."""
    return out if len(chosen) == 1 else out.with_suffix(f".p{clip.person}{out.suffix}")


def refuse_existing(targets: list[Path], force: bool) -> None:
    for path in [] if force else targets:
        if path.exists():
            raise RecordingError(f"{path} exists; choose another name with --out, or --force to replace it")


def notes_on(clip: ExportClip, options: ExportOptions) -> list[str]:
    notes = []
    missing = float(np.isnan(clip.known_xyz(options.keep)).any(-1).mean())
    if missing > 0:
        how = "keep their last rotation" if options.format.rig else "are left empty"
        worse = LESS_CERTAIN[options.keep]
        notes.append(f"person {clip.person}: {100 * missing:.1f} % of the joints were {worse} and {how}")
    if not clip.absolute:
        notes.append(f"person {clip.person}: no position in the room; joints are relative to {clip.joints[0]}")
    return notes


def even(clip: ExportClip) -> bool:
    times = clip.axis.times_s
    return bool(np.abs(times - np.arange(len(times)) / clip.rate_hz).max() < 0.5 / clip.rate_hz)
