"""Kill child processes when the supervisor dies: prctl (Linux), job object (Windows), pipe end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

ORPHANED = 70  # exit code of a child whose supervisor is gone
PR_SET_PDEATHSIG = 1
JOB_EXTENDED_LIMITS, JOB_KILL_ON_CLOSE = 9, 0x2000


def die_with(supervisor_pid: int) -> None:
    """Linux: the kernel kills this process with its parent, even when wedged.  Elsewhere `obey` and the job do."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor_pid:
        os._exit(ORPHANED)


def obey(control: Connection, stop: threading.Event) -> None:
    """Stop at a word on the control pipe; exit at its end, which means that the supervisor is gone."""
    try:
        control.recv_bytes(16)
    except (EOFError, OSError):
        os._exit(ORPHANED)
    stop.set()


@contextmanager
def kill_children_with_this_process() -> Iterator[None]:
    """Provide windows: this process and all it starts share a job that dies with its last handle, which only we
    hold."""
    job = _join_job(ctypes.WinDLL("kernel32", use_last_error=True)) if sys.platform == "win32" else None  # type: ignore[attr-defined,unused-ignore]
    try:
        yield
    finally:
        del job  # the handle itself stays open: closing it would kill this process too


class _Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, of which only the flags matter."""

    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("working_set", ctypes.c_size_t * 2),
        ("active_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
        ("io", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


def _join_job(kernel32: Any) -> Any:
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    kernel32.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
    limits = _Limits(flags=JOB_KILL_ON_CLOSE)
    size = ctypes.sizeof(limits)
    done = kernel32.SetInformationJobObject(job, JOB_EXTENDED_LIMITS, ctypes.byref(limits), size)
    if not (done and kernel32.AssignProcessToJobObject(job, ctypes.c_void_p(kernel32.GetCurrentProcess()))):
        raise OSError("Windows refused a job object: started inside a job that allows no other? Start from a console")
    return job
