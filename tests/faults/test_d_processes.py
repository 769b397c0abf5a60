"""FAULTS, group D: processes die, hang, crash, start slowly; the clock jumps; the machine sleeps or is busy."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from realtime.pipeline import LAYOUTS, LIVE
from realtime.supervise.logs import Calm
from realtime.transport.bus import TopicReader
from tests.support.camera import Camera
from tests.support.live import SMALL, Peer, free_port, live

WITHIN_S = {  # (layout, process) -> until poses are fresh again
    ("joined", "capture"): 2.0,
    ("joined", "estimate"): 4.0,  # with the detector in it
    ("joined", "publish"): 2.0,
    ("apart", "capture"): 2.0,
    ("apart", "detect"): 4.0,
    ("apart", "estimate"): 2.0,
    ("apart", "publish"): 2.0,
}
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="signals, /proc and CPU affinity")


@contextmanager
def command(values: dict | None = None, **fakes):
    """The run as a process group of its own, as a terminal would start it; its bind is added."""
    bind = f"tcp://127.0.0.1:{free_port()}"
    arguments = [
        sys.executable,
        "-m",
        "tests.support.fakes.run",
        json.dumps(SMALL | {"publish.bind": bind} | (values or {})),
    ]
    env = os.environ | {"FAKES": json.dumps(fakes)}
    process: Any = subprocess.Popen(
        arguments, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    process.bind = bind
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Politely, then not."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGCONT)
        process.terminate()
    try:
        process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def peer_of(process):
    peer = Peer(process.bind)
    try:
        peer.fresh_pose(20)
        yield peer
    finally:
        peer.close()


def children(pid: int) -> list[psutil.Process]:
    """Without Python's own resource tracker, which ends by itself behind the last of them."""
    found = psutil.Process(pid).children(recursive=True)
    return [child for child in found if "resource_tracker" not in " ".join(child.cmdline())]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def traces(runtime_dir: Path, bind: str) -> list[str]:
    """Sockets and shared memory of a run that are still there."""
    port = bind.rpartition(":")[2]
    sockets = [str(path) for path in runtime_dir.rglob("*.sock")]
    return sockets + [name for name in os.listdir("/dev/shm") if name.startswith("steadypose") and port in name]


@pytest.mark.parametrize(("layout", "process"), WITHIN_S)
def test_d1_a_killed_stage_comes_back_alone(monkeypatch, layout, process):
    with live(monkeypatch, {"pipeline.processes": layout}) as run:
        run.peer.fresh_pose(20)
        others = {name: pid for name, pid in run.pids().items() if name != process}
        took_s = [back_after_s(run, process) for _ in range(2)]  # the better one: other programs share the machine
        assert min(took_s) <= WITHIN_S[layout, process]
        assert {name: pid for name, pid in run.pids().items() if name != process} == others
        _, told = run.peer.stage("lift" if process == "estimate" else process, "READY")
        assert told["restarts_1h"] == 2


def back_after_s(run, process: str) -> float:
    """From its death to a current pose of a frame captured later, by another process."""
    before, killed = run.pids()[process], time.monotonic()
    os.kill(before, signal.SIGKILL)

    def fresh() -> bool:
        newer = (m["t_capture_ns"] > killed * 1e9 and m["status"] == "OK" for _, m in reversed(run.peer.poses))
        return run.pids()[process] not in (None, before) and any(newer)

    run.peer.wait(fresh, 15, f"a pose after the death of {process}")
    return time.monotonic() - killed


@pytest.mark.parametrize(("layout", "process"), WITHIN_S)
def test_d2_a_stopped_stage_is_killed_for_its_silence(monkeypatch, layout, process):
    silence_s = max(stage.max_silence_s for stage in LAYOUTS[layout].values() if stage.process == process)
    with live(monkeypatch, {"pipeline.processes": layout}) as run:
        run.peer.fresh_pose(20)
        before = run.pids()[process]
        os.kill(before, signal.SIGSTOP)
        began = time.monotonic()
        run.peer.wait(lambda: run.pids()[process] not in (None, before), 10, "another process")
        assert time.monotonic() - began <= silence_s + 1
        run.peer.fresh_pose()


