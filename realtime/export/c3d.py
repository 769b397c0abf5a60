"""C3D: marker tracks for biomechanics tools.

Knows: what C3D's fields mean, ezc3d.  Does not know: recordings.  Metres, y up (POINT:X_SCREEN +X, Y_SCREEN +Y).
The residual marks every sample: above 0 observed (its 1-sigma in metres), 0 inferred (C3D: not measured), -1 missing.
C3D knows one rate only: each frame's capture time stands in the analog channel `capture_time`, in seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from realtime.export.clip import Clip
from realtime.messages import OBSERVED

RESIDUAL_STEP_M = 0.001  # C3D keeps residuals as whole steps; an observed sample has at least one


def write(path: Path, clip: Clip, keep: str = "inferred") -> None:
    file = new_file()
    xyz = clip.kept(keep)
    missing = np.isnan(xyz).any(-1)
    point = parameters(file, "POINT")
    point["RATE"]["value"], point["UNITS"]["value"] = [clip.rate_hz], ["m"]
    point["SCALE"]["value"] = [-RESIDUAL_STEP_M]
    point["LABELS"]["value"] = list(clip.joints)
    point["DESCRIPTIONS"]["value"] = ["joint centre estimated from video"] * len(clip.joints)
    file.add_parameter("POINT", "X_SCREEN", "+X")
    file.add_parameter("POINT", "Y_SCREEN", "+Y")
    analog = parameters(file, "ANALOG")
    analog["RATE"]["value"], analog["LABELS"]["value"], analog["UNITS"]["value"] = (
        [clip.rate_hz],
        ["capture_time"],
        ["s"],
    )
    file["data"]["points"] = np.nan_to_num(homogeneous(xyz)) if not missing.any() else homogeneous(xyz)
    file["data"]["meta_points"]["residuals"] = residuals(clip, missing).T[None]
    file["data"]["meta_points"]["camera_masks"] = np.zeros((7, len(clip.joints), len(clip)), bool)
    file["data"]["analogs"] = clip.times_s[None, None, :]
    file.write(str(path))


def new_file() -> Any:
    try:
        import ezc3d
    except ImportError:
        raise MissingLibrary("C3D needs ezc3d; install it with `pip install 'steadypose[export]'`") from None
    return ezc3d.c3d()


class MissingLibrary(Exception):
    exit_code = 2


def parameters(file: Any, group: str) -> Any:
    return file["parameters"][group]


def homogeneous(xyz: Any) -> Any:
    """(T, J, 3) -> (4, J, T)"""
    return np.concatenate([xyz, np.ones((*xyz.shape[:2], 1))], -1).transpose(2, 1, 0)


def residuals(clip: Clip, missing: Any) -> Any:
    """(T, J)"""
    told = np.where(clip.state == OBSERVED, np.maximum(clip.sigma, RESIDUAL_STEP_M), 0.0)
    return np.where(missing, -1.0, told)
