"""Both commands on one machine, over loopback: the camera's run and the one that finds poses; either is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import psutil
import pytest

from realtime.cli import main as cli
from tests.support.paths import ROOT
from tests.support.peer import free_address, until

pytestmark = [pytest.mark.slow, pytest.mark.alone]


class Run:
    """A process that says a JSON line a second."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.last: dict = {}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.last = json.loads(line)

    @property
    def answered(self) -> int:
        return self.last.get("answered", 0)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        self._thread.join()
        assert self.process.stdout
        self.process.stdout.close()


def test_pictures_sent_over_loopback_become_poses_and_either_end_may_be_killed():
    link = free_address()
    send = (
        "realtime",
        "run",
        "--only",
        "capture",
        "--demo",
        "--size",
        "160x120",
        "--fps",
        "10",
        "--json",
        "--to",
        link,
    )
    settings = {"source.spec": link.replace("tcp", "remote"), "publish.bind": free_address()}
    with ExitStack() as stack:
        poses = Run("tests.support.fakes.run", json.dumps(settings))
        stack.callback(poses.close)
        camera = Run(*send)
        stack.callback(camera.close)
        until(lambda: poses.answered > 5 and camera.answered > 5, 60)
        until(lambda: "127.0.0.1: clock" in poses.last["info"].get("source_note", ""), 30)
        assert set(camera.last["stages"]) == {"capture", "send"}

        for child in psutil.Process(camera.process.pid).children(recursive=True):
            child.kill()
        camera.process.kill()
        until(lambda: poses.last["stages"]["capture"]["state"] != "READY", 20)
        again, before = Run(*send), poses.answered
        stack.callback(again.close)
        until(lambda: poses.answered > before + 5, 60)

        os.kill(poses.last["pids"]["capture"], signal.SIGKILL)
        before = poses.answered
        until(lambda: poses.answered > before + 5 and poses.last["stages"]["capture"]["restarts_1h"] == 1, 60)
        assert poses.process.poll() is None and again.process.poll() is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "capture", "--demo"], "--to tcp://HOST:PORT"),
        (["--demo", "--to", "nowhere"], "tcp://HOST:PORT"),
        (["--demo", "--to", "tcp://127.0.0.1:9", "--view"], "--view: there are no poses where only the camera is"),
        (["--source", "remote://127.0.0.1:7", "--to", "tcp://127.0.0.1:9"], "--to sends a camera"),
        (["--source", "remote://here"], "remote://here"),
        (["--source", "remote://192.0.2.1:9"], "unencrypted"),
    ],
)
def test_what_cannot_be_is_one_line(words, said, capfd):
    assert cli.main(["run", *words]) == 2
    line = capfd.readouterr().err
    assert said in line and line.count("\n") == 1
