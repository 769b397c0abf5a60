"""FAULTS H3, H5, H12, H24: strangers at the viewer's door, and what a page says while poses do not come."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.test_a_source import camera_run
from tests.support.live import Peer, free_port, live
from tests.support.publisher import FakePipeline
from tests.support.viewing import chromium, serving

SILENT = "tcp://127.0.0.1:1"
NOBODY = 65534
IDLE = 1000


@contextmanager
def command(*flags, connect=SILENT, limits=None, **environment):
    """`realtime view` as a user starts it: its first line, its address with the token, what it says on stderr."""
    words = [sys.executable, "-m", "realtime.cli.main", "view", "--connect", connect, "--http", "127.0.0.1:0", *flags]
    hidden = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")} | environment
    process = subprocess.Popen(
        words, env=hidden, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limits
    )
    try:
        process.address = process.stdout.readline().split()[-1]
        process.port = int(re.search(r":(\d+)/", process.address)[1])
        yield process
    finally:
        process.kill()
        process.communicate()


def status(url: str) -> int:
    """As a browser asks: what it is told to keep, it shows again."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with browser.open(url, timeout=5) as found:
            return found.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


# -- H5: another user of this machine -------------------------------------------------------------------------------

STRANGER = r"""
import json, pathlib, socket, sys
port = int(sys.argv[1])
def ask(path, origin):
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Origin: {origin}", "Connection: Upgrade",
             "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    with socket.create_connection(("127.0.0.1", port), 5) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(line.recv(4096).split()[1])
def read(path):
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
home = f"http://127.0.0.1:{port}"
print(json.dumps({
    "page": ask("/", home), "file": ask("/main.js", home), "stream": ask("/stream", home),
    "guess": ask("/stream?token=guess", home),
    "command lines": [read(p) for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")],
    "environments": [read(p) for p in pathlib.Path("/proc").glob("[0-9]*/environ")],
}))
"""


def as_another_user(code: str, *arguments: str) -> dict:
    """What a program of user `nobody` prints, as JSON."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("a second user needs root")
    python = next((p for p in ("/usr/bin/python3", vars(sys)["_base_executable"]) if may_run(p)), None)
    if python is None:
        pytest.skip("no Python here that another user may run")
    done = subprocess.run(
        [python, "-I", "-c", code, *arguments], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", timeout=30,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def may_run(python: str) -> bool:
    try:
        return subprocess.run([python, "-I", "-c", ""], user=NOBODY, group=NOBODY, cwd="/").returncode == 0
    except OSError:
        return False


def test_h5_another_user_is_refused_the_page_and_the_stream_whatever_origin_is_forged():
    with command() as viewer:
        found = as_another_user(STRANGER, str(viewer.port))
        assert [found[what] for what in ("page", "file", "stream", "guess")] == [403] * 4
        assert status(viewer.address) == 200  # the printed address carries the token


def test_h5_the_token_is_on_no_command_line_where_others_read_it(tmp_path):
    """A browser's command line is public: it was given the address itself."""
    pty = pytest.importorskip("pty")
    said = tmp_path / "said"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s %s" $$ "$1" > {said}.part; mv {said}.part {said}; exec sleep 60\n')
    browser.chmod(0o755)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "realtime.cli.main", "view", "--connect", SILENT, "--http", "127.0.0.1:0"]
    shown = {k: v for k, v in os.environ.items() if k != "SSH_CONNECTION"} | {
        "DISPLAY": ":0",
        "BROWSER": f"{browser} %s &",
    }
    process, pid = subprocess.Popen(words, env=shown, stdout=theirs), 0
    try:
        address = os.read(ours, 300).decode().split()[-1]
        wait_for(said.exists, 10)
        (pid, told), token = said.read_text().split(" ", 1), address.partition("token=")[2]
        assert told.startswith("file://") and len(token) >= 24
        page = Path(told.removeprefix("file://"))
        assert page.stat().st_mode & 0o077 == 0 and token in page.read_text()
        found = as_another_user(STRANGER, re.search(r":(\d+)/", address)[1])
        assert not any(token in line for line in found["command lines"] + found["environments"])
    finally:
        if pid:
            os.kill(int(pid), signal.SIGKILL)
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_h5_the_terminal_of_a_run_shows_the_address_that_lets_its_user_in_and_no_process_shows_the_token():
    """A run named the page's address without its token."""
    port, bind = free_port(), f"tcp://127.0.0.1:{free_port()}"
    words = [sys.executable, "-m", "realtime", "run", "--demo", "--view", "--http", f"127.0.0.1:{port}", "--bind", bind]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = run.stdout.readline().split()[-1]
        wait_for(lambda: reached(address), 30)
        found = as_another_user(STRANGER, str(port))
        token = address.partition("token=")[2]
        assert len(token) >= 24 and found["page"] == found["stream"] == 403
        assert not any(token in line for line in found["command lines"] + found["environments"])
    finally:
        run.terminate()
        run.communicate(timeout=20)


