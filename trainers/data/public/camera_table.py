"""Read calibrated cameras of Human3.6M and HumanEva: the user's JSON, or the Python table of VideoPose3D as it comes.

JSON: {"intrinsics": [{id, center, focal_length, res_w, res_h, radial_distortion?, tangential_distortion?}],
"extrinsics": {subject: [{orientation: [w, x, y, z], translation: [mm]}]}}.  The Python file assigns the same literals
to names that end in `_intrinsic_params` and `_extrinsic_params`; it is parsed, never run.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import Array
from trainers.errors import UserError
from trainers.geometry.undistortion import Coefficients, distort
from trainers.user_file import TABLE_BYTES, read_json, read_text

LENS_KEYS = ("id", "center", "focal_length", "res_w", "res_h")
PLACE_KEYS = ("orientation", "translation")
NEAREST_M = 0.1
# what a damaged or hostile table raises, as JSON or as Python
UNREADABLE = (OSError, ValueError, SyntaxError, RecursionError, MemoryError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class PublishedCamera:
    id: str
    focal: tuple[float, float]  # px
    centre: tuple[float, float]  # px
    size: tuple[float, float]  # px
    distortion: Coefficients
    rotation: NDArray[np.float64]  # (3, 3) camera axes -> world
    place: NDArray[np.float64]  # (3,) m, world

    def local(self, xyz: Array) -> NDArray[np.float64]:
        """World (..., 3) m -> camera axes."""
        return np.asarray((xyz - self.place) @ self.rotation)

    def pixels(self, local: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return camera axes (..., 3) m -> (..., 2) px, through the lens."""
        rays = local[..., :2] / np.maximum(local[..., 2:], NEAREST_M)
        return np.asarray(distort(rays, self.distortion) * np.array(self.focal) + np.array(self.centre))


def read_cameras(path: Path) -> dict[str, Any]:
    """Return the file's intrinsics and extrinsics, every key that is needed checked."""
    try:
        table = python_table(path) if path.suffix == ".py" else read_json(path)
        lenses, places = table["intrinsics"], table["extrinsics"]
        missing = {k for one in lenses for k in LENS_KEYS if k not in one}
        missing |= {k for of in places.values() for one in of if one for k in PLACE_KEYS if k not in one}
    except (
        OSError,
        ValueError,
        SyntaxError,
        RecursionError,
        MemoryError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise UserError(
            f"--cameras {path}: expected JSON with 'intrinsics' and 'extrinsics', or VideoPose3D's table as it comes "
            f"({error!r}); the docstring of trainers/data/public/camera_table.py shows the layout"
        ) from None
    if missing:
        raise UserError(
            f"--cameras {path}: keys {', '.join(sorted(missing))} are missing; see trainers/data/public/camera_table.py"
        )
    return dict(table)


def python_table(path: Path) -> dict[str, Any]:
    """Literals assigned to `*_intrinsic_params` and `*_extrinsic_params`."""
    found: dict[str, Any] = {}
    for node in ast.parse(read_text(path, TABLE_BYTES)).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            for part in ("intrinsic", "extrinsic"):
                if node.targets[0].id.endswith(f"_{part}_params"):
                    found[f"{part}s"] = ast.literal_eval(node.value)
    return found


def cameras_of(table: dict[str, Any], subject: str) -> list[PublishedCamera]:
    """Of one subject; HumanEva's 'Train/S1' is its S1."""
    person = subject.split("/")[-1]
    places = table["extrinsics"].get(person) or table["extrinsics"].get(subject)
    if not places or not all(places):
        found = ", ".join(name for name, of in table["extrinsics"].items() if all(of))
        raise UserError(f"--cameras: no extrinsics of {person}, only of {found}; add them or leave --cameras out")
    return [camera(lens, place) for lens, place in zip(table["intrinsics"], places)]


def camera(lens: dict[str, Any], place: dict[str, Any]) -> PublishedCamera:
    k1, k2, k3 = lens.get("radial_distortion", (0.0, 0.0, 0.0))
    p1, p2 = lens.get("tangential_distortion", (0.0, 0.0))
    fx, fy = np.broadcast_to(np.array(lens["focal_length"], float), 2)
    cx, cy = map(float, lens["center"])
    return PublishedCamera(
        str(lens["id"]), (float(fx), float(fy)), (cx, cy), (float(lens["res_w"]), float(lens["res_h"])),
        (float(k1), float(k2), float(p1), float(p2), float(k3)), turn(place["orientation"]),
        np.array(place["translation"], np.float64) / 1000,
    )  # fmt: skip


def turn(orientation: list[float]) -> NDArray[np.float64]:
    """Map unit quaternion w x y z -> (3, 3): camera to world."""
    w, x, y, z = np.array(orientation, np.float64) / np.linalg.norm(orientation)
    return np.array(
        [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
         [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
         [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
    )  # fmt: skip
