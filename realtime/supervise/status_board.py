"""Share one status row per stage in shared memory, where stages report and the supervisor looks.

No locks: every field has one writer, and a writer killed half-way leaves nobody waiting.
"""

from __future__ import annotations

import ctypes
import json
from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import RawArray
from typing import Any

from realtime.wire.messages import Health, StageState

STATES: tuple[StageState, ...] = ("STARTING", "READY", "DEGRADED", "DOWN")
STARTING, READY, DEGRADED, DOWN = range(4)
REASON_BYTES, INFO_BYTES = 64, 4096
COUNT, MEASURE = ctypes.c_int64, ctypes.c_double


class StageRow(ctypes.Structure):
    """One stage, in shared memory; a field takes a tenth of the time that a record of NumPy takes for it."""

    _fields_ = (
        ("beat", COUNT),  # +1 per sign of life
        ("state", COUNT),
        ("ready", COUNT),  # 1 once this process has been ready
        ("ready_once", COUNT),  # 1 once any process of this stage has been, in this run
        ("rate_hz", MEASURE),
        ("p50_ms", MEASURE),
        ("p99_ms", MEASURE),
        ("age_ms", MEASURE),  # median of now - capture
        ("stream", COUNT),
        ("seq", COUNT),  # last frame answered in this stream
        ("answered", COUNT),
        ("dropped", COUNT),
        ("people", COUNT),
        ("starts", COUNT),  # the supervisor's from here on
        ("restarts", COUNT),  # in the last hour
        ("reconnects", COUNT),
        ("reason", ctypes.c_char * REASON_BYTES),
        ("info", ctypes.c_char * INFO_BYTES),  # JSON; the file stage holds that of detector and lifter in one
    )
    beat: int
    state: int
    ready: int
    ready_once: int
    rate_hz: float
    p50_ms: float
    p99_ms: float
    age_ms: float
    stream: int
    seq: int
    answered: int
    dropped: int
    people: int
    starts: int
    restarts: int
    reconnects: int
    reason: bytes
    info: bytes

    def __getitem__(self, field: str) -> Any:
        return getattr(self, field)

    def __setitem__(self, field: str, value: Any) -> None:
        setattr(self, field, value)


class StatusBoard:
    """Rows by stage name; handed to every process of a run."""

    def __init__(self, stages: tuple[str, ...], memory: Any) -> None:
        self.stages, self.memory = stages, memory
        self._rows = [StageRow.from_buffer(memory, place * ctypes.sizeof(StageRow)) for place in range(len(stages))]

    def __reduce__(self) -> tuple[Any, ...]:
        return StatusBoard, (self.stages, self.memory)

    def row(self, stage: str) -> StageRow:
        """Return a view: writing to its fields writes to shared memory."""
        return self._rows[self.stages.index(stage)]

    def health(self) -> list[Health]:
        return [_health(name, row) for name, row in zip(self.stages, self._rows)]

    def states(self) -> list[tuple[int, bytes]]:
        """Return state and reason of all stages, to compare with earlier ones; cheaper than `health`."""
        return [(row.state, row.reason) for row in self._rows]

    def info(self) -> dict[str, Any]:
        """Return what the stages told, as one dict."""
        merged: dict[str, Any] = {}
        for row in self._rows:
            merged |= read_info(row)
        return merged


def open_board(stages: tuple[str, ...], context: SpawnContext) -> StatusBoard:  # noqa: ARG001
    return StatusBoard(stages, RawArray("b", ctypes.sizeof(StageRow) * len(stages)))


def read_info(row: StageRow) -> dict[str, Any]:
    """Return facts of one row; empty while they are being rewritten."""
    try:
        info = json.loads(row.info or b"{}")
    except ValueError:
        return {}
    return info if isinstance(info, dict) else {}


def write_info(row: StageRow, info: dict[str, Any]) -> None:
    encoded = json.dumps(info).encode()
    if len(encoded) > INFO_BYTES:
        raise ValueError(f"info of a stage take {len(encoded)} bytes, the board holds {INFO_BYTES}")
    row.info = encoded


def _health(stage: str, row: StageRow) -> Health:
    return Health(
        stage=stage,
        state=STATES[row.state],
        reason=row.reason.decode(errors="replace"),
        rate_hz=row.rate_hz,
        dropped=row.dropped,
        restarts_1h=row.restarts,
        reconnects_1h=row.reconnects,
        p50_ms=row.p50_ms,
        p99_ms=row.p99_ms,
    )
