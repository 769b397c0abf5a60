"""Read and write calibration.json: cameras with OpenCV's matrix, distortion, rotation and translation.

A list of cameras: name, size [width, height] px, K (3, 3), dist, R (3, 3) and t (3,), world to camera in metres.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.calibration.errors import CalibrationError
from realtime.calibration.text_file import read_text

RIGID = 1e-3  # how far R R^T may lie from the identity


def read_json(path: Path) -> list[CalibratedCamera]:
    """Return cameras of a calibration.json."""
    if not path.is_file():
        raise CalibrationError(f"{path}: missing")
    try:
        plain = json.loads(read_text(path))
        cameras = [_camera(entry) for entry in plain]
    except CalibrationError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CalibrationError(
            f"{path}: no list of cameras with name, size, K, dist, R, t ({type(error).__name__}: {error})"
        ) from None
    return checked(cameras, path)


def checked(cameras: list[CalibratedCamera], path: Path) -> list[CalibratedCamera]:
    """At least one camera, no name twice, rotations that are rotations."""
    names = [camera.name for camera in cameras]
    if not cameras:
        raise CalibrationError(f"{path}: no camera in it; expected at least one with matrix, rotation and translation")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CalibrationError(f"{path}: camera {twice[0]} stands there twice; names tell films apart, rename one")
    for camera in cameras:
        if not np.allclose(camera.R @ camera.R.T, np.eye(3), atol=RIGID) or np.linalg.det(camera.R) < 0:
            raise CalibrationError(
                f"{path}: camera {camera.name}: R is no rotation; expected world to camera, rows of a frame"
            )
    return cameras


def _camera(entry: dict[str, Any]) -> CalibratedCamera:
    width, height = (int(side) for side in entry["size"])
    return CalibratedCamera(
        str(entry["name"]), (width, height), array(entry["K"], (3, 3)), np.ravel(np.asarray(entry["dist"], np.float64)),
        array(entry["R"], (3, 3)), array(entry["t"], (3,)),
    )  # fmt: skip


def array(values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return finite numbers of this shape, or ValueError."""
    found = np.asarray(values, np.float64)
    if found.size != np.prod(shape) or not np.isfinite(found).all():
        raise ValueError(f"found {found.shape} numbers, expected {shape}, all finite")
    return found.reshape(shape)


def write_calibration(path: Path, cameras: list[CalibratedCamera]) -> None:
    plain = [
        {"name": c.name, "size": list(c.size)} | {k: getattr(c, k).tolist() for k in ("K", "dist", "R", "t")}
        for c in cameras
    ]
    path.write_text(json.dumps(plain, indent=1) + "\n")
