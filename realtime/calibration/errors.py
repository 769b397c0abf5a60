"""Errors of calibration files: importable without numpy or OpenCV."""

from __future__ import annotations


class CalibrationError(ValueError):
    """A calibration that cannot be used: found, expected, next command, in a line."""

    exit_code = 2
