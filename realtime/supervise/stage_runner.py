"""Run stages inside a child process: context, heartbeat, exit report, death with the parent."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from realtime import clock
from realtime.config.schema import RunConfig
from realtime.pipeline import Table
from realtime.supervise import status_board
from realtime.supervise.end_signals import ignore_all
from realtime.supervise.garbage import Garbage
from realtime.supervise.logs import start_logging
from realtime.supervise.parent_death import die_with, obey
from realtime.supervise.stage_metrics import StageMetrics
from realtime.supervise.status_board import StatusBoard
from realtime.transport.bus import Bus
from realtime.transport.in_process import GroupBus
from realtime.transport.runtime_dir import boot_id
from realtime.wire.frame_order import FrameOrder
from realtime.wire.messages import Health, Stamp

EXIT_REPORT_LIMIT = 65_536  # bytes
TURN_MS = 100  # a stage beats at least so often
IDS_PER_START = 100_000  # people
SWITCH_S = 0.0005  # a stage that wakes up waits no longer for another one of its process that computes
JOIN_S = 0.7  # for the other stages of a process whose end has come

_LEAVING = threading.Lock()
_IMPORTING = threading.Lock()
Kind = Literal["refused", "lost", "crash"]
Early = tuple[str, Callable[[Any], None]]  # a topic, and what is done with its messages


@dataclass(frozen=True)
class Plan:
    """All that a process of the pipeline is told."""

    process: str
    table: Table
    config: RunConfig
    board: StatusBoard
    directory: Path  # of the run: sockets, lock
    supervisor_pid: int


@dataclass(frozen=True)
class ExitReport:
    stage: str
    kind: Kind
    code: int
    text: str

    def encode(self) -> bytes:
        return json.dumps({**vars(self), "text": self.text[-8000:]}).encode()


def decode_exit_report(data: bytes) -> ExitReport:
    return ExitReport(**json.loads(data))


class Context:
    """What a stage's main is given."""

    def __init__(self, stage: str, plan: Plan, bus: GroupBus, stop: threading.Event, garbage: Garbage) -> None:
        self.stage, self.config, self.bus, self.stop = stage, plan.config, bus, stop
        self._garbage = garbage
        self.directory, self.table = plan.directory, plan.table
        self.log = logging.getLogger(stage)
        self._board, self._row = plan.board, plan.board.row(stage)
        self._meter = StageMetrics(self._row, plan.config.publish.least_age_ms(), plan.config.pipeline.lagging_s)
        self._reason = ""
        self._others_ready = False  # once true it stays: a stage that has been ready has been
        self.live = "capture" in plan.table

    @property
    def starts(self) -> int:
        """Starts of this stage in this run before this one."""
        return self._row.starts - 1

    @cached_property
    def boot(self) -> str:
        """Name of this run; read once, as a process whose descriptors strangers took up still introduces itself."""
        return boot_id(self.directory)

    @property
    def first_id(self) -> int:
        """First id of people in this start of the stage: ids are never used again, not even after a restart."""
        return 1 + self.starts * IDS_PER_START

    @property
    def last_answered(self) -> tuple[int, int]:
        """Stream and seq of the last frame this stage answered in this run, before a restart too; (0, -1) at first."""
        return self._row.stream, self._row.seq

    def beat(self) -> None:
        """Show a sign of life, before anything that blocks and at least every 100 ms; do what waits between frames."""
        self._row.beat += 1
        if self._meter.refresh_when_due(clock.now_ns() * 1e-9):
            self._show()
        self._garbage.collect_when_due(self.stage)

    def ready(self) -> None:
        """Report the stage as started; from here on silence counts."""
        self._report("")

    def degraded(self, reason: str) -> None:
        """Working, but not as it should; `ready()` ends it."""
        self._report(reason)

    def _report(self, reason: str) -> None:
        self._reason = reason
        self.beat()  # before it is ready: a long start is no silence
        self._row.ready = self._row.ready_once = 1
        self._garbage.settled(self.stage)
        self._show()

    def messages(self, topic: str, early: Early | None = None) -> Iterator[Any]:
        """Read a topic until the stage has to stop: the newest message, in the order of frames, beating in between.

        `early` is another topic of the same producer, and what is done with it while the first has nothing.
        """
        reader = self.bus.latest(topic)  # subscribed now, before the stage is ready
        get = partial(reader.get, TURN_MS) if early is None else self._get_with(reader, *early)
        return self._messages(get, FrameOrder(self.log))

    def _get_with(self, reader: Any, early_topic: str, prepare: Callable[[Any], None]) -> Callable[[], Any]:
        early = self.bus.latest(early_topic)

        def get() -> Any:
            self.bus.wait_any((reader, early), TURN_MS)
            message = reader.get(0)
            if message is None and (hint := early.get(0)) is not None:
                prepare(hint)
            return message

        return get

    def _messages(self, get: Callable[[], Any], order: FrameOrder) -> Iterator[Any]:
        while not self.stop.is_set():
            self.beat()
            message = get()
            if message is not None and order.takes(message.stamp):
                yield message

    def answered(self, stamp: Stamp, took_ns: int, people: int = 0) -> int:
        """One frame is done; answers how many frames of this run were never answered so far."""
        dropped = self._meter.answered(stamp, took_ns, clock.now_ns(), people)
        self._show()
        return dropped

    def idle(self) -> None:
        """Nothing came: rates fall."""
        self._meter.refresh(clock.now_ns() * 1e-9)
        self._show()

    def set_info(self, **info: Any) -> None:
        """Facts about this stage for Hello and for the terminal."""
        status_board.write_info(self._row, {**status_board.read_info(self._row), **info})

    def info(self) -> dict[str, Any]:
        return self._board.info()

    def health(self) -> list[Health]:
        return self._board.health()

    def states(self) -> list[tuple[int, bytes]]:
        """Return what changes with any stage's state or reason."""
        return self._board.states()

    def others_ready(self) -> bool:
        """Has every other stage been ready since the run began?"""
        if not self._others_ready:
            others = (name for name in self._board.stages if name != self.stage)
            self._others_ready = all(self._board.row(name).ready_once for name in others)
        return self._others_ready

    def _show(self) -> None:
        if not self._row.ready:
            return
        lagging = "lagging" if self._meter.lagging and self.live else ""
        reason = ", ".join(r for r in (self._reason, lagging) if r)
        self._row.reason = reason.encode()[: status_board.REASON_BYTES]
        self._row.state = status_board.DEGRADED if reason else status_board.READY


