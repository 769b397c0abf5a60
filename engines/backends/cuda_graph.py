"""Capture a stream's work as a CUDA graph and replay it, by the driver's own C interface."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
THREAD_LOCAL = 1  # other threads may go on using the device while one captures
_SIGNATURES: dict[str, list[Any]] = {
    "cuStreamBeginCapture_v2": [ctypes.c_void_p, ctypes.c_int],
    "cuStreamEndCapture": [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)],
    "cuGraphInstantiateWithFlags": [ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, ctypes.c_ulonglong],
    "cuGraphLaunch": [ctypes.c_void_p, ctypes.c_void_p],
    "cuGraphExecDestroy": [ctypes.c_void_p],
    "cuGraphDestroy": [ctypes.c_void_p],
}


class CaptureError(RuntimeError):
    """The work cannot be captured; run it as it is."""


class Graph:
    """One captured piece of work, launched again and again on the stream it was captured from."""

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        self._driver = _driver()
        self._stream = ctypes.c_void_p(stream)
        self._exec = ctypes.c_void_p()
        graph = self._captured(work)
        try:
            self._call("cuGraphInstantiateWithFlags", ctypes.byref(self._exec), graph, 0)
        finally:
            self._call("cuGraphDestroy", graph)

    def launch(self) -> None:
        self._call("cuGraphLaunch", self._exec, self._stream)

    def close(self) -> None:
        if self._exec:
            self._call("cuGraphExecDestroy", self._exec)
            self._exec = ctypes.c_void_p()

    def _captured(self, work: Callable[[], None]) -> ctypes.c_void_p:
        graph = ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", self._stream, THREAD_LOCAL)
        try:
            work()
        finally:
            self._call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        return graph

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code:
            raise CaptureError(f"{name} answered {code}")


def _driver() -> Any:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise CaptureError(f"no {LIBRARY}: {error}") from None
    for name, arguments in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, ctypes.c_int
    return library