def reached(address: str) -> bool:
    try:
        return status(address) == 200
    except OSError:
        return False


def test_h5_a_page_records_only_into_a_folder_that_was_named(tmp_path, monkeypatch):
    from tests.realtime.viewer.test_server import binary, stream, told

    monkeypatch.chdir(tmp_path)
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer, stream(viewer) as socket_:
        assert told(socket_, "server")["may_record"] is False
        binary(socket_, "pose3d", 2)
        socket_.send(json.dumps({"record": True}))
        binary(socket_, "pose3d", 20)
        assert viewer.hub.recorder is None and list(tmp_path.iterdir()) == []


# -- H3: a thousand connections that say nothing --------------------------------------------------------------------


@contextmanager
def idle_connections(port: int, count: int = IDLE):
    """So many as can be opened; closed with the block."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * count:
        pytest.skip(f"this machine allows {hard} descriptors a process, the test needs {2 * count}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        yield


def at_most(soft: int, hard: int):
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return limit


def test_h3_a_thousand_idle_connections_leave_the_viewer_open_to_its_user():
    with command(limits=at_most(256, 256)) as viewer, idle_connections(viewer.port):
        began = time.monotonic()
        assert status(viewer.address) == 200
        assert time.monotonic() - began < 3
        assert viewer.poll() is None
        viewer.send_signal(signal.SIGTERM)
        assert viewer.wait(5) == 0
        said = viewer.stderr.read()
    assert "Traceback" not in said and len(said.splitlines()) <= 8


def test_h3_the_limit_of_descriptors_is_raised_to_the_hard_one():
    limits = Path("/proc/self/limits")
    if not limits.exists():
        pytest.skip("needs /proc")
    with command(limits=at_most(256, 2048)) as viewer:
        line = next(one for one in Path(f"/proc/{viewer.pid}/limits").read_text().splitlines() if "open files" in one)
        assert line.split()[3:5] == ["2048", "2048"]


def test_h3_a_thousand_idle_connections_to_the_public_port_do_not_end_the_run():
    """Every second the publisher read a file anew, and died of it once the last descriptor was taken."""
    bind = f"tcp://127.0.0.1:{free_port()}"
    values = {"source.spec": "demo", "source.width": 96, "source.height": 64, "publish.bind": bind}
    values["publish.max_age_ms"] = 5000.0  # a busy machine is no fault here
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fakes.run", json.dumps(values)], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, preexec_fn=at_most(1024, 1024),
    )  # fmt: skip
    peer = Peer(bind)
    try:
        peer.fresh_pose(60)
        with idle_connections(int(bind.rpartition(":")[2]), IDLE + 100):
            for _ in range(5):
                time.sleep(1.0)
                peer.fresh_pose(10)
        late = Peer(bind)
        late.fresh_pose(20)
        late.close()
        assert run.poll() is None and not any(report["restarts_1h"] for _, report in peer.health)
    finally:
        peer.close()
        run.terminate()
        said = run.communicate(timeout=10)[1]
    assert "Traceback" not in said


# -- H12: requests that are none -----------------------------------------------------------------------------------

MALFORMED = [
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /?token=\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /?" + b"a=1&" * 500 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: \x00\x01;;=\xff\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n" * 50,
    b"A" * 70_000,
    b"",
]  # fmt: skip


def test_h12_malformed_requests_are_answered_or_closed_and_logged_a_line_a_second_at_most():
    began = time.monotonic()
    with command() as viewer:
        said: list[str] = []
        reading = threading.Thread(target=lambda: said.extend(viewer.stderr), daemon=True)
        reading.start()
        for _ in range(100):
            for request in MALFORMED:
                throw(viewer.port, request)
        assert status(viewer.address) == 200
        viewer.send_signal(signal.SIGTERM)
        assert viewer.wait(5) == 0
        reading.join(5)
    assert not any("Traceback" in line for line in said)
    assert len(said) <= 2 * (time.monotonic() - began) + 2, said[:10]


def throw(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as line:
        try:
            line.sendall(data)
        except OSError:
            return


def wait_for(done, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


# -- H24: a page opened while no pose is current -------------------------------------------------------------------


@contextmanager
def page_of(connect: str):
    with serving(connect) as viewer, chromium() as browser:
        page = browser.new_page()
        page.goto(viewer.address)
        yield page


def says(page, state: str, title: str) -> str:
    """What the banner adds, once it has this title."""
    page.wait_for_selector(f"body[data-state={state}]", timeout=15_000)
    wait_for(lambda: page.locator("#banner b").inner_text() == title, 10)
    return page.locator("#banner span").inner_text()


@pytest.mark.browser
def test_h24_a_page_opened_on_a_machine_that_is_too_slow_says_so_with_age_and_limit(monkeypatch):
    """It said `No data yet: nothing is published`, beside a running stream."""
    began = time.monotonic()
    with live(monkeypatch, {"publish.max_age_ms": 150.0}, detect_s=0.4) as run:
        run.peer.wait(lambda: any(m["seq"] > 3 for _, m in run.peer.poses), 20)
        with page_of(run.bind) as page:
            more = says(page, "stale", "This machine is too slow")
            told = re.search(r"the newest is (\d+) ms old, the limit is 150 ms", more)
            assert told, more
            assert 400 <= int(told[1]) <= 1000 * (time.monotonic() - began)  # from its detector's time to the run's


AGES = re.compile(r"The last frame is [\d.]+ (ms|s|min) old, the limit is 150 ms")


@pytest.mark.browser
def test_h24_a_page_opened_while_the_camera_is_lost_says_so_with_age_and_limit(monkeypatch):
    with camera_run(monkeypatch, "ok") as run:
        run.camera.close()
        run.peer.stage("capture", "DEGRADED", "lost", timeout_s=20)
        with page_of(run.bind) as page:
            assert AGES.search(more := says(page, "stale", "The camera is lost")), more


@pytest.mark.browser
def test_h24_a_page_opened_while_the_camera_is_stalled_says_so_with_age_and_limit(monkeypatch):
    patient = {"source.stall_s": 0.5, "source.restart_s": 30.0}
    with camera_run(monkeypatch, "stall", patient, good=60) as run:
        run.peer.stage("capture", "DEGRADED", "stalled", timeout_s=20)
        with page_of(run.bind) as page:
            assert AGES.search(more := says(page, "stale", "The camera is stalled")), more


@pytest.mark.browser
def test_h24_a_page_opened_while_the_pipeline_starts_names_who_is_not_ready(monkeypatch):
    with live(monkeypatch, detector_load_s=30) as run, page_of(run.bind) as page:
        assert "detect" in says(page, "starting", "The pipeline is starting")


@pytest.mark.browser
def test_h24_a_page_opened_after_the_pipeline_ended_says_since_when():
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer:
        wait_for(lambda: json.loads(viewer.hub.state())["server"]["silent_s"] is not None, 10)
        pipeline.muted = True
        time.sleep(3.5)
        with chromium() as browser:
            page = browser.new_page()
            page.goto(viewer.address)
            page.wait_for_selector("body[data-state=nodata]", timeout=15_000)
            said = page.locator("#banner").inner_text()
            assert re.search(r"No data for \d+(\.\d)? s", said) and "has the pipeline ended?" in said
