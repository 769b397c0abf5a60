"""FAULTS, group H: slow starts, files without pictures, small shared memory, names others took, signals, passwords."""

from __future__ import annotations

import json
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import zmq

from realtime.cli import main as cli
from realtime.config.redact import without_secret
from realtime.config.schema import config_hash
from realtime.config.source_spec import kind_of
from realtime.transport.address import parse
from tests.faults.test_a_source import write_video
from tests.faults.test_d_processes import again, alive, children, command, linux_only, peer_of, traces
from tests.realtime.supervise.test_supervisor import Run, stage
from tests.support.camera import Camera
from tests.support.fakes.run import settings
from tests.support.live import SMALL, live
from tests.support.other_user import DAEMON, NOBODY, as_root, folder_of, run_as
from tests.support.peer import free_address, until


def test_h1_a_stage_that_starts_slowly_is_not_silent_once_it_is_ready():
    with Run({"a": stage("starts_slowly", silence_s=0.8)}) as run:
        until(lambda: run.row("a")["ready"], 30)
        until(lambda: run.row("a")["beat"] > 10, 10)
        assert run.row("a")["starts"] == 1


def test_h1_a_file_whose_chain_loads_longer_than_the_silence_limit_runs_through(monkeypatch, tmp_path):
    path = tmp_path / "clip.avi"
    write_video(path, frames=5)
    with live(monkeypatch, {"source.spec": str(path), "source.every_frame": True}, detector_load_s=6) as run:
        run.thread.join(60)
        assert run.end.code == 0, run.end
        assert run.row("file")["starts"] == 1 and run.row("file")["answered"] == 5


def blank_every_picture(path: Path) -> None:
    """The chunks of an MJPG file stay, what is in them goes."""
    data = bytearray(path.read_bytes())
    at = data.find(b"movi") + 4
    while data[at : at + 4] == b"00dc":
        (length,) = struct.unpack("<I", data[at + 4 : at + 8])
        data[at + 8 : at + 8 + length] = bytes(length)
        at += 8 + length + (length & 1)
    path.write_bytes(data)


def file_without_pictures(folder: Path, kind: str) -> Path:
    path = folder / ("big.png" if kind == "16k" else "broken.avi")
    if kind == "16k":
        cv2.imwrite(str(path), np.zeros((16384, 16384), np.uint8))
    else:
        write_video(path, frames=20)
        blank_every_picture(path)
    return path


@pytest.mark.parametrize("kind", ["16k", "broken"])
def test_h2_a_file_that_opens_and_gives_no_picture_is_refused_by_name(tmp_path, kind):
    path = file_without_pictures(tmp_path, kind)
    values = {"source.spec": str(path), "terminal.seconds": 3, "publish.bind": free_address()}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fakes.run", json.dumps(values)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(said) == 1, done.stderr
    assert path.name in said[0] and "not one picture" in said[0]


def test_h2_a_file_of_one_picture_is_answered_and_ends(tmp_path):
    path = tmp_path / "one.avi"
    write_video(path, frames=1)
    with command({"source.spec": str(path), "source.every_frame": True}) as process:
        assert process.wait(30) == 0, process.stderr.read()


IN_SMALL_MEMORY = """
import subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[1]}", "tmpfs", "/dev/shm"], check=True)
sys.exit(subprocess.run([sys.executable, "-m", "tests.support.fakes.run", sys.argv[2]]).returncode)
"""
TIGHT = [("64m", 3840, 2160), ("17m", 640, 480), ("4m", 640, 480)]  # of /dev/shm; the last is too small for poses


@linux_only
@pytest.mark.skipif(shutil.which("unshare") is None, reason="mount namespaces")
@pytest.mark.parametrize(("size", "width", "height"), TIGHT)
def test_h4_shared_memory_too_small_for_the_pictures_is_a_refusal_with_both_numbers(size, width, height):
    values = SMALL | {"source.width": width, "source.height": height, "publish.bind": free_address()}
    inside = [sys.executable, "-c", IN_SMALL_MEMORY, size, json.dumps(values)]
    done = subprocess.run(["unshare", "-m", *inside], capture_output=True, text=True, timeout=90)
    if done.stderr.startswith(("unshare:", "mount:")):
        pytest.skip(f"this user may not mount: {done.stderr.strip()[:80]}")
    assert done.returncode == 4, done.stderr
    said = done.stderr.strip().splitlines()
    assert "needs" in said[-1] and "has" in said[-1] and "MB" in said[-1]
    assert "Traceback" not in done.stderr
    last = json.loads(done.stdout.strip().splitlines()[-1])
    assert not last["ready"] and last["answered"] == 0


@linux_only
@as_root
@pytest.mark.parametrize("what", ["poses", "frames-0"])
def test_h6_a_name_another_user_took_is_one_line_and_exit_4(what):
    bind = free_address()
    squatted = Path(f"/dev/shm/steadypose-{NOBODY}-{parse(bind).port}-{what}")
    values = json.dumps(SMALL | {"publish.bind": bind})
    with folder_of(NOBODY) as folder, folder_of(DAEMON) as other:
        run_as(DAEMON, ["-c", f"open({str(squatted)!r}, 'x')"], other)
        assert squatted.stat().st_uid == DAEMON
        try:
            done = run_as(NOBODY, ["-m", "tests.support.fakes.run", values], folder)
        finally:
            squatted.unlink()
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("\n") == 1 and str(squatted) in done.stderr and "--bind" in done.stderr


