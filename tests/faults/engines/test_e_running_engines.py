"""Group E of FAULTS.md while a pipeline runs: engines missing, for a GPU that is not there, slow, stuck, raising."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from realtime.pipeline import LIVE, Table
from tests.support.fakes.run import faked
from tests.support.live import live

BUDGET_MS = 150  # max_age of a pose: the first one after READY keeps it too
ENGINE = {"lift.engine": "hold"}


def with_lift(main: str) -> Table:
    """Fake detector and filter, another lift stage."""
    table = faked(LIVE)
    return table | {"lift": replace(table["lift"], main=main)}


REAL = "realtime.lift.stage:main"


def test_e1_a_run_without_its_engine_ends_with_6_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with live(monkeypatch, {"lift.engine": "nobody"}, with_lift(REAL)) as run:
        run.thread.join(20)
        assert run.end is not None
        assert run.end.code == 6
        assert "no engine 'nobody'" in run.end.line
        assert "engines build MODEL.onnx" in run.end.line
        assert "\n" not in run.end.line


def test_e6_a_run_on_a_gpu_that_is_not_there_ends_with_6(monkeypatch: pytest.MonkeyPatch) -> None:
    with live(monkeypatch, ENGINE | {"lift.device": "tensorrt"}, with_lift(REAL)) as run:
        run.thread.join(20)
        assert run.end is not None
        assert run.end.code == 6
        assert "--target tensorrt" in run.end.line


def test_e6_with_allow_cpu_it_runs_degraded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    values = ENGINE | {"lift.device": "tensorrt", "lift.allow_cpu": True}
    with live(monkeypatch, values, with_lift(REAL)) as run:
        run.peer.fresh_pose(20)
        _, told = run.peer.stage("lift", "DEGRADED")
        assert "cpu" in told["reason"]


def test_e7_ready_only_after_warm_up_and_the_first_pose_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    with live(monkeypatch, ENGINE, with_lift("tests.support.fakes.warm_up:main"), first_call_s=2.0) as run:
        run.peer.wait(lambda: run.row("detect")["ready"], 20, "the other stages")
        if not run.row("lift")["ready"]:
            assert run.health()["lift"].state == "STARTING"
        run.peer.wait(lambda: run.row("lift")["ready"], 20, "lift")
        assert time.monotonic() - began > 2.0
        run.peer.fresh_pose(20)
        first = next(m for _, m in run.peer.poses if m["status"] == "OK")
        assert first["stage_us"]["lift"] < BUDGET_MS * 1000
        assert first["t_publish_ns"] - first["t_capture_ns"] < BUDGET_MS * 1e6
        assert run.row("lift")["starts"] == 1


def test_e8_an_engine_that_hangs_is_killed_for_its_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """In C, with the interpreter's lock held: no thread of that process can say so."""
    silence_s = LIVE["lift"].max_silence_s
    with live(monkeypatch, block_at=40) as run:
        run.peer.fresh_pose(20)
        first = run.pids()["estimate"]
        run.peer.wait(lambda: run.pids()["estimate"] not in (None, first), 20, "another process")
        last = max(at for at, m in run.peer.poses if m["status"] == "OK")
        assert time.monotonic() - last <= silence_s + 1.5
        run.peer.fresh_pose()
        _, told = run.peer.stage("lift", "READY")
        assert told["restarts_1h"] == 1


def test_e9_an_engine_that_raises_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with live(monkeypatch, raise_at=50) as run:
        run.peer.fresh_pose(20)
        others = {name: pid for name, pid in run.pids().items() if name != "estimate"}
        run.peer.wait(lambda: run.row("lift")["restarts"] == 1, 20, "the restart")
        raised = time.monotonic()
        run.peer.fresh_pose(after_s=raised)
        assert time.monotonic() - raised <= 2.0
        assert {name: run.pids()[name] for name in others} == others
