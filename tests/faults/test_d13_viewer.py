"""FAULTS D13: the viewer's server is killed, its page closed, or there is no display: the pipeline never notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.live import live
from tests.support.viewing import chromium


@contextmanager
def viewer_command(connect: str, **environment):
    """`realtime view`, as a user starts it; its address is in `address`."""
    command = [sys.executable, "-m", "realtime.cli.main", "view", "--connect", connect, "--http", "127.0.0.1:0"]
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")} | environment
    process: Any = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE)
    try:
        process.address = process.stdout.readline().split()[-1]
        yield process
    finally:
        process.kill()
        process.communicate()


def opened(address: str) -> bool:
    """As a browser does: the token comes in the address and stays in a cookie."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(address, timeout=10) as answer:
        return b"steadypose" in answer.read()


def undisturbed(run, pids, restarts=0):
    run.peer.fresh_pose(3)
    assert run.pids() == pids
    assert all(one.restarts_1h == restarts for one in run.health().values())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_d13_a_killed_viewer_leaves_the_pipeline_untouched(monkeypatch):
    with live(monkeypatch) as run:
        run.peer.fresh_pose(20)
        pids = run.pids()
        with viewer_command(run.bind) as viewer:
            assert opened(viewer.address)
            undisturbed(run, pids)
            viewer.send_signal(signal.SIGKILL)
            viewer.wait(5)
            undisturbed(run, pids)


def test_d13_a_stopped_viewer_leaves_the_pipeline_untouched(monkeypatch):
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("needs SIGSTOP")
    with live(monkeypatch) as run:
        run.peer.fresh_pose(20)
        pids = run.pids()
        with viewer_command(run.bind) as viewer:
            viewer.send_signal(signal.SIGSTOP)
            for _ in range(20):
                undisturbed(run, pids)
            viewer.send_signal(signal.SIGCONT)
            assert opened(viewer.address)


@pytest.mark.browser
def test_d13_closed_pages_and_a_killed_browser_disturb_neither_server_nor_pipeline(monkeypatch):
    with live(monkeypatch) as run:
        run.peer.fresh_pose(20)
        pids = run.pids()
        with viewer_command(run.bind) as viewer, chromium() as browser:
            for _ in range(2):
                page = browser.new_page()
                page.goto(viewer.address)
                page.wait_for_selector("body[data-frame]", timeout=15_000)
                page.close()
            undisturbed(run, pids)
            page = browser.new_page()
            page.goto(viewer.address)
            page.wait_for_selector("body[data-state=live]", timeout=15_000)
            assert viewer.poll() is None
        undisturbed(run, pids)


def test_d13_without_a_display_the_viewer_prints_its_address_and_serves_on():
    with viewer_command("tcp://127.0.0.1:1") as viewer:
        assert viewer.address.startswith("http://127.0.0.1:")
        for _ in range(3):
            assert opened(viewer.address)
        viewer.send_signal(signal.SIGTERM)
        assert viewer.wait(5) == 0
