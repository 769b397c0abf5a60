"""Check whose bytes these are before they are read as a model: owner, permissions, size, place."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from engines.errors import EngineError

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(path: Path, limit: int) -> bytes:
    """Read a model or data file that belongs to this user or to root."""
    return _read(path, limit, compiled=False)


def read_compiled(path: Path, limit: int) -> bytes:
    """Read a compiled engine: this user's own, writable by nobody else, in a folder of the same kind.

    A compiled engine is executable code; it is refused here before its first byte is looked at.
    """
    _check_compiled(path.parent, os.stat(path.parent))
    return _read(path, limit, compiled=True)


def inside(folder: Path, name: str) -> Path:
    """`folder/name`, refused when it leads out of the folder."""
    if "\0" in name:
        raise EngineError(f"{folder}: refers to {name!r}, which is no name of a file; build it again")
    path = folder / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise EngineError(
            f"{folder}: refers to {name!r}, which lies outside the folder; put the file inside and build again"
        )
    return path


def _read(path: Path, limit: int, compiled: bool) -> bytes:
    try:
        # checked and read through one descriptor: nothing can be swapped in between; a pipe is not waited for
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise EngineError(f"{path}: is no file but a {_kind(status)}; put the file there and try again")
            (_check_compiled if compiled else _check_owner)(path, status)
            if status.st_size > limit:
                raise EngineError(f"{path}: {status.st_size} bytes, at most {limit} are read; is it the right file?")
            return file.read(limit + 1)
    except OSError as error:
        raise EngineError(
            f"{path}: cannot be read ({error.strerror}); run `engines verify {path.parent}` after putting it back"
        ) from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _kind(status: os.stat_result) -> str:
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    return kinds.get(stat.S_IFMT(status.st_mode), "folder")


def _owners() -> tuple[int, ...]:
    """User ids whose files are trusted as data; empty where the system has none."""
    return (os.geteuid(), 0) if hasattr(os, "geteuid") else ()


def _check_owner(path: Path, status: os.stat_result) -> None:
    owners = _owners()
    if owners and status.st_uid not in owners:
        raise EngineError(
            f"{path}: belongs to user {status.st_uid}, neither to you ({owners[0]}) nor to root; "
            f"copy it to a folder of yours if you trust it"
        )


def _check_compiled(path: Path, status: os.stat_result) -> None:
    owners = _owners()
    if not owners:
        return
    if status.st_uid != owners[0]:
        raise EngineError(
            f"{path}: compiled engines must be your own ({owners[0]}), this belongs to user {status.st_uid}; "
            f"build it yourself with `engines build`"
        )
    if status.st_mode & OTHERS_MAY_WRITE:
        raise EngineError(
            f"{path}: mode {stat.filemode(status.st_mode)} lets others write it, and a compiled engine is code; "
            f"delete it and run `engines build` again"
        )
