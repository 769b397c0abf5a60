"""A folder of recorded views as `trainers prepare` makes it: walkers seen by calibrated cameras around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.people.walkers import walkers
from trainers.data import motion, views
from trainers.data.motion import MotionSegment
from trainers.data.views import RecordedView

H36M = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")


def recorded_view(subject: str, turn: float = 0.0, frames: int = 150, action: str = "Eat") -> RecordedView:
    """From a camera turned about the person by `turn` rad."""
    around = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]], np.float32)
    pose = walkers(1, frames)[0].numpy() * np.array([1, -1, 1], np.float32) @ around
    xyz = pose - pose[:, :1] + np.array([0.3, 0, 4], np.float32)
    xy = xyz[..., :2] / xyz[..., 2:] * 1145 + np.array([512, 515], np.float32)
    score, valid = np.ones((frames, 17), np.float32), np.ones(frames, bool)
    names = (f"{subject}/{action}", subject, action, f"{turn:g}")
    return RecordedView(xyz, xy, score, valid, 50.0, (1000.0, 1002.0), (1145.0, 1145.0), (512.0, 515.0), *names)


def recorded_folder(
    folder: Path, subjects: tuple[str, ...] = H36M, turns: tuple[float, ...] = (0.0, 1.2), frames: int = 150
) -> Path:
    """Views and motion of every subject."""
    for subject in subjects:
        seen = [recorded_view(subject, turn, frames) for turn in turns]
        views.save(folder, subject, seen, np.ones(17, bool))
        xyz = walkers(1, frames)[0].numpy()
        motion.save(folder, subject, [MotionSegment(xyz, 50.0, seen[0].clip, subject, seen[0].action)])
    return folder
