"""Read a calibration's text: a regular file of bounded size, whoever made it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from realtime.calibration.errors import CalibrationError

MOST_BYTES = 16 << 20


def read_text(path: Path) -> str:
    """Return the whole text; UnicodeDecodeError where it is none, CalibrationError where it is no file of a
    calibration."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CalibrationError(f"{path}: is no regular file (a pipe or a device); put the file itself there")
            if status.st_size > MOST_BYTES:
                raise CalibrationError(
                    f"{path}: {status.st_size} bytes, at most {MOST_BYTES} are read; is it the right file?"
                )
            return file.read(MOST_BYTES).decode("utf-8")
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror or error}") from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
