"""Share one status row per stage in shared memory, where stages report and the supervisor looks.

No locks: every field has one writer, and a writer killed half-way leaves nobody waiting.
"""

from __future__ import annotations

import json
from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import RawArray
from typing import Any

import numpy as np

from realtime.wire.messages import Health, StageState

STATES: tuple[StageState, ...] = ("STARTING", "READY", "DEGRADED", "DOWN")
STARTING, READY, DEGRADED, DOWN = range(4)
ROW = np.dtype(
    [
        ("beat", "i8"),  # +1 per sign of life
        ("state", "i8"),
        ("ready", "i8"),  # 1 once this process has been ready
        ("ready_once", "i8"),  # 1 once any process of this stage has been, in this run
        ("rate_hz", "f8"),
        ("p50_ms", "f8"),
        ("p99_ms", "f8"),
        ("age_ms", "f8"),  # median of now - capture
        ("stream", "i8"),
        ("seq", "i8"),  # last frame answered in this stream
        ("answered", "i8"),
        ("dropped", "i8"),
        ("people", "i8"),
        ("starts", "i8"),  # the supervisor's from here on
        ("restarts", "i8"),  # in the last hour
        ("reconnects", "i8"),
        ("reason", "S64"),
        ("info", "S4096"),  # JSON; the file stage holds that of detector and lifter in one
    ],
    align=True,
)


class StatusBoard:
    """Rows by stage name; handed to every process of a run."""

    def __init__(self, stages: tuple[str, ...], memory: Any) -> None:
        self.stages, self.memory = stages, memory
        self._rows = np.frombuffer(memory, ROW, len(stages))

    def __reduce__(self) -> tuple[Any, ...]:
        return StatusBoard, (self.stages, self.memory)

    def row(self, stage: str) -> np.void:
        """Return a view: writing to its fields writes to shared memory."""
        return self._rows[self.stages.index(stage)]  # type: ignore[no-any-return]

    def health(self) -> list[Health]:
        return [_health(name, row) for name, row in zip(self.stages, self._rows)]

    def states(self) -> bytes:
        """Return state and reason of all stages, to compare with earlier ones, in a thirtieth of `health`'s time."""
        return bytes(self._rows["state"].tobytes() + self._rows["reason"].tobytes())

    def info(self) -> dict[str, Any]:
        """Return what the stages told, as one dict."""
        merged: dict[str, Any] = {}
        for row in self._rows:
            merged |= read_info(row)
        return merged


def open_board(stages: tuple[str, ...], context: SpawnContext) -> StatusBoard:  # noqa: ARG001
    return StatusBoard(stages, RawArray("b", ROW.itemsize * len(stages)))


def read_info(row: np.void) -> dict[str, Any]:
    """Return facts of one row; empty while they are being rewritten."""
    try:
        info = json.loads(bytes(row["info"]) or b"{}")
    except ValueError:
        return {}
    return info if isinstance(info, dict) else {}


def write_info(row: np.void, info: dict[str, Any]) -> None:
    encoded = json.dumps(info).encode()
    limit = ROW["info"].itemsize
    if len(encoded) > limit:
        raise ValueError(f"info of a stage take {len(encoded)} bytes, the board holds {limit}")
    row["info"] = encoded


def _health(stage: str, row: np.void) -> Health:
    return Health(
        stage=stage,
        state=STATES[int(row["state"])],
        reason=bytes(row["reason"]).decode(errors="replace"),
        rate_hz=float(row["rate_hz"]),
        dropped=int(row["dropped"]),
        restarts_1h=int(row["restarts"]),
        reconnects_1h=int(row["reconnects"]),
        p50_ms=float(row["p50_ms"]),
        p99_ms=float(row["p99_ms"]),
    )
