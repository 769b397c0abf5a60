"""A companion lives with the run, dies with it, and its own death is nobody's business."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from realtime.cli.main import main
from realtime.supervise.companion import beside

CHILD = """
import time
from realtime.cli.main import main
from realtime.supervise.companion import beside
if __name__ == "__main__":
    with beside(main, ["view", "--connect", "tcp://127.0.0.1:1", "--http", "127.0.0.1:0"]):
        print("up", flush=True)
        time.sleep(60)
"""


def companions(pid):
    return [p for p in psutil.Process(pid).children(recursive=True) if alive(p)]


def alive(process):
    """Running, and not Python's own tracker of shared memory."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False


def wait_for(condition, limit_s=10.0):
    end = time.monotonic() + limit_s
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_it_ends_with_the_block():
    with beside(main, ["doctor", "--json"]):
        (one,) = wait_for(lambda: companions(os.getpid()))
    assert not alive(one)


def patient(command):
    """Ends by itself once it is told, and leaves a word."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    Path(command[0]).write_text("up")
    while not told.wait(0.05):
        pass
    time.sleep(0.3)  # longer than a companion that is not asked would have
    Path(command[0]).write_text("whole")
    return 0


def test_one_that_is_asked_ends_its_work(tmp_path):
    word = tmp_path / "word"
    with beside(patient, [str(word)], end_s=20.0, asked=True):
        assert wait_for(word.exists)
    assert word.read_text() == "whole"


def test_one_that_is_asked_and_does_not_end_is_killed(tmp_path):
    with beside(deaf, [str(tmp_path / "word")], end_s=0.5, asked=True):
        (one,) = wait_for(lambda: (tmp_path / "word").exists() and companions(os.getpid()))
    assert not alive(one)


def deaf(command):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(command[0]).write_text("up")
    time.sleep(60)
    return 0


def test_a_killed_companion_disturbs_nobody():
    with beside(main, ["doctor", "--json"]):
        (one,) = wait_for(lambda: companions(os.getpid()))
        one.send_signal(signal.SIGKILL)
        assert wait_for(lambda: not alive(one))


def test_d4_a_companion_does_not_outlive_a_killed_run(tmp_path):
    program = tmp_path / "run.py"
    program.write_text(CHILD)
    run = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.getcwd()}
    )
    assert run.stdout.readline() == b"up\n"
    (found,) = companions(run.pid)
    run.kill()
    run.wait()
    run.stdout.close()
    assert wait_for(lambda: not alive(found), 1.0)
