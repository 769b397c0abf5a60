"""Write joint angles as CSV (everybody in one file) or as OpenSim's MOT (a file a person)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from realtime.export.angles import angles, opensim_name
from realtime.export.clip import ExportClip


def write_csv(path: Path, clips: list[ExportClip], keep: str = "inferred") -> None:
    """One row a person and frame, degrees; empty where a joint that the angle needs is missing."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        for number, clip in enumerate(clips):
            found = angles(clip, keep)
            if number == 0:
                rows.writerow(["person", "frame", "time_s", *(f"{name}_deg" for name in found)])
            for i, (frame, time_s) in enumerate(zip(clip.frames, clip.times_s)):
                rows.writerow([clip.person, frame, f"{time_s:.6f}", *(cell(values[i]) for values in found.values())])


def cell(degrees: float) -> str:
    return "" if np.isnan(degrees) else f"{degrees:.3f}"


def write_mot(path: Path, clip: ExportClip, keep: str = "inferred") -> None:
    """OpenSim's coordinates in degrees; `nan` where a joint is missing; angles that are never known are left out."""
    found = {name: values for name, values in angles(clip, keep).items() if np.isfinite(values).any()}
    named = [(*opensim_name(name), values) for name, values in found.items()]
    table = np.column_stack([clip.times_s, *(sign * values for _, sign, values in named)])
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"Coordinates\nversion=1\nnRows={len(table)}\nnColumns={len(named) + 1}\ninDegrees=yes\nendheader\n")
        file.write("\t".join(["time", *(name for name, *_ in named)]) + "\n")
        for row in table:
            file.write("\t".join(f"{value:.6f}" for value in row) + "\n")
