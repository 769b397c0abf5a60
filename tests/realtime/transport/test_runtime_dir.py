"""The run directory: private, locked, cleaned; addresses by user and port.  Both locks and both transports."""

from __future__ import annotations

import os
import socket

import pytest

from realtime.transport import runtime_dir, shared_memory
from realtime.transport.address import BadPlace, Busy, is_loopback, memory_key, memory_names, parse
from realtime.transport.bus import Bus
from realtime.transport.runtime_dir import run_directory
from realtime.wire.topics import TOPICS
from tests.support.peer import frame, free_address, python, until_heard

HOLD = """
import sys
from pathlib import Path
from realtime.transport import runtime_dir
with getattr(runtime_dir, sys.argv[1])(Path(sys.argv[2])):
    print("ready", flush=True)
    sys.stdin.read()
"""
LOCKS = ["_locked_by_flock", "_locked_by_sqlite"]


@pytest.mark.parametrize(
    ("bind", "loopback"),
    [("tcp://127.0.0.1:5555", True), ("tcp://localhost:5555", True), ("tcp://[::1]:5555", True),
     ("tcp://127.8.8.8:1", True), ("tcp://0.0.0.0:5555", False), ("tcp://192.168.1.5:5555", False),
     ("tcp://[::]:5555", False), ("tcp://example.org:5555", False)],
)  # fmt: skip
def test_loopback(bind, loopback):
    assert is_loopback(bind) == loopback


@pytest.mark.parametrize("bind", ["5555", "tcp://127.0.0.1", "tcp://:5555", "tcp://127.0.0.1:0", "tcp://*:x", "ipc://a",
                                  "tcp://127.0.0.1:99999"])  # fmt: skip
def test_an_address_that_is_none_is_refused_with_an_example(bind):
    with pytest.raises(BadPlace, match="expected tcp://HOST:PORT"):
        parse(bind)


def test_the_directory_is_this_users_alone_and_keeps_no_trace(runtime_dir):
    bind = free_address()
    with run_directory(bind) as directory:
        assert directory == runtime_dir / str(parse(bind).port)
        assert directory.stat().st_mode & 0o777 == 0o700
        bus = Bus(directory)
        bus.publisher("frame")
        shared_memory.create(memory_names(bind)[0], 4096).close()
        assert list(directory.glob("*.sock"))
        bus.close()
    assert {path.name for path in directory.iterdir()} == {"lock", "pid", "boot"}
    assert not shared_memory.unlink(memory_names(bind)[0])


def test_without_a_chosen_directory_the_session_s_or_the_system_s_is_used(monkeypatch, tmp_path):
    monkeypatch.delenv("STEADYPOSE_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_dir.base_directory() == tmp_path / "steadypose"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert runtime_dir.base_directory().name == f"steadypose-{os.getuid()}"


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_g6_a_directory_open_to_others_is_refused_with_the_command_that_mends_it(runtime_dir, mode):
    runtime_dir.chmod(mode)
    with pytest.raises(BadPlace, match=f"chmod 700 {runtime_dir}"), run_directory(free_address()):
        pass
    runtime_dir.chmod(0o700)


def test_g6_a_directory_of_another_user_is_refused(runtime_dir, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: runtime_dir.stat().st_uid + 1)
    with pytest.raises(BadPlace, match="belongs to user"), run_directory(free_address()):
        pass


def test_a_link_in_its_place_is_refused(runtime_dir, tmp_path):
    bind = free_address()
    (runtime_dir / str(parse(bind).port)).symlink_to(tmp_path)
    with pytest.raises(BadPlace, match="no directory of its own"), run_directory(bind):
        pass


def test_a_directory_that_cannot_be_made_is_refused(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STEADYPOSE_RUNTIME_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(BadPlace, match="STEADYPOSE_RUNTIME_DIR"), run_directory(free_address()):
        pass


@pytest.mark.parametrize("how", LOCKS)
def test_a_lock_holds_against_another_process_until_it_dies(how, tmp_path):
    with python(HOLD, how, str(tmp_path)) as holder:
        with pytest.raises(Busy, match=f"process {holder.pid} "), getattr(runtime_dir, how)(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with getattr(runtime_dir, how)(tmp_path):
            assert (tmp_path / "pid").read_text() == str(os.getpid())


@pytest.mark.parametrize("how", LOCKS)
def test_a_lock_holds_against_the_same_process_and_is_given_back(how, tmp_path):
    with getattr(runtime_dir, how)(tmp_path), pytest.raises(Busy), getattr(runtime_dir, how)(tmp_path):
        pass
    with getattr(runtime_dir, how)(tmp_path):
        pass


def test_windows_gets_the_portable_lock_and_transport(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime_dir.sys, "platform", "win32")
    with runtime_dir.lock(tmp_path):
        assert (tmp_path / "lock.db").exists() and not (tmp_path / "lock").exists()


def test_a_run_over_loopback_tcp_gives_every_topic_a_port_of_its_own():
    with run_directory(free_address(), transport="tcp") as directory:
        addresses = {runtime_dir.endpoint(directory, topic) for topic in TOPICS}
        assert len(addresses) == len(TOPICS) and all(is_loopback(address) for address in addresses)
        here, there = Bus(directory), Bus(directory)
        frames, reader = here.publisher("frame"), there.latest("frame")
        assert until_heard(lambda: frames.send(frame(5)), lambda: reader.get(20)).stamp.seq == 5
        here.close()
        there.close()
    assert not (directory / "ports").exists()


def test_the_boot_id_is_one_per_run():
    bind = free_address()
    with run_directory(bind) as directory:
        first = runtime_dir.boot_id(directory)
        assert first == runtime_dir.boot_id(directory) and len(first) == 16
    with run_directory(bind) as directory:
        assert runtime_dir.boot_id(directory) != first


def test_a_taken_port_is_refused_by_number():
    bind = free_address()
    with socket.create_server(parse(bind)), pytest.raises(Busy, match=str(parse(bind).port)), run_directory(bind):
        pass


def test_a_host_that_is_not_ours_is_refused():
    with pytest.raises(BadPlace, match=r"192\.0\.2\.1"), run_directory("tcp://192.0.2.1:5555"):
        pass


def test_what_a_dead_run_left_is_gone_at_the_next_start():
    bind = free_address()
    directory = runtime_dir.private_directory(runtime_dir.base_directory() / str(parse(bind).port))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / "frame.sock"))
    for name in memory_names(bind):
        shared_memory.create(name, 4096).close()
    with run_directory(bind):
        assert not list(directory.glob("*.sock"))
        assert not [name for name in os.listdir("/dev/shm") if name.startswith(memory_key(bind))]


def test_paths_with_spaces_and_unicode_work(monkeypatch, runtime_dir):
    place = runtime_dir / "ä pose 人"  # short: socket paths are limited
    monkeypatch.setenv("STEADYPOSE_RUNTIME_DIR", str(place))
    with run_directory(free_address()) as directory:
        bus = Bus(directory)
        frames, reader = bus.publisher("frame"), bus.latest("frame")
        assert until_heard(lambda: frames.send(frame(5)), lambda: reader.get(20))
        bus.close()
