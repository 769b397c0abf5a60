"""Read MPI-INF-3DHP as the public conversions lay it out: `data_train_3dhp.npz`, `data_test_3dhp.npz`.

Millimetres in camera axes, root 14, the chest-high cameras.  Lenses come from the set's calibration files, else from
the data itself (3D and 2D of one camera determine it), else they are guessed, which is told.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import H36M_17, Array
from trainers.data import motion, views
from trainers.data.mocap.clean import floor
from trainers.data.motion import MotionSegment
from trainers.data.public.skeletool import Pinhole, best, fitted, read_calibration
from trainers.data.public.trusted import load_trusted, member
from trainers.data.views import RecordedView
from trainers.errors import UserError

ORDER = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]  # place in the file of each of the 17
CHEST = ("0", "2", "4", "7", "8")
TRAIN_FPS, TEST_FPS = 25.0, 25.0
SQUARE, WIDE = (2048.0, 2048.0), (1920.0, 1080.0)
WIDE_TESTS = ("TS5", "TS6")
UNKNOWN = Pinhole("guessed", (float("nan"), float("nan")), (float("nan"), float("nan")), (0.0, 0.0))
CALIBRATION = "camera.calibration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, required=True, help="data_train_3dhp.npz")
    parser.add_argument("--test", type=Path, help="data_test_3dhp.npz")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="PATH",
        help="camera.calibration, or the set's folder with S1/Seq1/... in it",
    )
    parser.add_argument(
        "--test-calibration", type=Path, action="append", default=[], metavar="FILE",
        help="of the test sequences; repeat for TS1-4 and TS5-6",
    )  # fmt: skip


def prepare(args: argparse.Namespace) -> list[str]:
    train = member(load_trusted(args.file, args.trust), "data", args.file)
    lenses = Lenses(args.calibration, [read_calibration(path) for path in args.test_calibration])
    seen = [v for name, item in train.items() for v in training_views(name, item, args.file, lenses)]
    if args.test:
        test = member(load_trusted(args.test, args.trust), "data", args.test)
        seen += [test_view(name, item, args.test, lenses) for name, item in test.items()]
    good = [v for v in seen if usable(v)]
    for subject in sorted({v.subject for v in good}):
        mine = [v for v in good if v.subject == subject]
        views.save(args.out, subject, mine, np.ones(len(H36M_17), bool))
        first = {v.clip: v for v in reversed(mine)}  # one camera is enough for the motion
        motion.save(args.out, subject, [upright(v) for v in first.values()])
    motion.write_index(args.out, [{"clip": v.clip, "subject": v.subject, "desc": v.action} for v in good])
    guessed = [
        f"{v.clip} camera {v.camera}: kept, but its focal length is guessed; give --calibration and --test-calibration"
        for v in good
        if not v.calibrated
    ]
    return guessed + [f"{v.clip} camera {v.camera}: NaN, inf or too few frames" for v in seen if not usable(v)]


@dataclass(frozen=True)
class Lenses:
    """Where lenses come from."""

    training: Path | None
    test: list[dict[str, Pinhole]]

    def of_training(self, subject: str, sequence: str, camera: str, xyz: Array, xy: Array) -> Pinhole:
        if self.training is None:
            return fitted(xyz, xy) or UNKNOWN
        path = self.training / subject / sequence / CALIBRATION if self.training.is_dir() else self.training
        cameras = read_calibration(path)
        if camera not in cameras:
            raise UserError(f"--calibration {path}: no camera {camera}; it has {', '.join(cameras)}")
        return cameras[camera]

    def of_test(self, size: tuple[float, float], xyz: Array, xy: Array) -> Pinhole:
        fitting = {
            f"{n} {name}": c for n, of in enumerate(self.test) for name, c in of.items() if c.size in (size, (0, 0))
        }
        if self.test and not fitting:
            sizes = sorted({c.size for of in self.test for c in of.values()})
            raise UserError(f"--test-calibration: cameras of {sizes}, none of {size}; give the file of these sequences")
        return best(fitting, xyz, xy) if fitting else fitted(xyz, xy) or UNKNOWN


def usable(view: RecordedView) -> bool:
    return bool(np.isfinite(view.xyz).all() and len(view.xyz) > 1)


def training_views(name: str, item: Any, path: Path, lenses: Lenses) -> list[RecordedView]:
    """'S1 Seq1': [{camera: {data_2d, data_3d}}, fps] -> the chest-high cameras."""
    cameras, fps = item[0], float(np.asarray(item[1]).reshape(-1)[0]) if len(item) > 1 else TRAIN_FPS
    chosen = {str(c): arrays for c, arrays in cameras.items() if str(c) in CHEST}
    if not chosen:
        raise UserError(f"{path}: {name}: cameras {', '.join(map(str, cameras))}; expected some of {', '.join(CHEST)}")
    subject, _, sequence = name.partition(" ")
    out = []
    for c, arrays in chosen.items():
        xyz, xy, valid = read_arrays(arrays, name, path)
        lens = lenses.of_training(subject, sequence, c, xyz, xy)
        out.append(view(xyz, xy, valid, lens, SQUARE, fps, (name, subject, sequence, c)))
    return out


def test_view(name: str, item: Any, path: Path, lenses: Lenses) -> RecordedView:
    size = WIDE if name in WIDE_TESTS else SQUARE
    xyz, xy, valid = read_arrays(item, name, path)
    return view(xyz, xy, valid, lenses.of_test(size, xyz, xy), size, TEST_FPS, (name, name, name, "0"))


def read_arrays(arrays: Any, clip: str, path: Path) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return joints (T, 17, 3) mm, keypoints (T, 17, 2) px, in the file's order, and which frames count."""
    missing = {"data_3d", "data_2d"} - set(arrays)
    if missing:
        raise UserError(f"{path}: {clip}: {', '.join(sorted(missing))} missing; is it the file of another conversion?")
    xyz, xy = np.asarray(arrays["data_3d"], np.float32), np.asarray(arrays["data_2d"], np.float32)
    if xyz.shape[1:] != (17, 3) or xy.shape[1:] != (17, 2) or len(xyz) != len(xy):
        raise UserError(f"{path}: {clip}: 3D {xyz.shape}, 2D {xy.shape}; expected (T, 17, 3) and (T, 17, 2)")
    return xyz, xy, np.asarray(arrays.get("valid", np.ones(len(xyz))), bool).reshape(-1)


def view(
    xyz: Array, xy: Array, valid: NDArray[np.bool_], lens: Pinhole, size: tuple[float, float], fps: float,
    names: tuple[str, str, str, str],
) -> RecordedView:  # fmt: skip
    """`names`: clip, subject, action, camera."""
    scores = np.ones((len(xyz), 17), np.float32)
    metres = np.asarray(xyz[:, ORDER] / 1000, xyz.dtype)
    return RecordedView(metres, xy[:, ORDER], scores, valid, fps, size, lens.focal, lens.centre, *names)


def upright(view: RecordedView) -> MotionSegment:
    """Map camera axes -> Y up, taking the camera for level, on the floor."""
    xyz: Array = view.xyz * np.array([1, -1, -1], np.float32)
    xyz = xyz - np.array([0, floor(xyz), 0], np.float32)
    return MotionSegment(xyz, view.fps, view.clip, view.subject, view.action)