@pytest.mark.parametrize(("layout", "process"), [("joined", "estimate"), ("apart", "detect")])
def test_d2_a_stage_that_hangs_in_c_with_the_lock_held_is_killed(monkeypatch, layout, process):
    with live(monkeypatch, {"pipeline.processes": layout}, wedge="detect") as run:
        first = run.peer.wait(lambda: run.pids()[process], 20)
        run.peer.wait(lambda: run.row("detect")["restarts"] == 1, 20, "the restart")
        assert not psutil.pid_exists(first)
        run.peer.fresh_pose()


def test_d3_a_crash_loop_ends_the_run_with_stage_and_traceback():
    with command(crash="lift") as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 5
        assert "stage lift keeps crashing (5 restarts in 60 s)" in errors
        assert "RuntimeError: the fake engine was told to crash" in errors
        assert "Traceback" in errors


@linux_only
def test_d4_nothing_survives_a_killed_supervisor(runtime_dir):
    with command() as process, peer_of(process):
        left = children(process.pid)
        assert len(left) >= 3
        process.kill()
        killed = time.monotonic()
        while alive(left) and time.monotonic() - killed < 1.0:
            time.sleep(0.02)
        assert not alive(left)
        again(process.bind)
        assert not traces(runtime_dir, process.bind)


def again(bind: str) -> None:
    """What a killed run left goes with the next one."""
    with command({"publish.bind": bind, "terminal.seconds": 0.3}) as process:
        assert process.wait(30) == 0


@linux_only
def test_d5_ctrl_c_ends_all_within_two_seconds(runtime_dir):
    with command() as process, peer_of(process):
        left = children(process.pid)
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - began <= 2
        assert not alive(left) and not traces(runtime_dir, process.bind)
        assert "Traceback" not in process.stderr.read()


@linux_only
def test_d5_ctrl_c_twice_does_not_wait_for_a_stage_that_hangs(runtime_dir):
    with command() as process, peer_of(process):
        left = children(process.pid)
        for child in left:
            child.suspend()
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - began <= 1.2
        assert not alive(left) and not traces(runtime_dir, process.bind)
        assert "Traceback" not in process.stderr.read()


@linux_only
def test_d6_sigterm_ends_with_zero_and_cleans_up(runtime_dir):
    with command() as process, peer_of(process):
        left = children(process.pid)
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began <= 2
        assert not alive(left) and not traces(runtime_dir, process.bind)


def test_d7_a_slow_start_is_no_silence(monkeypatch):
    silence_s = LIVE["lift"].max_silence_s
    with live(monkeypatch, lifter_load_s=silence_s + 1.5) as run:
        run.peer.wait(lambda: run.row("detect")["ready"], 20)
        assert run.health()["lift"].state == "STARTING"
        run.peer.fresh_pose(20)
        assert run.health()["lift"].state == "READY"
        assert run.row("lift")["starts"] == 1


JUMPING_CLOCK = """
import time
_true, _true_ns = time.time, time.time_ns
def _jump():  # every second an hour forward or back
    return 3600 * (-1) ** int(time.monotonic())
time.time = lambda: _true() + _jump()
time.time_ns = lambda: _true_ns() + _jump() * 10**9
"""


def test_d8_a_jumping_wall_clock_changes_nothing(monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(JUMPING_CLOCK)
    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, getattr(time, name))  # put back at the end
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    exec(JUMPING_CLOCK, {})  # this process, the supervisor's, too
    camera = Camera()
    with closing(camera), live(monkeypatch, {"source.spec": camera.url}) as run:
        run.peer.fresh_pose(20)
        pids, seen = run.pids(), len(run.peer.poses)
        run.peer.wait(lambda: len(run.peer.poses) > seen + 80, 20, "80 poses")
        assert run.pids() == pids
        poses = [m for _, m in run.peer.poses[seen:]]
        wall = [m["t_capture_unix_ns"] for m in poses]
        assert max(wall) - min(wall) > 3600e9  # the clock did jump
        assert all(m["status"] == "OK" for m in poses)


