"""Manage one process of the pipeline: start, silence, exit report, restart pacing, end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

from realtime.config.schema import RunConfig
from realtime.pipeline import Stage, Table
from realtime.supervise import stage_runner, status_board
from realtime.supervise.end_signals import ENDING
from realtime.supervise.stage_runner import ExitReport, Plan, decode_exit_report
from realtime.supervise.status_board import StatusBoard

MINUTE_S, HOUR_S = 60.0, 3600.0
PACING_S = 0.25  # the second restart within a minute waits this long, the third twice as long
PACING_MAX_S = 2.0
KILL_S = 0.5  # a process that waits for a device may take longer to go


class Worker:
    def __init__(
        self, name: str, stages: dict[str, Stage], table: StatusBoard, config: RunConfig, directory: Path,
        context: SpawnContext, pipeline: Table,
    ) -> None:  # fmt: skip
        self.name, self.stages, self._context = name, stages, context
        self._plan = Plan(name, pipeline, config, table, directory, os.getpid())
        self._rows = {stage: table.row(stage) for stage in stages}
        self._process: Any = None
        self._control: Connection | None = None
        self._beats: dict[str, tuple[int, float]] = {}  # stage -> last beat, when it changed
        self._crashes: deque[float] = deque()
        self._reconnects: deque[float] = deque()
        self._losses_in_a_row = 0
        self.due_s: float | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.exitcode is None

    @property
    def finished(self) -> bool:
        """Ended, its last words read, and not to be started again."""
        return self._process is None and self.due_s is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running else None

    @property
    def ready(self) -> bool:
        return all(row.ready for row in self._rows.values())

    def handles(self) -> list[Any]:
        return [self._process.sentinel] if self.running else []

    def start(self, now: float) -> None:
        self.due_s = None
        for row in self._rows.values():
            row.starts += 1
            row.ready = 0
            if self._losses_in_a_row == 0:
                row.state, row.reason = status_board.STARTING, b""
        self._control, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=stage_runner.main, args=(self._plan, theirs), name=f"realtime-{self.name}", daemon=True
        )
        with signals_blocked():
            self._process.start()
        theirs.close()
        self._beats = {stage: (row.beat, now) for stage, row in self._rows.items()}

    def forgive(self, seconds: float) -> None:
        """Move the stages' last beats by a time in which the machine slept or was too busy to look."""
        self._beats = {stage: (beat, since + seconds) for stage, (beat, since) in self._beats.items()}

    def look(self, now: float) -> ExitReport | None:
        """Last words, if the process has ended or had to be ended; starts it when its time has come."""
        if self.due_s is not None:
            if now >= self.due_s:
                self.start(now)
            return None
        if self._process is None:
            return None
        if self._losses_in_a_row and self.ready:
            self._found_again(now)
        if not self.running:
            return self._bury()
        silent = self._silent(now)
        if silent is None:
            return None
        text = f"stage {silent} gave no sign of life for {self._allowance(silent):g} s"
        self.kill()
        if self.running:
            return None  # not even the kernel can end it yet: next turn
        words = self._read_last_words()
        self._bury()
        return words or ExitReport(silent, "crash", 1, text)

    def _silent(self, now: float) -> str | None:
        for stage, row in self._rows.items():
            beat, since = self._beats[stage]
            allowance = self._allowance(stage)  # before the beat: whoever is seen ready has beaten since it started
            if row.beat != beat:
                self._beats[stage] = (row.beat, now)
            elif now - since > allowance:
                return stage
        return None

    def _allowance(self, stage: str) -> float:
        declared = self.stages[stage]
        return declared.max_silence_s if self._rows[stage].ready else declared.start_grace_s

    def _bury(self) -> ExitReport | None:
        """Return None: it ended as it should."""
        code = self._process.exitcode
        words = self._read_last_words()
        self._process.close()
        self._process = None
        if self._control:
            self._control.close()
        if words or code == 0:
            return words
        return ExitReport(next(iter(self.stages)), "crash", 1, f"process {self.name} died{_cause(code)}")

    def _read_last_words(self) -> ExitReport | None:
        try:
            if self._control and self._control.poll():
                return decode_exit_report(self._control.recv_bytes(stage_runner.EXIT_REPORT_LIMIT))
        except (EOFError, OSError, ValueError, TypeError):
            return None  # killed while speaking: the exit code says enough
        return None

    def crashes_last_minute(self) -> int:
        now = time.monotonic()
        return sum(now - at < MINUTE_S for at in self._crashes)

    def plan_restart(self, now: float, words: ExitReport) -> None:
        lost = words.kind == "lost"
        state, reason = (status_board.DEGRADED, b"lost") if lost else (status_board.DOWN, b"crashed")
        self.due_s = now + (self._after_loss() if lost else self._after_crash(now))
        for row in self._rows.values():
            row.state, row.reason, row.rate_hz = state, reason, 0.0
        self._count(now)

    def _found_again(self, now: float) -> None:
        self._losses_in_a_row = 0
        self._reconnects.append(now)
        self._count(now)

    def _count(self, now: float) -> None:
        for row in self._rows.values():
            row.restarts, row.reconnects = _recent(self._crashes, now), _recent(self._reconnects, now)

    def _after_loss(self) -> float:
        config = self._plan.config
        wait_s: float = min(config.source.backoff_s * 2**self._losses_in_a_row, config.source.backoff_max_s)
        self._losses_in_a_row = min(self._losses_in_a_row + 1, 30)
        return wait_s

    def _after_crash(self, now: float) -> float:
        """Return seconds to wait: none for the first crash in a while."""
        self._crashes.append(now)
        again = self.crashes_last_minute() - 2
        return 0.0 if again < 0 else min(PACING_S * 2**again, PACING_MAX_S)

    def ask_to_stop(self) -> None:
        if self.running and self._control:
            try:
                self._control.send_bytes(b"stop")
            except OSError:
                return  # gone already

    def join(self, timeout_s: float) -> None:
        if self.running:
            self._process.join(timeout_s)

    def kill(self) -> None:
        if self.running:
            self._process.kill()
            self._process.join(KILL_S)


def _recent(times: deque[float], now: float) -> int:
    while times and now - times[0] > HOUR_S:
        times.popleft()
    return len(times)


def _cause(code: int) -> str:
    if code < 0:
        return f" of signal {signal.Signals(-code).name}"
    return f" with code {code}"


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Provide a child inherits the block: Ctrl-C in the terminal never reaches one, not even while Python starts."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set(ENDING))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
