"""Read and split human motion on disk: folders of `subject_*.npz` with an `index.json`.

A folder holds `subject_<name>.npz`: `root` float32 (N, 3) metres, Y up; `rel` int16 (N, 17, 3) tenths of a millimetre
from the pelvis; `start` int32 (S + 1) segment borders; `clip` (S) names; `joints` (17); `fps`; and `index.json`, a list
of {clip, subject, desc}.  Segments of one file do not join.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines import npz
from engines.skeleton import H36M_17, Array
from trainers.errors import UserError
from trainers.user_file import read_bytes, read_json

UNIT_M = 1e-4  # of `rel`
VALIDATION = ("05", "06", "07", "15", "26", "32", "39", "124")
# whom the papers test on: Human3.6M, MPI-INF-3DHP, HumanEva (3DPW is for tests only)
PUBLISHED_TEST = ("S9", "S11", *(f"TS{n}" for n in range(1, 7)), *(f"Validate-S{n}" for n in (1, 2, 3)))
CALIBRATION = ("05", "07", "32", "124")  # half of VALIDATION: sigma is fitted here and judged on the other half
SAME_PEOPLE = (("60", "61"), ("16", "35", "16or35"))  # the same takes or persons under several names
MOST_BYTES, MOST_ARRAYS = 4 << 30, 64  # of one subject, unpacked
KEYS = ("root", "rel", "start", "clip", "joints", "fps")


@dataclass(frozen=True)
class MotionSegment:
    """One unbroken piece of motion."""

    xyz: Array  # (T, 17, 3) metres, Y up, right-handed, floor at about y = 0
    fps: float
    clip: str
    subject: str
    action: str = ""

    @property
    def seconds(self) -> float:
        return len(self.xyz) / self.fps


@dataclass(frozen=True)
class MotionSet:
    segments: tuple[MotionSegment, ...]
    name: str = ""

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(sorted({s.subject for s in self.segments}))

    @property
    def frames(self) -> int:
        return sum(len(s.xyz) for s in self.segments)

    @property
    def seconds(self) -> float:
        return sum(s.seconds for s in self.segments)

    def only(self, subjects: Iterable[str]) -> MotionSet:
        wanted = set(subjects)
        return MotionSet(tuple(s for s in self.segments if s.subject in wanted), self.name)

    def clip(self, name: str) -> MotionSet:
        """Return the segments of one clip; an error that names the nearest clips when there is none."""
        from difflib import get_close_matches

        found = tuple(s for s in self.segments if name in (s.clip, take(s.clip)))
        if found:
            return MotionSet(found, self.name)
        near = get_close_matches(name, {s.clip for s in self.segments}, n=3, cutoff=0.3)
        raise UserError(f"{self.name or 'motion'}: no clip {name!r}; nearest: {', '.join(near) or 'none'}")


def take(clip: str) -> str:
    """`01_01@855` is a part of the take `01_01`."""
    return clip.split("@")[0]


def companions(subjects: Iterable[str]) -> set[str]:
    """Return the subjects and everyone who is the same person or the same take."""
    names = set(subjects)
    for group in SAME_PEOPLE:
        if names & set(group):
            names |= set(group)
    return names


def split(motion: MotionSet, validation: Iterable[str] = (*VALIDATION, *PUBLISHED_TEST)) -> tuple[MotionSet, MotionSet]:
    """(training, validation); nobody of the validation is in training under any name."""
    held = companions(validation)
    train, valid = motion.only(set(motion.subjects) - held), motion.only(held)
    for part, name in ((train, "training"), (valid, "validation")):
        if not part.segments:
            raise UserError(
                f"{motion.name}: no subject left for {name}: the folder has {', '.join(motion.subjects)}, "
                f"validation is {', '.join(sorted(held))}; name validation subjects that leave both sides some"
            )
    return train, valid


def load(folder: str | Path) -> MotionSet:
    """Return every segment of a folder, by subject, then as stored."""
    folder = Path(folder)
    files = sorted(folder.glob("subject_*.npz"))
    if not files:
        found = f"{len(list(folder.iterdir()))} other entries" if folder.is_dir() else "no such folder"
        raise UserError(
            f"{folder}: no subject_*.npz in it ({found}); "
            f"make them from raw motion: trainers prepare cmu --root RAW --out {folder}"
        )
    actions = _actions(folder / "index.json")
    return MotionSet(tuple(s for f in files for s in _read(f, actions)), str(folder))


def long_segments(folder: str | Path, seconds: float, part: str) -> list[MotionSegment]:
    """Load the segments of `seconds` or more, of the people to validate on (part `validation`) or of all others."""
    everything = load(folder)
    long = MotionSet(tuple(s for s in everything.segments if s.seconds >= seconds), everything.name)
    if not long.segments:
        raise UserError(f"{folder}: no segment of {seconds:g} s or more; prepare more motion: trainers prepare cmu")
    train, validation = split(long)
    return list((validation if part == "validation" else train).segments)


def save(folder: str | Path, subject: str, segments: list[MotionSegment]) -> Path:
    """Write one subject; complete or not at all."""
    path = Path(folder) / f"subject_{subject}.npz"
    root = np.concatenate([s.xyz[:, 0] for s in segments]).astype(np.float32)
    relative = np.concatenate([s.xyz - s.xyz[:, :1] for s in segments])
    if np.abs(relative).max() >= 3.27 or not np.isfinite(root).all():
        raise UserError(f"{path.name}: a joint lies {np.abs(relative).max():.1f} m from the pelvis; wrong unit?")
    borders = np.cumsum([0] + [len(s.xyz) for s in segments]).astype(np.int32)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        root=root,
        rel=np.rint(relative / UNIT_M).astype(np.int16),
        start=borders,
        clip=np.array([s.clip for s in segments]),
        joints=np.array(H36M_17.joints),
        fps=np.array(segments[0].fps, np.float32),
    )
    partial.replace(path)
    return path


def write_index(folder: str | Path, entries: list[dict[str, Any]]) -> None:
    path = Path(folder) / "index.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(entries, indent=1) + "\n")
    partial.replace(path)


def _actions(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        return {e["clip"]: e.get("desc", "") for e in read_json(path)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: expected a list of {{clip, subject, desc}}: {error}; prepare the folder anew"
        ) from None


def _read(path: Path, actions: dict[str, str]) -> list[MotionSegment]:
    arrays = _arrays(path)
    xyz = arrays["root"][:, None] + arrays["rel"].astype(np.float32) * np.float32(UNIT_M)
    if not np.isfinite(xyz).all():
        frame = int(np.argwhere(~np.isfinite(xyz))[0, 0])
        raise UserError(f"{path}: NaN or inf in frame {frame}; remove the file or prepare it anew")
    subject, fps = path.stem.removeprefix("subject_"), float(arrays["fps"])
    borders = arrays["start"].tolist()
    return [
        MotionSegment(
            np.ascontiguousarray(xyz[a:b], np.float32), fps, str(clip), subject, actions.get(take(str(clip)), "")
        )
        for a, b, clip in zip(borders, borders[1:], arrays["clip"])
    ]


def _arrays(path: Path) -> dict[str, Any]:
    try:
        found = npz.read(read_bytes(path, MOST_BYTES), MOST_BYTES, MOST_ARRAYS)
        missing = [k for k in KEYS if k not in found]
        arrays = {} if missing else {k: found[k] for k in KEYS}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable npz without pickled objects ({error}); prepare it anew") from None
    if missing:
        raise UserError(f"{path}: keys {', '.join(missing)} are missing; expected {', '.join(KEYS)}; prepare it anew")
    if any(arrays[k].ndim != n for k, n in (("root", 2), ("start", 1), ("clip", 1), ("fps", 0))):
        raise UserError(f"{path}: root, start, clip or fps have other dimensions than expected; prepare it anew")
    frames, borders, fps = len(arrays["root"]), arrays["start"], arrays["fps"]
    if fps.dtype.kind not in "fiu" or not 1 <= float(fps) <= 10_000:
        raise UserError(f"{path}: {fps!r:.40} frames a second; expected 1 to 10000; prepare it anew")
    named = borders.dtype.kind in "iu" and len(borders) == len(arrays["clip"]) + 1
    whole = named and bool((np.diff(borders.astype(np.int64)) > 0).all())
    if not whole or arrays["root"].shape[1:] != (3,) or any(arrays[k].dtype.kind not in "fi" for k in ("root", "rel")):
        raise UserError(f"{path}: borders of segments do not rise, or places are no numbers; prepare it anew")
    if arrays["rel"].shape != (frames, len(H36M_17), 3) or borders[0] != 0 or borders[-1] != frames:
        raise UserError(
            f"{path}: rel {arrays['rel'].shape}, root {arrays['root'].shape}, borders to {borders[-1]} do not fit; "
            f"expected ({frames}, {len(H36M_17)}, 3); prepare it anew"
        )
    return arrays