@linux_only
def test_d9_a_starved_pipeline_says_lagging_and_recovers(monkeypatch):
    with live(monkeypatch, {"publish.max_age_ms": 150.0}, detect_busy_s=0.02) as run:
        run.peer.fresh_pose(20)
        run.peer.wait(lambda: run.health()["detect"].state == "READY", 20, "a quiet moment")
        with starved([pid for pid in run.pids().values() if pid]):
            began = time.monotonic()
            run.peer.wait(lambda: "lagging" in run.health()["detect"].reason, 6, "lagging")
            assert time.monotonic() - began <= 3
            assert run.health()["detect"].state == "DEGRADED"
            before = int(run.row("lift")["dropped"])
            run.peer.wait(lambda: run.row("lift")["dropped"] > before + 5, 5, "counted drops")
            late = [m for _, m in run.peer.poses if m["status"] == "OK" and age_ms(m) > 150]
            assert not late  # drops, not delay
        run.peer.wait(lambda: run.health()["detect"].state == "READY", 20, "recovery")
        assert all(run.row(stage)["starts"] == 1 for stage in LIVE)


def age_ms(pose: dict) -> float:
    return (pose["t_publish_ns"] - pose["t_capture_ns"]) / 1e6


@contextmanager
def starved(pids: list[int]):
    """All threads on one CPU, beside four that burn it."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    cpu = min(os.sched_getaffinity(0))
    threads = [int(task.name) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    for thread in [*threads, *(b.pid for b in burners)]:
        os.sched_setaffinity(thread, {cpu})
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@linux_only
def test_d10_after_a_long_pause_only_fresh_poses_come():
    with command() as process, peer_of(process) as peer:
        before = {p.pid for p in children(process.pid)}
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(3)
        seen, woken = len(peer.poses), time.monotonic()
        os.killpg(process.pid, signal.SIGCONT)
        peer.wait(lambda: len(peer.poses) > seen + 40, 10, "poses after the pause")
        after = [m for _, m in peer.poses[seen:]]
        assert all(m["t_capture_ns"] > woken * 1e9 for m in after if m["status"] == "OK")
        old = [m for m in after if m["t_capture_ns"] <= woken * 1e9]
        assert all(m["status"] == "STALE" and not m["people"] for m in old)
        assert len({m["seq"] for m in old}) <= 3  # no burst
        assert {p.pid for p in children(process.pid)} == before


def test_d12_a_flood_of_bad_messages_is_one_line_a_second(caplog):
    context, address = zmq.Context(), f"tcp://127.0.0.1:{free_port()}"
    rogue = context.socket(zmq.PUB)
    rogue.bind(address)
    reader = TopicReader(context, address, "pose3d")
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        while time.monotonic() - began < 2.5:
            for _ in range(5):
                rogue.send(b"pose3d/cam0\0" + os.urandom(40))
            assert reader.get(5) is None
    spent = time.monotonic() - began
    reader.close()
    context.destroy(linger=0)
    kinds = {record.args[0:1] + tuple(str(record.args[2]).split()[:1]) for record in caplog.records}
    assert sum(reader.refused.values()) > 100
    assert 1 <= len(caplog.records) <= len(reader.refused) * (spent + 1), kinds


def test_d12_our_own_log_repeats_nothing_within_a_second():
    calm = Calm(period_s=3600)
    record = logging.LogRecord("lift", logging.WARNING, "", 0, "late by %d ms", (5,), None)
    passed = sum(calm.filter(record) for _ in range(1000))
    assert passed == 1


@pytest.mark.slow
@pytest.mark.timeout(240)
@linux_only
def test_d11_two_minutes_and_twenty_lost_cameras_leak_nothing(monkeypatch):
    camera = Camera("close", good=30)
    values = {"source.spec": camera.url, "source.backoff_s": 0.05}
    with closing(camera), live(monkeypatch, values) as run:
        run.peer.fresh_pose(30)
        watched = {name: psutil.Process(pid) for name, pid in run.pids().items() if name != "capture"}
        watched["supervisor"] = psutil.Process()
        usage: list[dict[str, tuple[float, int]]] = []
        end = time.monotonic() + 120
        while time.monotonic() < end or run.row("capture")["reconnects"] < 20:
            assert time.monotonic() < end + 60, f"only {run.row('capture')['reconnects']} reconnects"
            usage.append({n: (p.memory_info().rss / 1e6, p.num_fds()) for n, p in watched.items()})
            time.sleep(2)
        for name in watched:
            settled, last = usage[len(usage) // 4][name], usage[-1][name]
            assert last[0] - settled[0] < 10, f"{name} grew from {settled[0]:.0f} to {last[0]:.0f} MB"
            assert last[1] - settled[1] <= 3, f"{name} went from {settled[1]} to {last[1]} descriptors"
        assert run.row("capture")["restarts"] == 0
