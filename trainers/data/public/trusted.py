"""Unpickle arrays in the one place where that may be, and only when the user said so."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from trainers.errors import UserError

PICKLE = b"\x80"  # what every pickle since Python 2.3 begins with


def load_trusted(path: Path, trust: bool) -> Any:
    """Return what numpy finds in an .npz with object arrays, or in a .pkl; refused without `trust`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if not trust:
        raise UserError(
            f"{path}: holds pickled objects, and reading those can run any code; if you trust where it came from, "
            "say so once with --trust: it is converted to plain arrays and not needed again"
        )
    if not zipfile.is_zipfile(path) and path.read_bytes()[:1] != PICKLE:
        raise UserError(f"{path}: not readable: neither an .npz nor a pickle; download it again")
    try:
        return np.load(path, allow_pickle=True, encoding="latin1")
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path}: not readable ({error}); download it again") from None


def member(archive: Any, key: str, path: Path) -> Any:
    """Return one object of an .npz."""
    if not hasattr(archive, "files") or key not in archive.files:
        found = ", ".join(getattr(archive, "files", [])) or "a bare array"
        raise UserError(f"{path}: no {key!r} in it (found {found}); is it the file of another data set?")
    value = archive[key]
    return value.item() if value.dtype == object and value.ndim == 0 else value
