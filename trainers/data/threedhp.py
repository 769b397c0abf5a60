"""MPI-INF-3DHP as the public conversions lay it out: `data_train_3dhp.npz`, `data_test_3dhp.npz`.

Knows: the joints' order (root 14), millimetres in camera axes, the chest-high cameras.  Does not know: networks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from engines.contract import H36M_17, Array
from trainers.data import motion, views
from trainers.data.clean import floor
from trainers.data.motion import Segment
from trainers.data.trusted import load_trusted, member
from trainers.data.views import RecordedView
from trainers.errors import UserError

ORDER = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]  # place in the file of each of the 17
CHEST = ("0", "2", "4", "7", "8")
TRAIN_FPS, TEST_FPS = 25.0, 25.0
SQUARE, WIDE = (2048.0, 2048.0), (1920.0, 1080.0)
WIDE_TESTS = ("TS5", "TS6")
UNKNOWN = (float("nan"), float("nan"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, required=True, help="data_train_3dhp.npz")
    parser.add_argument("--test", type=Path, help="data_test_3dhp.npz")


def prepare(args: argparse.Namespace) -> list[str]:
    train = member(load_trusted(args.file, args.trust), "data", args.file)
    seen = [v for name, item in train.items() for v in training_views(name, item, args.file)]
    if args.test:
        test = member(load_trusted(args.test, args.trust), "data", args.test)
        seen += [test_view(name, item, args.test) for name, item in test.items()]
    good = [v for v in seen if usable(v)]
    for subject in sorted({v.subject for v in good}):
        mine = [v for v in good if v.subject == subject]
        views.save(args.out, subject, mine, np.ones(len(H36M_17), bool))
        first = {v.clip: v for v in reversed(mine)}  # one camera is enough for the motion
        motion.save(args.out, subject, [upright(v) for v in first.values()])
    motion.write_index(args.out, [{"clip": v.clip, "subject": v.subject, "desc": v.action} for v in good])
    return [f"{v.clip} camera {v.camera}: NaN, inf or too few frames" for v in seen if not usable(v)]


def usable(view: RecordedView) -> bool:
    return bool(np.isfinite(view.xyz).all() and len(view.xyz) > 1)


def training_views(name: str, item: Any, path: Path) -> list[RecordedView]:
    """'S1 Seq1': [{camera: {data_2d, data_3d}}, fps] -> the chest-high cameras."""
    cameras, fps = item[0], float(np.asarray(item[1]).reshape(-1)[0]) if len(item) > 1 else TRAIN_FPS
    chosen = {str(c): arrays for c, arrays in cameras.items() if str(c) in CHEST}
    if not chosen:
        raise UserError(f"{path}: {name}: cameras {', '.join(map(str, cameras))}; expected some of {', '.join(CHEST)}")
    subject, _, sequence = name.partition(" ")
    return [view(arrays, name, subject, sequence, c, SQUARE, fps, path) for c, arrays in chosen.items()]


def test_view(name: str, item: Any, path: Path) -> RecordedView:
    size = WIDE if name in WIDE_TESTS else SQUARE
    return view(item, name, name, name, "0", size, TEST_FPS, path)


def view(
    arrays: Any, clip: str, subject: str, action: str, camera: str, size: tuple[float, float], fps: float, path: Path
) -> RecordedView:
    missing = {"data_3d", "data_2d"} - set(arrays)
    if missing:
        raise UserError(f"{path}: {clip}: {', '.join(sorted(missing))} missing; is it the file of another conversion?")
    xyz, xy = np.asarray(arrays["data_3d"], np.float32), np.asarray(arrays["data_2d"], np.float32)
    if xyz.shape[1:] != (17, 3) or xy.shape[1:] != (17, 2) or len(xyz) != len(xy):
        raise UserError(f"{path}: {clip}: 3D {xyz.shape}, 2D {xy.shape}; expected (T, 17, 3) and (T, 17, 2)")
    valid = np.asarray(arrays.get("valid", np.ones(len(xyz))), bool).reshape(-1)
    return RecordedView(
        xyz[:, ORDER] / 1000, xy[:, ORDER], np.ones((len(xyz), 17), np.float32), valid, fps, size, UNKNOWN, UNKNOWN,
        clip, subject, action, camera,
    )  # fmt: skip


def upright(view: RecordedView) -> Segment:
    """Camera axes -> Y up, taking the camera for level, on the floor."""
    xyz: Array = view.xyz * np.array([1, -1, -1], np.float32)
    xyz = xyz - np.array([0, floor(xyz), 0], np.float32)
    return Segment(xyz, view.fps, view.clip, view.subject, view.action)
