"""Read a folder of calibrated films with reference joints: calibration.json, reference.npz, one film a camera.

calibration.json: a list of cameras: name, size [width, height] px, K (3, 3), dist (OpenCV), R (3, 3) and t (3,), world
to camera in metres.  reference.npz: `xyz` (T, J, 3) metres in the world, NaN where unknown, `joints` (J,) their names
as the detector has them, `fps`.  The film of camera `cam_0` is cam_0.mp4, .mkv, .mov, .avi or .webm; the films'
frames of one index belong together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines import npz
from engines.skeleton import BLAZEPOSE_33
from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.calibration.errors import CalibrationError
from realtime.calibration.opencv_json import read_json
from trainers.errors import UserError
from trainers.user_file import read_bytes

CALIBRATION, REFERENCE = "calibration.json", "reference.npz"
FILMS = (".mp4", ".mkv", ".mov", ".avi", ".webm")
MOST_BYTES, MOST_ARRAYS = 1 << 30, 16  # of a reference, unpacked
MAKE = "make the folder with: trainers triangulate FILMS --calibration FILE --out DIR"
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class CalibratedFilm:
    path: Path
    size: tuple[int, int]  # px
    frames: int  # as the container declares
    fps: float


@dataclass(frozen=True)
class FittedCamera:
    """One camera, fitted to its film."""

    camera: CalibratedCamera
    film: CalibratedFilm


@dataclass(frozen=True)
class ReferenceJoints:
    xyz: NDArray[np.float64]  # (T, J, 3) m in the world, NaN where unknown
    joints: tuple[str, ...]
    fps: float


@dataclass(frozen=True)
class CalibratedFilms:
    name: str
    views: tuple[FittedCamera, ...]
    reference: ReferenceJoints


def load_views(folder: Path) -> CalibratedFilms:
    """Return all of a folder, checked: films are there, have the calibration's shape and as many frames as the
    reference."""
    if not folder.is_dir():
        raise UserError(f"--views {folder}: no such folder; {MAKE}")
    cameras, reference = read_calibration(folder / CALIBRATION), read_reference(folder / REFERENCE)
    views = tuple(
        FittedCamera(fitted(camera, film), film) for camera in cameras for film in [film_of(folder, camera.name)]
    )
    for view in views:
        if not same_length(view.film.frames, len(reference.xyz)):
            raise UserError(
                f"{view.film.path}: {view.film.frames} frames, {folder / REFERENCE} has {len(reference.xyz)}; cut the "
                f"film to the reference's frames, or {MAKE}"
            )
    return CalibratedFilms(folder.resolve().name, views, reference)


def same_length(film: int, reference: int) -> bool:
    """Tell whether film and reference match in length: a film may be slightly longer, never shorter."""
    return reference <= film <= 1.05 * reference + 2


def fitted(camera: CalibratedCamera, film: CalibratedFilm) -> CalibratedCamera:
    try:
        return camera.fitted(film.size)
    except ValueError as error:
        raise UserError(
            f"{film.path}: calibration and film do not belong together: camera {camera.name}: {error}; give the film "
            "that was calibrated, uncut and unrotated"
        ) from None


def film_of(folder: Path, name: str) -> CalibratedFilm:
    for suffix in FILMS:
        if (folder / f"{name}{suffix}").is_file():
            return probe(folder / f"{name}{suffix}")
    there = ", ".join(sorted(p.name for p in folder.iterdir() if p.suffix in FILMS)) or "none"
    raise UserError(f"{folder}: no film of camera {name}; films there: {there}; name it {name}.mp4")


def probe(path: Path) -> CalibratedFilm:
    """Return size, frames and rate of a film that opens."""
    capture = cv2.VideoCapture(str(path))
    width, height, fps, frames = (capture.get(key) for key in (3, 4, cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
    good = capture.isOpened() and min(width, height, frames) > 0
    capture.release()
    if not good:
        raise UserError(f"{path}: no readable film; expected a file such as cam_0.mp4")
    return CalibratedFilm(path, (int(width), int(height)), int(frames), fps if 0 < fps < 1000 else 0.0)


def pictures(film: CalibratedFilm, last: int) -> Iterator[Image]:
    """Yield the film's first frames, BGR, in order."""
    capture = cv2.VideoCapture(str(film.path))
    try:
        for _ in range(last):
            good, image = capture.read()
            if not good:
                return
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()


def read_calibration(path: Path) -> list[CalibratedCamera]:
    """Return cameras of a calibration.json."""
    try:
        return read_json(path)
    except CalibrationError as error:
        raise UserError(f"{error}; {MAKE}") from None


def read_reference(path: Path) -> ReferenceJoints:
    if not path.is_file():
        raise UserError(f"{path}: missing, so there is nothing to judge against; {MAKE}")
    try:
        data = npz.read(read_bytes(path, MOST_BYTES), MOST_BYTES, MOST_ARRAYS)
        xyz, joints, fps = (data[key] for key in ("xyz", "joints", "fps"))
    except (KeyError, ValueError, OSError) as error:
        raise UserError(f"{path}: no reference with xyz, joints, fps ({error}); {MAKE}") from None
    if xyz.dtype.kind != "f" or joints.ndim != 1 or joints.dtype.kind != "U" or fps.ndim or fps.dtype.kind not in "fiu":
        raise UserError(f"{path}: xyz, joints or fps are of another kind than numbers, names and a number; {MAKE}")
    names = tuple(str(joint) for joint in joints)
    if xyz.ndim != 3 or xyz.shape[1:] != (len(names), 3) or not float(fps) > 0:
        raise UserError(f"{path}: xyz is {xyz.shape} for {len(names)} joints at {float(fps)} fps; expected (T, J, 3)")
    if unknown := [name for name in names if name not in BLAZEPOSE_33.joints]:
        raise UserError(
            f"{path}: joint {unknown[0]} is none of the detector's; expected {', '.join(BLAZEPOSE_33.joints)}"
        )
    return ReferenceJoints(np.asarray(xyz, np.float64), names, float(fps))


def write_reference(path: Path, reference: ReferenceJoints) -> None:
    np.savez_compressed(
        path, xyz=reference.xyz.astype(np.float32), joints=np.array(reference.joints), fps=np.float64(reference.fps)
    )
