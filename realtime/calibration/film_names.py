"""Find the camera of a calibration that took a film, by the film's name."""

from __future__ import annotations

import re
from pathlib import Path

from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.calibration.errors import CalibrationError


def matching(film: Path, cameras: list[CalibratedCamera], calibration: Path) -> str:
    """Return the camera that a film is named after: the same name, one within the other, or the same last number."""
    stem = film.stem.casefold()
    rules = (
        lambda name: name == stem,
        lambda name: name in stem or stem in name,
        lambda name: _last_number(name) is not None and _last_number(name) == _last_number(stem),
    )
    for rule in rules:
        fits = [camera.name for camera in cameras if rule(camera.name.casefold())]
        if len(fits) == 1:
            return fits[0]
    raise CalibrationError(
        f"{film}: which camera of {calibration} took it?  It has {', '.join(c.name for c in cameras)}; name the film "
        "after its camera, or say so in the films' order: --cameras A,B"
    )


def _last_number(name: str) -> int | None:
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers else None
