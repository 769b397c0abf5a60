"""One export: a recording's poses to files of one format, with what was smoothed, resampled and left out told.

Knows: which format writes what, names of files.  Does not know: the command line, progress bars.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.export import bvh, c3d, tables, trc
from realtime.export.clip import Clip, clips, resampled
from realtime.messages import Hello, Pose3D
from realtime.recording import RecordingError
from realtime.smoothing import PoseSmoother, delay, jitter

ALL_PEOPLE: dict[str, Callable[[Path, list[Clip]], None]] = {
    "csv": tables.write_csv,
    "json": tables.write_json,
    "npz": tables.write_npz,
}
ONE_PERSON = ("bvh", "trc", "c3d")
FORMATS = (*ONE_PERSON, *ALL_PEOPLE)
WITHOUT_MARKS = ("bvh", "trc")  # these cannot mark a hidden joint: a file of states goes beside them


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


@dataclass(frozen=True)
class Done:
    files: list[Path]
    notes: list[str]


def export(hello: Hello, poses: list[Pose3D], options: Options) -> Done:
    notes = []
    if options.smooth:
        smooth = smoothed(poses)
        notes.append(cost_of_smoothing(hello, poses, smooth))
        poses = smooth
    chosen = chosen_clips(hello, poses, options)
    targets = [options.out] if options.to in ALL_PEOPLE else [one_of(options.out, clip, chosen) for clip in chosen]
    refuse_existing(targets, options.force)
    if options.to in ALL_PEOPLE:
        ALL_PEOPLE[options.to](options.out, chosen)
        return Done(targets, notes)
    files = [file for target, clip in zip(targets, chosen) for file in write_one(target, clip, options)]
    return Done(files, notes + [note for clip in chosen for note in notes_on(clip, options)])


def chosen_clips(hello: Hello, poses: list[Pose3D], options: Options) -> list[Clip]:
    everybody = clips(hello, poses)
    chosen = [clip for clip in everybody if options.person in (None, clip.person)]
    if not chosen:
        ids = ", ".join(str(clip.person) for clip in everybody)
        raise RecordingError(f"nobody with id {options.person} in this recording; there are: {ids}")
    return [resampled(clip, options.rate_hz) if options.rate_hz else clip for clip in chosen]


def write_one(path: Path, clip: Clip, options: Options) -> list[Path]:
    if options.to == "bvh":
        bvh.write(path, clip, options.keep, 100.0 if options.centimetres else 1.0)
    else:
        {"trc": trc.write, "c3d": c3d.write}[options.to](path, clip, options.keep)
    if options.to not in WITHOUT_MARKS:
        return [path]
    tables.write_states(states_beside(path), clip)
    return [path, states_beside(path)]


def states_beside(path: Path) -> Path:
    return path.with_suffix(".states.csv")


def one_of(out: Path, clip: Clip, chosen: list[Clip]) -> Path:
    """walk.bvh, or walk.p3.bvh where there are several people."""
    return out if len(chosen) == 1 else out.with_suffix(f".p{clip.person}{out.suffix}")


def refuse_existing(targets: list[Path], force: bool) -> None:
    for path in [] if force else targets:
        if path.exists():
            raise RecordingError(f"{path} exists; choose another name with --out, or --force to replace it")


def notes_on(clip: Clip, options: Options) -> list[str]:
    notes = []
    missing = float(np.isnan(clip.kept(options.keep)).any(-1).mean())
    if missing > 0:
        how = "keep their last rotation" if options.to == "bvh" else "are left empty"
        notes.append(f"person {clip.person}: {100 * missing:.1f} % of the joints were not {options.keep} and {how}")
    if options.to in ("bvh", "c3d") and not even(clip):
        notes.append(f"person {clip.person}: frames are not evenly spaced; --rate {clip.rate_hz:.0f} makes them so")
    if not clip.absolute:
        notes.append(f"person {clip.person}: no position in the room; joints are relative to {clip.joints[0]}")
    return notes


def even(clip: Clip) -> bool:
    ideal = np.arange(len(clip)) / clip.rate_hz
    return bool(np.abs(clip.times_s - ideal).max() < 0.5 / clip.rate_hz)


def smoothed(poses: list[Pose3D]) -> list[Pose3D]:
    smoother = PoseSmoother()
    return [smoother.smooth(pose) for pose in poses]


def cost_of_smoothing(hello: Hello, raw: list[Pose3D], smooth: list[Pose3D]) -> str:
    """What was paid and what it bought, on the person seen longest."""
    before, after = (max(clips(hello, poses), key=len) for poses in (raw, smooth))
    whole = np.isfinite(before.xyz).all((1, 2))
    dt_s = 1 / before.rate_hz
    trembling = [jitter(clip.xyz[whole], dt_s) for clip in (before, after)]
    if whole.sum() < 30:
        return "smoothing: too few whole frames to measure its delay"
    late_ms = 1e3 * delay(before.xyz[whole], after.xyz[whole], dt_s)
    return (
        f"smoothing: {late_ms:.0f} ms of delay; jitter {trembling[0]:.1f} -> {trembling[1]:.1f} m/s2 (RMS acceleration)"
    )
