"""Supervise the pipeline's processes: start, watch heartbeats, restart, stop in order."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType
from typing import Any

from realtime import pipeline
from realtime.config import source_spec
from realtime.config.schema import RunConfig
from realtime.pipeline import RECORD, Table
from realtime.supervise import status_board
from realtime.supervise.end_signals import ended_by
from realtime.supervise.parent_death import kill_children_with_this_process
from realtime.supervise.stage_runner import ExitReport
from realtime.supervise.worker import Worker
from realtime.transport.bus import run_directory
from realtime.wire.messages import Health

ENDED, CRASHED, INTERRUPTED = 0, 5, 130
TURN_S = 0.05
PAUSE_S = 0.1  # a turn that took longer by this: this process itself had to wait; nobody's silence counts meanwhile
STOP_S = 1.5  # for all processes together
STOP_ONE_S = 0.3  # then the next one is asked, whether this one has ended or not
REPORT_S = 1.0

log = logging.getLogger("supervisor")


@dataclass(frozen=True)
class Snapshot:
    """What the terminal shows."""

    stages: tuple[Health, ...]
    info: dict[str, Any]
    people: int
    captured: int  # frames that entered
    answered: int
    dropped: int
    seconds: float  # since the first pose
    ready: bool
    pids: dict[str, int | None]  # of each process


Report = Callable[[Snapshot], None]


@dataclass(frozen=True)
class End:
    code: int
    line: str = ""


def run(config: RunConfig, table: Table | None = None, report: Report | None = None) -> int:
    """Return the whole run, from the first process to the last; answers the exit code.  Says what is wrong in one
    line."""
    chosen = table or table_for(config)
    if config.record.file:
        chosen = chosen | RECORD
    source_spec.check(config.source)
    with run_directory(config.publish.bind, published=config.remote.to is None) as directory:
        end = Supervisor(config, chosen, directory).run(report or (lambda _: None))
    if end.line:
        sys.stderr.write(end.line.rstrip() + "\n")
    return end.code


def table_for(config: RunConfig) -> Table:
    """Return the stages of this run and the processes that hold them."""
    if config.remote.to:
        return pipeline.SEND
    if source_spec.is_file_run(config.source):
        return pipeline.ROOM_FILES if config.room.sources else pipeline.FILE
    return pipeline.live(config.pipeline.processes)


class Supervisor:
    def __init__(self, config: RunConfig, table: Table, directory: Path) -> None:
        self.config, self.table = config, table
        context = get_context("spawn")
        self.board = status_board.open_board(tuple(table), context)
        self.workers = [
            Worker(name, stages, self.board, config, directory, context, table)
            for name, stages in pipeline.processes(table).items()
        ]
        self._signals: list[int] = []
        self._first_pose_s: float | None = None
        self._ready_s: float | None = None

    def run(self, report: Report) -> End:
        with self._listening(), kill_children_with_this_process():
            try:
                for worker in self.workers:
                    worker.start(time.monotonic())
                end = self._watch(report)
            finally:
                self._stop()
        report(self.snapshot())
        return end

    def stop(self) -> None:
        """As SIGTERM does; for whoever runs this in a thread."""
        self._signals.append(signal.SIGTERM)

    def _watch(self, report: Report) -> End:
        last = time.monotonic()
        reported = 0.0
        while True:
            wait([handle for w in self.workers for handle in w.handles()], timeout=TURN_S)
            now = time.monotonic()
            if (paused_s := now - last - TURN_S) > PAUSE_S:
                for worker in self.workers:
                    worker.forgive(paused_s)
            last = now
            if end := self._turn(now):
                return end
            if now - reported >= REPORT_S:
                reported = now
                report(self.snapshot())

    def _turn(self, now: float) -> End | None:
        if self._signals:
            return End(INTERRUPTED if self._signals[0] == signal.SIGINT else ENDED)
        for worker in self.workers:
            if words := worker.look(now):
                if end := self._classify_exit(worker, words):
                    return end
                worker.plan_restart(now, words)
        makers = [worker for worker in self.workers if worker.name not in RECORD]
        if all(worker.finished for worker in makers):
            return End(ENDED)
        return End(ENDED) if self._time_is_up(now) else None

    def _classify_exit(self, worker: Worker, words: ExitReport) -> End | None:
        """Return None: start it again."""
        if words.kind == "refused":
            return End(words.code, f"realtime: {words.text}")
        if words.kind == "lost":
            log.warning("source lost, trying again: %s", words.text)
            return None
        if worker.crashes_last_minute() >= self.config.pipeline.max_restarts:
            times = f"{self.config.pipeline.max_restarts} restarts in 60 s"
            return End(CRASHED, f"{words.text}\nrealtime: stage {words.stage} keeps crashing ({times})")
        log.warning("stage %s ended, starting it again: %s", words.stage, words.text.strip().splitlines()[-1])
        return None

    def _time_is_up(self, now: float) -> bool:
        if self._first_pose_s is None and self._answered():
            self._first_pose_s = now
        if self._ready_s is None and all(worker.ready for worker in self.workers):
            self._ready_s = now
        limit, began_s = self.config.terminal.seconds, self._first_pose_s or self._ready_s
        return limit is not None and began_s is not None and now - began_s >= limit

    def _answered(self) -> int:
        return self.board.row(self._last_stage()).answered

    def _last_stage(self) -> str:
        return "lift" if "lift" in self.table else [name for name in self.table if name not in RECORD][-1]

    def snapshot(self) -> Snapshot:
        row = self.board.row(self._last_stage())
        first = self.board.row(next(iter(self.table)))
        return Snapshot(
            stages=tuple(self.board.health()),
            info=self.board.info(),
            people=row.people,
            captured=first.answered,
            answered=row.answered,
            dropped=row.dropped,
            seconds=time.monotonic() - self._first_pose_s if self._first_pose_s else 0.0,
            ready=all(worker.ready for worker in self.workers),
            pids={worker.name: worker.pid for worker in self.workers},
        )

    def _stop(self) -> None:
        """In the order of the data: the last stage still sees the last frame.  Whoever is left then is killed."""
        deadline = time.monotonic() + STOP_S
        for worker in self.workers:
            worker.ask_to_stop()
            self._wait_for(worker, min(deadline, time.monotonic() + STOP_ONE_S))
        for worker in self.workers:
            self._wait_for(worker, deadline)
            worker.kill()

    def _wait_for(self, worker: Worker, until_s: float) -> None:
        """Wait for a worker's end until `until_s`, or a second Ctrl-C."""
        while worker.running and time.monotonic() < until_s and len(self._signals) < 2:
            worker.join(TURN_S)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Collect ending signals in a list; only the main thread may listen."""
        if threading.current_thread() is not threading.main_thread():
            with nullcontext():
                yield
            return
        with ended_by(self._heard):
            yield

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)


__all__ = ["End", "Snapshot", "Supervisor", "run"]