@contextmanager
def handled(number: signal.Signals, how: signal.Handlers) -> Iterator[None]:
    """What is started here inherits it: nohup ignores a signal for its children, and for these tests under it."""
    before = signal.signal(number, how)
    try:
        yield
    finally:
        signal.signal(number, before)


@linux_only
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_h7_a_closed_terminal_and_sigquit_leave_nothing(runtime_dir, number):
    with handled(number, signal.SIG_DFL), command() as process, peer_of(process):
        left = children(process.pid)
        process.send_signal(number)
        assert process.wait(10) == 0
        assert not alive(left) and not traces(runtime_dir, process.bind)
        assert "Traceback" not in process.stderr.read()


@linux_only
def test_h7_nohup_keeps_a_run_beyond_its_terminal():
    with handled(signal.SIGHUP, signal.SIG_IGN), command() as process, peer_of(process) as peer:
        process.send_signal(signal.SIGHUP)
        seen = len(peer.poses)
        peer.wait(lambda: len(peer.poses) > seen + 30, 10, "poses after the hang-up")
        assert process.poll() is None


BAD_NAMES = ["''", "'" + "x" * 300 + "'", '"a\\0b"', "'a/b'", "'a b'", "'caméra'"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_h16_a_source_name_that_cannot_be_a_topic_is_refused_with_the_rule(tmp_path, capfd, name):
    path = tmp_path / "settings.yaml"
    path.write_text(f"source:\n  name: {name}\n")
    assert cli.main(["run", "--demo", "--config", str(path)]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and ":2: source.name: expected 1 to 32 letters" in said
    assert len(said) < 300


SECRETS = [
    "http://admin:geheim@127.0.0.1:8080/stream.mjpg",
    "RTSP://admin:geheim@127.0.0.1/a",
    "rtsp://admin:ge@geheim@127.0.0.1/a",
    "rtsp://admin:ge/geheim@127.0.0.1/a",
    "http://127.0.0.1/video?user=admin&pwd=geheim",
]


@pytest.mark.parametrize("spec", SECRETS)
def test_h17_what_may_be_shown_of_an_address_has_no_password(spec):
    assert "geheim" not in without_secret(spec) and "127.0.0.1" in without_secret(spec)
    assert kind_of(spec) == "stream"


def test_h17_the_password_changes_no_hash():
    one, other = (settings({"source.spec": f"http://admin:{word}@127.0.0.1/a"}) for word in ("geheim", "another"))
    assert config_hash(one) == config_hash(other) != config_hash(settings({"source.spec": "http://127.0.0.1/b"}))


def test_h17_a_password_is_in_nothing_that_a_run_says_or_writes(runtime_dir, tmp_path):
    """Every message, every line of log and every file, while the camera works, stalls, is lost and comes back."""
    camera = Camera("close", good=25)
    spec = camera.url.replace("//", "//admin:geheim@")
    values = SMALL | {"source.spec": spec, "record.file": str(tmp_path / "a.poses")}
    with closing(camera), command(values | {"source.backoff_s": 0.05}) as process:
        heard = overheard(process.bind, lambda: camera.served > 3 * camera.good)
        process.terminate()
        said, errors = process.communicate(timeout=10)
    files = [path for folder in (runtime_dir, tmp_path) for path in folder.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files)
    assert "lost" in errors and len(heard) > 2000
    for place, text in {"messages": heard, "files": written, "output": (said + errors).encode()}.items():
        assert b"geheim" not in text, place


def overheard(address: str, done: Callable[[], bool]) -> bytes:
    """All bytes that are published until then."""
    context, found, end = zmq.Context(), [], time.monotonic() + 40
    with closing(context.socket(zmq.SUB)) as ear:
        ear.connect(address)
        ear.subscribe(b"")
        while not done() and time.monotonic() < end:
            if ear.poll(50):
                found.append(ear.recv())
    context.destroy(linger=0)
    return b"".join(found)


@linux_only
def test_h21_a_stopped_child_dies_with_a_killed_supervisor():
    with command() as process, peer_of(process):
        left = children(process.pid)
        for child in left:
            child.suspend()  # none can hear its pipe; only the kernel's parent-death signal reaches it
        process.kill()
        killed = time.monotonic()
        while alive(left) and time.monotonic() - killed < 2.0:
            time.sleep(0.02)
        try:
            assert not alive(left)
        finally:
            for child in alive(left):
                child.kill()
        again(process.bind)


@linux_only
def test_h22_nobody_is_killed_for_the_silence_of_a_paused_supervisor():
    """All are stopped, the supervisor is woken first: what it did not see for five seconds is nobody's silence."""
    with command() as process, peer_of(process) as peer:
        left = children(process.pid)
        supervisor = psutil.Process(process.pid)
        for child in left:
            child.suspend()
        time.sleep(0.2)  # it sees their last signs of life: a later one, unseen, would be news after the pause
        supervisor.suspend()
        time.sleep(5)
        supervisor.resume()
        time.sleep(0.3)  # it looks six times; each child has a second less what it saw of their silence before
        for child in left:
            child.resume()
        seen = len(peer.poses)
        peer.wait(lambda: len(peer.poses) > seen + 20, 15, "poses after the pause")
        assert {p.pid for p in children(process.pid)} == {p.pid for p in left}
