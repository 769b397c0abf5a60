"""Read and write recorded views: keypoints of a real camera with 3D truth; `views_<subject>.npz`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import npz
from engines.skeleton import H36M_17, Array
from trainers.data.motion import PUBLISHED_TEST
from trainers.errors import UserError
from trainers.geometry.undistortion import NONE, Coefficients, undistort
from trainers.user_file import read_bytes

GUESSED_FOV_DEG = 63.0  # over the longer side, for cameras that nobody calibrated


@dataclass(frozen=True)
class RecordedView:
    xyz: Array  # (T, 17, 3) m, camera axes, absolute
    xy: Array  # (T, 17, 2) px
    score: Array  # (T, 17) 0: not detected
    valid: NDArray[np.bool_]  # (T,) frames that count
    fps: float
    size: tuple[float, float]  # px
    focal: tuple[float, float]  # px, NaN when unknown
    centre: tuple[float, float]
    clip: str
    subject: str
    action: str
    camera: str
    distortion: Coefficients = NONE  # k1, k2, p1, p2, k3

    @property
    def calibrated(self) -> bool:
        return bool(np.isfinite(self.focal).all())

    @property
    def screen(self) -> float:
        """Screen units of VideoPose3D (half the picture's width is 1) in one unit of rays."""
        focal = self.focal[0] if self.calibrated else guessed_focal(self.size)
        return focal / (self.size[0] / 2)

    def rays(self) -> Array:
        """Return (T, 17, 2) as the runtime computes them, with given or guessed intrinsics; without the lens's
        distortion."""
        focal, centre = np.array(self.focal), np.array(self.centre)
        if not self.calibrated:
            focal, centre = np.full(2, guessed_focal(self.size)), np.array(self.size) / 2
        return np.asarray(undistort((self.xy - centre) / focal, self.distortion), np.float32)


def guessed_focal(size: tuple[float, float]) -> float:
    """Return px, of a camera that nobody calibrated."""
    return float(max(size) / 2 / np.tan(np.radians(GUESSED_FOV_DEG / 2)))


@dataclass(frozen=True)
class ViewSet:
    views: tuple[RecordedView, ...]
    known: NDArray[np.bool_]  # (17,) joints that the data set really has
    name: str = ""


def save(folder: Path, subject: str, views: list[RecordedView], known: NDArray[np.bool_]) -> Path:
    path = folder / f"views_{subject.replace('/', '-')}.npz"
    partial = path.with_suffix(".partial.npz")
    of_views = ("fps", "size", "focal", "centre", "distortion", "clip", "subject", "action", "camera")
    arrays: dict[str, Any] = {
        **{name: np.concatenate([getattr(v, name) for v in views]) for name in ("xyz", "xy", "score", "valid")},
        **{name: np.array([getattr(v, name) for v in views]) for name in of_views},
        "start": np.cumsum([0] + [len(v.xyz) for v in views]).astype(np.int32),
        "known": known,
    }
    np.savez_compressed(partial, **arrays)
    partial.replace(path)
    return path


MOST_BYTES, MOST_ARRAYS = 4 << 30, 64  # of one file, unpacked


def present(folder: Path) -> bool:
    return any(folder.glob("views_*.npz"))


def load(folder: Path) -> ViewSet:
    views: list[RecordedView] = []
    known = np.ones(len(H36M_17), bool)
    for path in sorted(folder.glob("views_*.npz")):
        try:
            arrays = npz.read(read_bytes(path, MOST_BYTES), MOST_BYTES, MOST_ARRAYS)
            views += _views(arrays)
            known &= arrays["known"]
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise UserError(f"{path}: no readable views ({error}); prepare the folder anew") from None
    if not views:
        raise UserError(f"{folder}: no views_*.npz in it; make them: trainers prepare h36m --cameras FILE ...")
    return ViewSet(tuple(views), known, str(folder))


def for_papers(views: ViewSet) -> tuple[ViewSet, ViewSet, ViewSet]:
    """(to train on, to fit sigma on, to judge on): the papers' test subjects where the set has them, else its last.

    Sigma is fitted on the last training subject: the protocol leaves nobody else, and no test subject may be used.
    """
    people = sorted({v.subject for v in views.views})
    held = [p for p in people if p in PUBLISHED_TEST] or people[-1:]
    if set(held) == set(people):
        raise UserError(f"{views.name}: only {', '.join(people)}, whom one tests on; prepare training subjects too")
    trained = [p for p in people if p not in held]
    parts = (trained, trained[-1:], held)
    return tuple(  # type: ignore[return-value]
        ViewSet(tuple(v for v in views.views if v.subject in part), views.known, views.name) for part in parts
    )


def _views(arrays: dict[str, Any]) -> list[RecordedView]:
    borders = arrays["start"].tolist()
    of_frames, of_view = ("xyz", "xy", "score", "valid"), ("size", "focal", "centre", "distortion")
    found = []
    for i, (a, b) in enumerate(pairwise(borders)):
        values: dict[str, Any] = {name: arrays[name][a:b] for name in of_frames}
        values |= {name: tuple(map(float, arrays[name][i])) for name in of_view}
        values |= {name: str(arrays[name][i]) for name in ("clip", "subject", "action", "camera")}
        found.append(RecordedView(fps=float(arrays["fps"][i]), **values))
    return found
