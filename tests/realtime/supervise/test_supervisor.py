from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest

from realtime.config.schema import PipelineConfig, PublishConfig, RunConfig, SourceConfig, TerminalConfig
from realtime.pipeline import Stage
from realtime.supervise import status_board
from realtime.supervise.supervisor import CRASHED, ENDED, INTERRUPTED, End, Snapshot, Supervisor
from realtime.transport.runtime_dir import run_directory
from tests.support.peer import free_address, until


def stage(main: str, process: str = "one", silence_s: float = 10.0) -> Stage:
    return Stage(f"tests.support.fakes.stages:{main}", process, (), (), silence_s, 20.0)


def config(**sections) -> RunConfig:
    return RunConfig(publish=PublishConfig(bind=free_address()), **sections)


class Run:
    """A supervisor in a thread, and what it reported."""

    def __init__(self, table: dict[str, Stage], settings: RunConfig | None = None) -> None:
        self.settings, self.table = settings or config(), table
        self.reports: list[Snapshot] = []
        self.end: End | None = None
        self._made = threading.Event()
        self.thread = threading.Thread(target=self._go)
        self.thread.start()
        assert self._made.wait(10)

    def _go(self) -> None:
        with run_directory(self.settings.publish.bind) as directory:
            self.supervisor = Supervisor(self.settings, self.table, directory)
            self._made.set()
            self.end = self.supervisor.run(self.reports.append)

    def row(self, name: str):
        return self.supervisor.board.row(name)

    def ends(self, timeout_s: float = 30):
        self.thread.join(timeout_s)
        assert not self.thread.is_alive()
        return self.end

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.supervisor.stop()
        self.thread.join(10)


def test_it_reports_ready_stages_their_info_and_pids():
    with Run({"a": stage("works"), "b": stage("works", "two")}) as run:
        until(lambda: all(one.state == "READY" for one in run.supervisor.snapshot().stages), 20)
        shot = run.supervisor.snapshot()
        assert shot.ready and [one.state for one in shot.stages] == ["READY", "READY"]
        assert set(shot.pids) == {"one", "two"} and shot.info["pid"] in shot.pids.values()
    assert run.end.code == ENDED
    assert run.reports[-1].pids == {"one": None, "two": None}  # the last report comes when all have gone


def test_stages_of_one_process_share_it():
    with Run({"a": stage("works"), "b": stage("works")}) as run:
        until(lambda: run.row("a")["ready"] and run.row("b")["ready"], 20)
        info = [status_board.read_info(run.row(name))["pid"] for name in "ab"]
        assert info[0] == info[1] == run.supervisor.workers[0].pid


def test_a_run_ends_when_all_its_stages_have():
    with Run({"a": stage("ends"), "b": stage("ends", "two")}) as run:
        assert run.ends().code == ENDED


def test_a_refusal_at_start_ends_all_with_its_code_and_its_line():
    with Run({"a": stage("works", "two"), "b": stage("refuses")}) as run:
        end = run.ends()
        assert (end.code, end.line) == (6, "realtime: no model; run: realtime fetch-model")


def test_a_crash_loop_ends_all_with_the_stage_and_its_traceback():
    with Run(
        {"a": stage("works", "two"), "b": stage("raises")}, config(pipeline=PipelineConfig(max_restarts=2))
    ) as run:
        end = run.ends()
        assert end.code == CRASHED
        assert "RuntimeError: a fault of ours" in end.line and "Traceback" in end.line
        assert end.line.endswith("stage b keeps crashing (2 restarts in 60 s)")
        assert run.row("b")["starts"] == 3 and run.row("a")["starts"] == 1


def test_a_process_that_dies_without_a_word_is_named_with_its_cause():
    with Run({"b": stage("dies")}, config(pipeline=PipelineConfig(max_restarts=0))) as run:
        assert "process one died with code 9" in run.ends().line


def test_silence_is_death():
    with Run({"b": stage("is_silent", silence_s=0.3)}, config(pipeline=PipelineConfig(max_restarts=0))) as run:
        end = run.ends()
        assert end.code == CRASHED and "stage b gave no sign of life for 0.3 s" in end.line


def test_a_lost_source_is_tried_for_ever_and_is_no_crash():
    quick = config(pipeline=PipelineConfig(max_restarts=0), source=SourceConfig(backoff_s=0.05, backoff_max_s=0.1))
    with Run({"capture": stage("loses_its_source", silence_s=10)}, quick) as run:
        until(lambda: run.row("capture")["reconnects"] >= 3 or run.end, 30)
        assert run.end is None and run.row("capture")["restarts"] == 0


def test_seconds_count_from_the_first_pose():
    with Run({"lift": stage("works")}, config(terminal=TerminalConfig(seconds=1.0))) as run:
        until(lambda: run.row("lift")["ready"], 20)
        time.sleep(0.6)
        run.row("lift")["answered"], began = 1, time.monotonic()
        assert run.ends(5).code == ENDED
        assert time.monotonic() - began > 0.9


def test_seconds_without_any_pose_count_from_ready():
    with Run({"lift": stage("works")}, config(terminal=TerminalConfig(seconds=0.3))) as run:
        assert run.ends(20).code == ENDED


def test_the_last_lines_of_a_stage_are_not_lost(capfd):
    with Run({"a": stage("prints_at_exit")}) as run:
        until(lambda: run.row("a")["ready"], 20)
    assert "the last line" in capfd.readouterr().err


def test_stopped_processes_are_killed_in_the_end():
    with Run({"a": stage("works", silence_s=60)}) as run:
        until(lambda: run.row("a")["ready"], 20)
        child = psutil.Process(run.supervisor.workers[0].pid)
        child.suspend()
        began = time.monotonic()
    assert time.monotonic() - began < 5 and not child.is_running()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, ENDED)])
def test_signals_become_exit_codes_and_handlers_are_put_back(number, code):
    before = signal.getsignal(number)
    settings = config()
    with run_directory(settings.publish.bind) as directory:
        supervisor = Supervisor(settings, {"a": stage("works")}, directory)
        killer = threading.Thread(
            target=lambda: (until(lambda: supervisor.board.row("a")["ready"], 20), os.kill(os.getpid(), number))
        )
        killer.start()
        assert supervisor.run(lambda _: None).code == code
        killer.join()
    assert signal.getsignal(number) is before
