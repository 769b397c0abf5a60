"""Read files that a user names: regular ones, of bounded size, whoever made them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from trainers.errors import UserError

MOTION_BYTES = 1 << 30  # a day of motion capture as text
TABLE_BYTES = 16 << 20  # calibrations, notes, indexes


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file; OSError where it cannot be, UserError where it is a pipe, a device or larger than `limit`."""
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path}: is no regular file (a pipe or a device); put the file itself there")
        if status.st_size > limit:
            raise UserError(f"{path}: {status.st_size} bytes, at most {limit} are read; is it the right file?")
        return file.read(limit + 1)[:limit]


def read_text(path: Path, limit: int = MOTION_BYTES, errors: str = "strict") -> str:
    """Read a whole text of UTF-8; UnicodeDecodeError where it is none and `errors` is strict."""
    return read_bytes(path, limit).decode("utf-8", errors)


def read_json(path: Path) -> Any:
    """Read a small JSON file; ValueError where it is damaged or nested without end."""
    try:
        return json.loads(read_text(path, TABLE_BYTES))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