def main(plan: Plan, control: Connection) -> None:
    """Run the stages of one process until told to stop; leaves through `os._exit`, whatever still hangs."""
    ignore_all()
    die_with(plan.supervisor_pid)
    start_logging()
    stop = threading.Event()
    threading.Thread(target=obey, args=(control, stop), daemon=True).start()
    run_stages(plan, stop, lambda words: _leave(control, words))
    _leave(control, None)


def run_stages(plan: Plan, stop: threading.Event, fail: Callable[[ExitReport], None]) -> None:
    """Until all of them have ended; the first that fails takes its process with it at once."""
    stages = {name: stage for name, stage in plan.table.items() if stage.process == plan.process}
    bus, garbage = GroupBus(Bus(plan.directory), plan.table, plan.process), Garbage(stages)
    sys.setswitchinterval(SWITCH_S)

    def run_one(name: str) -> None:
        try:
            load(stages[name].main)(Context(name, plan, bus, stop, garbage))
        except BaseException as error:  # noqa: BLE001 - whatever ends a stage is its last words
            fail(exit_report(name, error, plan.board))
        finally:
            stop.set()

    names = list(stages)
    threads = [threading.Thread(target=run_one, args=(name,), daemon=True) for name in names[1:]]
    for thread in threads:
        thread.start()
    run_one(names[0])
    for thread in threads:
        thread.join(JOIN_S)
    bus.close()


def load(path: str) -> Callable[..., Any]:
    """Return the function behind `module:function`; one thread imports at a time, or their import locks may
    deadlock."""
    module, _, function = path.partition(":")
    with _IMPORTING:
        return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def exit_report(stage: str, error: BaseException, table: StatusBoard) -> ExitReport:
    """Classify an error: a refusal before the first READY ends the run, a final one always; others are retried."""
    ready_once = bool(table.row(stage).ready_once)
    code = getattr(error, "exit_code", None)
    if isinstance(code, int) and (not ready_once or getattr(error, "final", False)):
        return ExitReport(stage, "refused", code, str(error))
    if getattr(error, "source_lost", False):
        return ExitReport(stage, "lost", 75, str(error))
    return ExitReport(stage, "crash", 1, "".join(traceback.format_exception(error)))


def _leave(control: Connection, words: ExitReport | None) -> None:
    """Whatever still hangs in a library is left behind."""
    with _LEAVING:
        try:
            if words:
                control.send_bytes(words.encode())
        except OSError:
            sys.stderr.write(f"{words}\n")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(words.code if words else 0)
