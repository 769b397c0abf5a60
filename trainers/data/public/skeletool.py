"""Read MPI-INF-3DHP's `camera.calibration` ("Skeletool Camera Calibration File"); fit lenses to 3D and 2D.

A file lists cameras: name, size in pixels, a 4 x 4 intrinsic and a 4 x 4 extrinsic matrix, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.skeleton import Array
from trainers.errors import UserError
from trainers.user_file import TABLE_BYTES, read_text

HEADER = "skeletool camera calibration file"
NEAREST_MM = 100.0
WORST_FIT_PX = 10.0  # median distance of keypoints from the fitted projection; beyond, the lens stays unknown
RANSAC_ROUNDS = 2  # fits anew without the worst third


@dataclass(frozen=True)
class Pinhole:
    name: str
    focal: tuple[float, float]  # px
    centre: tuple[float, float]  # px
    size: tuple[float, float]  # px; (0, 0): not told


def read_calibration(path: Path) -> dict[str, Pinhole]:
    """Return cameras by name; anything that is not such a file is refused with its line."""
    try:
        lines = read_text(path, TABLE_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--calibration {path}: not readable ({error}); it is the set's camera.calibration") from None
    if not lines or not lines[0].lower().startswith(HEADER):
        found = lines[0][:60] if lines else "nothing"
        raise UserError(f"--calibration {path}: begins with {found!r}, expected 'Skeletool Camera Calibration File'")
    entries: list[dict[str, list[str]]] = []
    for line in lines[1:]:
        key, *values = line.split() or [""]
        if key == "name":
            entries.append({})
        if key and entries:
            entries[-1][key] = values
    cameras = [pinhole(entry, path) for entry in entries]
    if not cameras:
        raise UserError(f"--calibration {path}: no camera in it; expected lines 'name', 'size', 'intrinsic'")
    return {camera.name: camera for camera in cameras}


def pinhole(entry: dict[str, list[str]], path: Path) -> Pinhole:
    name = " ".join(entry["name"])
    try:
        matrix = np.array(entry["intrinsic"], float).reshape(4, 4)
        width, height = (float(v) for v in entry.get("size", ["0", "0"])[:2])
    except (KeyError, ValueError) as error:
        raise UserError(f"--calibration {path}: camera {name}: intrinsic or size not readable ({error!r})") from None
    if any(float(v) for v in entry.get("radial", ["0"])):
        raise UserError(
            f"--calibration {path}: camera {name} has radial distortion, which is not read; undistort first"
        )
    focal, centre = (float(matrix[0, 0]), float(matrix[1, 1])), (float(matrix[0, 2]), float(matrix[1, 2]))
    if min(focal) <= 0:
        raise UserError(f"--calibration {path}: camera {name}: focal length {min(focal):g} px, expected more than 0")
    return Pinhole(name, focal, centre, (width, height))


def fitted(xyz: Array, xy: Array) -> Pinhole | None:
    """Return the pinhole that puts camera-axes joints (T, J, 3) mm on their keypoints (T, J, 2); None: no lens does."""
    flat, seen = xyz.reshape(-1, 3).astype(float), xy.reshape(-1, 2).astype(float)
    good = np.isfinite(flat).all(-1) & np.isfinite(seen).all(-1) & (flat[:, 2] > NEAREST_MM)
    slope, seen = flat[good, :2] / flat[good, 2:], seen[good]
    if len(seen) < 10 or (np.ptp(slope, 0) < 1e-3).any():
        return None
    kept = np.ones(len(seen), bool)
    for _ in range(RANSAC_ROUNDS):
        focal, centre = (np.zeros(2), np.zeros(2))
        for axis in range(2):
            design = np.stack([slope[kept, axis], np.ones(int(kept.sum()))], -1)
            (focal[axis], centre[axis]), *_ = np.linalg.lstsq(design, seen[kept, axis], rcond=None)
        away = np.linalg.norm(slope * focal + centre - seen, axis=-1)
        kept = away <= np.quantile(away, 2 / 3)
    if np.median(away) > WORST_FIT_PX or focal.min() <= 0:
        return None
    return Pinhole("fitted", (float(focal[0]), float(focal[1])), (float(centre[0]), float(centre[1])), (0.0, 0.0))


def best(cameras: dict[str, Pinhole], xyz: Array, xy: Array) -> Pinhole:
    """Return the camera whose projection lies nearest to the keypoints."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = xyz[..., :2] / xyz[..., 2:]
    return min(cameras.values(), key=lambda c: float(np.nanmedian(np.abs(slope * c.focal + c.centre - xy))))
