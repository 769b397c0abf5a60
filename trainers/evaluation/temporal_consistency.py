"""`trainers steadiness RECORDING`: measure reference-free quality: bone-length variation, jitter, left/right flips.

A recording holds the stream's poses and, beside them, the detector's own 3D: both are measured in the same frames of
the same people.  A pose that never moves would pass, so this stands beside figures with truth, not in their place.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from engines.skeleton import H36M_17, Array
from realtime.lift.camera_model import GUESSED_FOV
from trainers.data.recording_clips import RecordingClip, gathered
from trainers.errors import UserError

BELIEVED = 0.5
FEWEST = 20  # frames in which a bone is seen; fewer say nothing about its length
TURNED = 0.5  # cosine: hips or shoulders that turn by 60 degrees within a frame were exchanged
LIMBS = [
    (joint, H36M_17.parents[joint])
    for joint, name in enumerate(H36M_17.joints)
    if name.split("_")[-1] in ("elbow", "wrist", "knee", "ankle")
]
WHOSE = ("detector", "stream")
ACROSS = [(H36M_17.index(f"left_{part}"), H36M_17.index(f"right_{part}")) for part in ("hip", "shoulder")]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class PersonTrack:
    """One person without a pause."""

    stream: Array  # (T, 17, 3) m
    detector: Array  # (T, 17, 3) m
    believed: Flags  # (T, 17)
    present: Flags  # (T, 17) the stream's pose means something there
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recordings", nargs="+", type=Path, metavar="RECORDING", help="of realtime run --record")
    parser.add_argument("--frames", type=int, default=60, help="whoever is seen for fewer is left out")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="the same as JSON")


def main(args: argparse.Namespace) -> int:
    found = {str(path): summary(people(path, args.frames)) for path in args.recordings}
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")
    show(found, Console(width=120))
    return 0


def people(path: Path, fewest: int) -> list[PersonTrack]:
    found = [person_track(clip) for clip in gathered(path, GUESSED_FOV)]
    long = [one for one in found if len(one.stream) >= fewest]
    if not long:
        raise UserError(
            f"{path}: nobody seen for {fewest} frames with the detector's own 3D as well; --frames asks for fewer"
        )
    return long


def person_track(clip: RecordingClip) -> PersonTrack:
    there = np.isfinite(clip.world).all((1, 2))
    stream, detector, confidence, present, times = (
        np.stack(column)[there] for column in (clip.xyz, clip.world, clip.confidence, clip.means, clip.times_ns)
    )
    seconds = float(np.ptp(times)) / 1e9 if len(times) else 0.0
    return PersonTrack(stream - stream[:, :1], detector - detector[:, :1], confidence >= BELIEVED, present, seconds)


def summary(tracks: list[PersonTrack]) -> dict[str, Any]:
    minutes = sum(one.seconds for one in tracks) / 60
    return {"people": len(tracks), "seconds": 60 * minutes} | {
        who: {
            "bones, %": 100 * mean([bone_variation(getattr(one, who), one.believed) for one in tracks]),
            "trembling, mm": 1000 * mean([trembling(getattr(one, who), one.present) for one in tracks]),
            "turns a minute": sum(turns(getattr(one, who)) for one in tracks) / max(minutes, 1e-9),
        }
        for who in WHOSE
    }


def mean(parts: list[Array]) -> float:
    values = np.concatenate(parts)
    return float(values.mean()) if len(values) else float("nan")


def bone_variation(pose: Array, believed: Flags) -> Array:
    """Of each limb's bone that is seen for long enough: deviation of its length, as a share of it."""
    shares = []
    for joint, parent in LIMBS:
        both = believed[:, joint] & believed[:, parent]
        if both.sum() >= FEWEST:
            length = np.linalg.norm(pose[both, joint] - pose[both, parent], axis=-1)
            shares.append(length.std() / max(length.mean(), 1e-6))
    return np.array(shares)


def trembling(pose: Array, present: Flags) -> Array:
    """Return acceleration of every joint that is there for three frames, metres a frame squared."""
    return np.asarray(np.linalg.norm(np.diff(pose, n=2, axis=0), axis=-1)[present[2:] & present[1:-1] & present[:-2]])


def turns(pose: Array) -> int:
    """Return frames in which hips or shoulders face elsewhere than one frame ago."""
    turned = np.zeros(len(pose) - 1, bool)
    for left, right in ACROSS:
        across = pose[:, left] - pose[:, right]
        across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
        turned |= (across[1:] * across[:-1]).sum(-1) < TURNED
    return int(turned.sum())


def show(figures: dict[str, dict[str, Any]], console: Console) -> None:
    measures = list(next(iter(figures.values()))["stream"])
    table = Table("recording", "people", "seconds", "whose", *measures, box=box.MARKDOWN)
    for path, row in figures.items():
        for who in WHOSE:
            told = (f"{row[who][m]:.1f}" for m in measures)
            table.add_row(Path(path).name, str(row["people"]), f"{row['seconds']:.0f}", who, *told)
    console.print(table)
