"""Summarise a motion folder: a table on the terminal and `summary.png` beside the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from trainers.data import motion, views
from trainers.data.motion import MotionSet


def report(folder: Path, skipped: list[str]) -> None:
    """Print the table, name what was left out, draw the plot."""
    console = Console()
    found = motion.load(folder)
    console.print(table(found))
    for line in skipped:
        console.print(f"skipped: {line}", markup=False, highlight=False)
    if views.present(folder):
        seen = views.load(folder).views
        console.print(f"{len(seen)} recorded views from {len({v.camera for v in seen})} cameras")
    plot(found, folder / "summary.png")
    print(
        f"{folder}: {found.seconds / 60:.1f} minutes of motion, {len(skipped)} skipped; plot: {folder / 'summary.png'}"
    )


def table(motion_set: MotionSet) -> Table:
    out = Table("subject", "takes", "segments", "seconds", "held for validation")
    held = motion.companions(motion.VALIDATION)
    for subject in motion_set.subjects:
        part = motion_set.only([subject])
        takes = len({motion.take(s.clip) for s in part.segments})
        out.add_row(subject, str(takes), str(len(part)), f"{part.seconds:.1f}", "yes" if subject in held else "")
    out.add_row("all", "", str(len(motion_set)), f"{motion_set.seconds:.1f}", style="bold")
    return out


def plot(motion_set: MotionSet, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(14, 4))
    subjects = motion_set.subjects
    axes[0].barh(subjects, [motion_set.only([s]).seconds for s in subjects])
    axes[0].set(xlabel="seconds", title="motion by subject")
    axes[0].tick_params(axis="y", labelsize=6)
    speeds = [np.linalg.norm(np.diff(s.xyz, axis=0), axis=-1).max(1) * s.fps for s in motion_set.segments]
    axes[1].hist(np.concatenate(speeds), bins=60, log=True)
    axes[1].set(xlabel="fastest joint, m/s", title="frames by speed")
    heights = np.concatenate([s.xyz[:, 0, 1] for s in motion_set.segments])
    axes[2].hist(heights, bins=60, log=True)
    axes[2].set(xlabel="pelvis over the floor, m", title="frames by height")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
