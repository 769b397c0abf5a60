"""Read camera calibrations of other tools: OpenCV JSON, TOML of FreeMoCap, caliscope, anipose, Pose2Sim, Qualisys text.

All become world -> camera in metres.  TOML: a table a camera (or `[cameras.N]`) with size, matrix, distortions,
rotation (a Rodrigues vector or 3x3) and translation.  Qualisys (.qca.txt): XML whose intrinsics are in 1/64 px and
whose transform is the camera's place in mm and its axes: x right, y up, z backward.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.calibration.errors import CalibrationError
from realtime.calibration.opencv_json import array, checked, read_json
from realtime.calibration.text_file import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # the same reader under its older name

F64 = NDArray[np.float64]
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}  # one of the file's units
WIDEST_M = 50.0  # no room is wider: larger numbers are millimetres
KNOWN = "OpenCV JSON (.json), FreeMoCap, caliscope, anipose, Pose2Sim (.toml), Qualisys (.qca.txt, .xml)"
SUBPIXELS = 64.0  # of Qualisys in a pixel
FULL_LINES = 1080.0  # Qualisys states intrinsics for this video resolution
FLIP = np.diag([1.0, -1.0, -1.0])  # Qualisys' camera axes -> x right, y down, z forward


def read_cameras(path: Path, unit: str = "auto") -> tuple[list[CalibratedCamera], str]:
    """Return cameras and the unit that the file's lengths were taken for."""
    if not path.is_file():
        raise CalibrationError(f"--calibration {path}: no such file; expected {KNOWN}")
    readers = {".json": _json, ".toml": _toml, ".txt": _qualisys, ".xml": _qualisys}
    if path.suffix.lower() not in readers:
        raise CalibrationError(f"--calibration {path}: {path.suffix or 'no ending'} is unknown; expected {KNOWN}")
    cameras, own = readers[path.suffix.lower()](path)
    used = own if unit == "auto" else unit
    scaled = [_scaled(camera, METRES[used]) for camera in cameras]
    return checked(scaled, path), used


def _scaled(camera: CalibratedCamera, factor: float) -> CalibratedCamera:
    return CalibratedCamera(camera.name, camera.size, camera.K, camera.dist, camera.R, camera.t * factor)


def _json(path: Path) -> tuple[list[CalibratedCamera], str]:
    return read_json(path), "m"


# --- TOML -------------------------------------------------------------------------------------------------------------


def _toml(path: Path) -> tuple[list[CalibratedCamera], str]:
    try:
        plain = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CalibrationError(f"{path}: no TOML: {error}; expected {KNOWN}") from None
    cameras = [_camera(path, name, table) for name, table in _tables(plain)]
    return cameras, toml_unit(plain.get("metadata", {}), cameras)


def _tables(plain: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield cameras by name; caliscope numbers them: camera 0 is cam_0."""
    nested = plain.get("cameras")
    for key, table in (nested if isinstance(nested, dict) else plain).items():
        if isinstance(table, dict) and "matrix" in table and not table.get("ignore", False):
            yield str(table.get("name", f"cam_{key}" if key.isdecimal() else key)), table


def _camera(path: Path, name: str, table: dict[str, Any]) -> CalibratedCamera:
    missing = [key for key in ("size", "matrix", "distortions", "rotation", "translation") if table.get(key) is None]
    if missing:
        raise CalibrationError(
            f"{path}: camera {name} lacks {', '.join(missing)}; calibrate lenses and places of all cameras"
        )
    if table.get("fisheye", False):
        raise CalibrationError(
            f"{path}: camera {name} is a fisheye; expected OpenCV's k1, k2, p1, p2, ...: calibrate it so"
        )
    try:
        width, height = (round(float(side)) for side in table["size"])
        distortion = np.ravel(np.asarray(table["distortions"], np.float64))
        return CalibratedCamera(
            name, (width, height), array(table["matrix"], (3, 3)), distortion, rotation(table["rotation"]),
            array(table["translation"], (3,)),
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise CalibrationError(
            f"{path}: camera {name}: {error}; expected size, matrix, distortions as OpenCV has them"
        ) from None


def rotation(values: Any) -> F64:
    """Return (3, 3) of a Rodrigues vector or a matrix."""
    if np.size(values) == 9:
        return array(values, (3, 3))
    return np.asarray(cv2.Rodrigues(array(values, (3,)))[0], np.float64)


def toml_unit(metadata: Any, cameras: list[CalibratedCamera]) -> str:
    """FreeMoCap writes millimetres and says which board it measured; Pose2Sim and caliscope write metres."""
    freemocap = isinstance(metadata, dict) and "charuco_square_size" in metadata
    far = max((float(np.linalg.norm(camera.t)) for camera in cameras), default=0.0)
    return "mm" if far > WIDEST_M or (freemocap and far > 1) else "m"


# --- Qualisys ---------------------------------------------------------------------------------------------------------


def _qualisys(path: Path) -> tuple[list[CalibratedCamera], str]:
    try:
        tree = ElementTree.fromstring(read_text(path))
        cameras = [_qualisys_camera(tag) for tag in tree.iter("camera") if tag.get("active", "1") != "0"]
    except (ElementTree.ParseError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise CalibrationError(f"{path}: no Qualisys calibration ({error}); export it from QTM as .qca.txt") from None
    return cameras, "mm"


def _qualisys_camera(tag: ElementTree.Element) -> CalibratedCamera:
    lens, place, field = (_child(tag, name) for name in ("intrinsic", "transform", "fov_video"))
    if tag.get("viewrotation", "0") != "0":
        raise ValueError(f"camera {tag.get('serial')} has viewrotation {tag.get('viewrotation')}, expected 0")
    left, top, right, bottom = (float(field[side]) for side in ("left", "top", "right", "bottom"))
    lines = float(tag.get("video_resolution", "1080p").rstrip("ip"))
    shrink = lines / FULL_LINES
    fx, fy, cx, cy = (
        float(lens[key]) / SUBPIXELS for key in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    )
    K = np.array([[fx, 0, cx - left], [0, fy, cy - top], [0, 0, 1 / shrink]]) * shrink
    distortion = [
        float(lens[key])
        for key in ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
    ]
    axes = np.array([[float(place[f"r{row}{column}"]) for column in (1, 2, 3)] for row in (1, 2, 3)])
    R = FLIP @ axes
    centre = np.array([float(place[axis]) for axis in "xyz"])
    size = (round((right - left + 1) * shrink), round((bottom - top + 1) * shrink))
    return CalibratedCamera(tag.attrib["serial"], size, K, np.array(distortion), R, -R @ centre)


def _child(tag: ElementTree.Element, name: str) -> dict[str, str]:
    found = tag.find(name)
    if found is None:
        raise ValueError(f"camera {tag.get('serial')} lacks {name}")
    return found.attrib
