"""Read an .npz of plain arrays from bytes that nobody vouches for: bounded before memory is taken, never objects."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np

MAX_HEADER = 10_000  # characters


def read(data: bytes, limit: int, members: int) -> dict[str, Any]:
    """Name -> array; ValueError for more than `members` arrays, `limit` bytes unpacked, or anything damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > members:
                raise ValueError(f"holds {len(entries)} arrays, at most {members} are read")
            if sum(entry.file_size for entry in entries) > limit:
                raise ValueError(f"unpacks to more than {limit} bytes")
            return {entry.filename.removesuffix(".npy"): _member(archive, entry, limit) for entry in entries}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"damaged: {error}") from None


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> Any:
    with archive.open(entry) as packed:
        return array(packed.read(limit + 1)[:limit], entry.filename)


def array(data: bytes, name: str) -> Any:
    """Read one .npy; its header may claim no more numbers than there are bytes for."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = header(file, max_header_size=MAX_HEADER)
    except (tokenize.TokenError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(f"{name}: a header that says nothing ({type(error).__name__})") from None
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects")
    wanted, there = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
    if wanted != there:
        raise ValueError(f"{name} claims {wanted} bytes, {there} are there")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C").copy()
