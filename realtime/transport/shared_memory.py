"""Create named shared memory that is really there, and that readers cannot harm.

Linux: files in /dev/shm, reserved with `posix_fallocate`; a reader maps them read-only.  Elsewhere, and in a test here:
`multiprocessing.shared_memory`, kept away from its resource tracker, which deletes segments that others still use.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
import shutil
import sys
import threading
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, Literal, Protocol

FOLDER = Path("/dev/shm")
Kind = Literal["file", "named"]
TAG = 64  # bytes before the portable kind's memory: which segment of that name it is
NAME = re.compile(r"steadypose-[A-Za-z0-9_.-]{1,64}")
TRACKED = sys.version_info < (3, 13)  # before: whoever attaches and exits takes the segment with them
KIND: Kind = "file" if sys.platform == "linux" else "named"


_FENCE = threading.Lock()


class NoRoom(Exception):
    """Shared memory is too small for what this run needs; trying again would not make it larger."""

    exit_code = 4
    final = True


class NameTaken(Exception):
    """A name of this run's shared memory belongs to another user, who alone can remove it."""

    exit_code = 4
    final = True


class SharedSegment(Protocol):
    name: str
    memory: memoryview

    def close(self) -> None: ...

    def exists(self) -> bool:
        """Under its name, as it was created: false once somebody removed or replaced it."""
        ...


def create(name: str, size: int, kind: Kind = KIND) -> SharedSegment:
    """Return a new zeroed segment for this user alone; FileExistsError, or NameTaken by another user, where there is
    one."""
    return FileSegment(name, size) if kind == "file" else NamedSegment(name, size)


def attach(name: str, kind: Kind = KIND) -> SharedSegment:
    """To read an existing one; FileNotFoundError where there is none."""
    return FileSegment(name, None) if kind == "file" else NamedSegment(name, None)


def unlink(name: str, kind: Kind = KIND) -> bool:
    """Its name goes now, its memory with the last one who maps it.  False where there is none."""
    try:
        if kind == "file":
            _unlink_file(FOLDER / checked(name))
        else:
            _unlink_named(_untracked(name))
    except FileNotFoundError:
        return False
    return True


def _unlink_file(path: Path) -> None:
    try:
        path.unlink()
    except PermissionError as error:
        raise taken(path) from error


def taken(path: Path) -> NameTaken:
    """Return who has the name, and the way around."""
    return NameTaken(
        f"shared memory: the name {path} belongs to user {path.lstat().st_uid}; only they (or root) can remove it. "
        "Run beside it: realtime run --bind tcp://127.0.0.1:PORT"
    )


def _unlink_named(shared: SharedMemory) -> None:
    shared.close()
    if TRACKED:
        resource_tracker.register(_tracker_name(shared), "shared_memory")  # for unlink to deregister
    shared.unlink()


def checked(name: str) -> str:
    """Return names arrive in messages: only ours are ever opened, and no path is one."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name of a segment")
    return name


class FileSegment:
    def __init__(self, name: str, size: int | None) -> None:
        self.name, self._path = name, FOLDER / checked(name)
        flags = os.O_RDONLY if size is None else os.O_RDWR | os.O_CREAT | os.O_EXCL
        handle = os.open(self._path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if size is not None:
                self._reserve(handle, size)
            elif os.fstat(handle).st_uid != os.getuid():
                raise PermissionError(f"{self._path} belongs to another user")
            self._inode = os.fstat(handle).st_ino
            access = mmap.ACCESS_READ if size is None else mmap.ACCESS_WRITE
            self._map = mmap.mmap(handle, os.fstat(handle).st_size, access=access)
        finally:
            os.close(handle)
        self.memory: memoryview = memoryview(self._map)

    def _reserve(self, handle: int, size: int) -> None:
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if error.errno not in (errno.ENOSPC, errno.ENOMEM):
                raise
            raise no_room(size) from error

    def exists(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        _release(self.memory, self._map)


class NamedSegment:
    """The portable one.  It may be larger than asked for, and a reader's view is read-only by convention of Python."""

    def __init__(self, name: str, size: int | None) -> None:
        self.name = name
        if size is not None and FOLDER.is_dir() and shutil.disk_usage(FOLDER).free < size:
            raise no_room(size)
        self._shared = _untracked(name, None if size is None else size + TAG)
        whole: Any = self._shared.buf
        if size is not None:
            whole[:TAG] = os.urandom(TAG)
        self._tag = bytes(whole[:TAG])
        self.memory: memoryview = whole[TAG:] if size is not None else whole[TAG:].toreadonly()

    def exists(self) -> bool:
        try:
            other = _untracked(self.name)
        except FileNotFoundError:
            return False
        found = bytes((other.buf or b"")[:TAG])
        other.close()
        return found == self._tag

    def close(self) -> None:
        _release(self.memory, self._shared)


def _release(memory: memoryview, mapping: Any) -> None:
    """Release the mapping; an array that is still held keeps it alive and takes it along when it goes."""
    with contextlib.suppress(BufferError):
        memory.release()
        mapping.close()


class _Shared(SharedMemory):
    def __del__(self) -> None:
        with contextlib.suppress(BufferError, OSError):
            self.close()


def _untracked(name: str, size: int | None = None) -> SharedMemory:
    options: dict[str, Any] = {} if TRACKED else {"track": False}
    shared = _Shared(checked(name), create=size is not None, size=size or 0, **options)
    if TRACKED:
        resource_tracker.unregister(_tracker_name(shared), "shared_memory")
    return shared


def _tracker_name(shared: SharedMemory) -> str:
    return str(getattr(shared, "_name", shared.name))


def no_room(size: int) -> NoRoom:
    free = shutil.disk_usage(FOLDER).free if FOLDER.is_dir() else 0
    return NoRoom(
        f"shared memory: needs {size / 1e6:.1f} MB, has {free / 1e6:.1f} MB in {FOLDER}; enlarge it with "
        f"`sudo mount -o remount,size=256m {FOLDER}` (in a container: --shm-size=256m) or ask for a smaller --size"
    )


def fence() -> None:
    """Order memory accesses: stores before it are seen before stores behind it, and loads likewise.

    One lock would let both sides slip into its inside; the release of the first keeps order with the second.
    """
    for _ in range(2):
        with _FENCE:
            pass
