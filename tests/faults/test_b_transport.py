"""FAULTS, group B: slow, stopped, late, rogue and malformed peers; ports and places already taken; dirty exits."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time

import psutil
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import clock
from realtime.client.pose_client import PoseClient
from realtime.pipeline import LAYOUTS, handed_over, processes
from realtime.transport.address import parse
from realtime.transport.bus import Bus, PublicPort, TopicReader
from realtime.transport.runtime_dir import endpoint, run_directory
from realtime.wire.messages import encode
from realtime.wire.topics import TOPICS
from tests.faults.test_d_processes import command, linux_only, peer_of
from tests.realtime.wire.test_messages import BAD
from tests.support.live import SMALL, live
from tests.support.peer import free_address, keypoints, pose, python, raw_socket, until, until_heard

pytestmark = pytest.mark.alone
PUBLISH = """
import sys, time
from pathlib import Path
from realtime.transport.bus import Bus
from realtime.wire.messages import Health
from realtime.clock import Pace
from tests.support.peer import pose
bus, period, second = Bus(Path(".")), 1 / float(sys.argv[2]), Pace(0.9)
port = bus.public(sys.argv[1])
print("ready", flush=True)
seq, began = 0, time.monotonic()
while True:
    port.send_on("pose3d", "cam0", pose(seq))
    if second.due():
        port.send_on("health", "cam0", Health("lift", "READY"))
    seq += 1
    time.sleep(max(0, began + seq * period - time.monotonic()))
"""
LISTEN = """
import sys, zmq
context = zmq.Context()
subscriber = context.socket(zmq.SUB)
subscriber.connect(sys.argv[1])
subscriber.subscribe("")
subscriber.recv()
print("ready", flush=True)
sys.stdin.read()
"""
ROGUE = """
import sys, threading, zmq
from realtime.wire.messages import encode
from tests.support.peer import pose
context = zmq.Context()
publisher = context.socket(zmq.PUB)
publisher.bind(sys.argv[1])
oversized = b"pose3d/cam0\\0" + bytes(100_000_000)
print("ready", flush=True)
huge = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), huge.set()), daemon=True).start()
seq = 0
while True:
    publisher.send(encode("pose3d", "cam0", pose(seq)))
    seq += 1
    if huge.wait(0.03):
        publisher.send(oversized, copy=False)
        huge.clear()
"""


def rss_mb(pid: int | None = None) -> float:
    return psutil.Process(pid).memory_info().rss / 1e6


@contextlib.contextmanager
def listener(address: str):
    context = zmq.Context()
    reader = TopicReader(context, address, "pose3d")
    yield reader
    reader.close()
    context.term()


def test_b1_a_slow_reader_gets_the_newest_and_costs_the_publisher_nothing():
    address, hz = free_address(), 60
    with python(PUBLISH, address, str(hz)) as publisher, listener(address) as reader:
        until(lambda: reader.get(100))
        began, before, ages = time.monotonic(), rss_mb(publisher.pid), []
        while time.monotonic() - began < 5:
            time.sleep(0.1)
            if heard := reader.get(0):
                ages.append((clock.now_ns() - heard.t_publish_ns) / 1e6)
        assert len(ages) > 25
        assert statistics.median(ages[-20:]) <= 2 * 1000 / hz
        assert rss_mb(publisher.pid) - before < 5


@linux_only
def test_b2_a_stopped_client_neither_slows_nor_fattens_the_publisher(tmp_path):
    address = free_address()
    bus = Bus(tmp_path)
    port, message = bus.public(address), pose(1, people=9)
    alone, with_client = [], []

    def burst() -> float:
        began = time.perf_counter()
        for _ in range(500):
            port.send_on("pose3d", "cam0", message)
        return time.perf_counter() - began

    for _ in range(5):
        alone.append(burst())  # noqa: PERF401
    client = subprocess.Popen([sys.executable, "-c", LISTEN, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    until_heard(lambda: port.send_on("pose3d", "cam0", message), lambda: _is_ready(client), timeout_s=20)
    client.send_signal(signal.SIGSTOP)
    before = rss_mb()
    for _ in range(5):
        with_client.append(burst())  # noqa: PERF401
    grown = rss_mb() - before
    client.kill()
    client.communicate()
    bus.close()
    assert statistics.median(with_client) <= 2 * statistics.median(alone)
    assert grown < 10


def _is_ready(client: subprocess.Popen) -> bool:
    """It has said so."""
    return bool(select.select([client.stdout], [], [], 0.02)[0])  # type: ignore[type-var]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_b3_every_message_is_one_part_on_every_topic(monkeypatch, runtime_dir, layout):
    table = LAYOUTS[layout]
    on_the_wire = set(TOPICS).difference(*(handed_over(table, process) for process in processes(table)))
    with live(monkeypatch, {"pipeline.processes": layout}) as run, raw_socket(zmq.SUB) as subscriber:
        run.peer.fresh_pose(20)
        directory = runtime_dir / str(parse(run.bind).port)
        subscriber.connect(run.bind)
        for topic, row in TOPICS.items():
            if not row.public or topic == "truth":
                subscriber.connect(endpoint(directory, topic))
        subscriber.subscribe("")
        seen: set[str] = set()

        def hears_all() -> bool:
            if subscriber.poll(100):
                (part,) = subscriber.recv_multipart()
                seen.add(part.split(b"/")[0].decode())
            return seen == on_the_wire

        until(hears_all, timeout_s=15)


def test_b4_a_late_client_hears_at_once_and_needs_no_first_message():
    address, waits_ms, missed = free_address(), [], []
    with python(PUBLISH, address, "30") as publisher, listener(address) as first:
        until(lambda: (p := first.get(100)) and p.stamp.seq >= 100, timeout_s=15)
        for _ in range(5):
            with listener(address) as late:
                before, joined = until(lambda: first.get(100)).stamp.seq, clock.now_ns()
                heard = until(lambda late=late: late.get(100))
                waits_ms.append(clock.age_ms(joined))
                missed.append(heard.stamp.seq - before)
        assert min(missed) <= 1 and min(waits_ms) <= 1000 / 30 + 5
        with PoseClient(address) as client:
            joined = time.monotonic()
            until(client.health)
            assert time.monotonic() - joined <= 1.0
        assert publisher.poll() is None


def test_b5_after_a_killed_publisher_the_same_stream_goes_on(monkeypatch):
    with live(monkeypatch) as run, PoseClient(run.bind) as client:
        before = until(lambda: (p := client.latest()).status == "OK" and p, timeout_s=20)
        old, killed = run.pids()["publish"], clock.now_ns()
        os.kill(old, signal.SIGKILL)
        after = until(lambda: (p := client.latest()).status == "OK" and p.stamp.t_capture_ns > killed and p)
        assert clock.age_ms(killed) <= 2000
        assert after.stamp.stream == before.stamp.stream and after.stamp.seq > before.stamp.seq
        assert run.pids()["publish"] not in (None, old)
        seqs = [pose.stamp.seq for pose, _ in zip(client, range(20))]
        assert seqs == sorted(seqs)


@linux_only
def test_b6_a_silent_publisher_is_told_within_500_ms(monkeypatch):
    with live(monkeypatch) as run, PoseClient(run.bind) as client:
        until(lambda: client.latest().status == "OK", timeout_s=20)
        poses = iter(client)
        next(poses)
        os.kill(run.pids()["publish"], signal.SIGSTOP)
        stopped = time.monotonic()
        until(lambda: client.latest().status == "STALE", timeout_s=0.5)
        told = next(pose for pose in poses if pose.status == "STALE")
        assert time.monotonic() - stopped <= 0.5
        assert told.people == () and told.stamp.seq >= 0
        until(lambda: client.latest().status == "OK", timeout_s=10)


def test_b7_an_oversized_message_costs_a_socket_and_no_memory():
    address = free_address()
    with python(ROGUE, address) as rogue, PoseClient(address) as client:
        until(lambda: client.latest().status == "OK")
        before, last = rss_mb(), client.latest().stamp.seq
        rogue.stdin.write("now\n")
        rogue.stdin.flush()
        until(lambda: client.latest().status == "STALE")
        deaf, peak = time.monotonic(), 0.0
        while client.latest().status == "STALE":
            peak = max(peak, rss_mb())
            assert time.monotonic() - deaf <= 2
        assert client.renewed >= 1 and client.latest().stamp.seq > last
        assert peak - before < 20


NOISE = {
    "http": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + os.urandom(192),
    "random": os.urandom(100_000),
    "a greeting and no more": b"\xff" + bytes(8) + b"\x7f\x03\x00NULL",
    "half a greeting": b"\xff\x00",
    "zeros": bytes(1_000_000),
    "a huge frame": b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48) + b"\x02" + b"\x7f" * 8 + b"x" * 10_000,
}


def test_b8_garbage_on_the_public_port_disturbs_nobody():
    address = free_address()
    with python(PUBLISH, address, "30") as publisher, PoseClient(address) as client:
        until(lambda: client.latest().status == "OK")
        before = rss_mb(publisher.pid)
        for _ in range(50):  # a port scan
            socket.create_connection(parse(address), timeout=5).close()
        with contextlib.ExitStack() as strangers:
            for noise in NOISE.values():
                stranger = strangers.enter_context(socket.create_connection(parse(address), timeout=5))
                with contextlib.suppress(ConnectionError, TimeoutError):
                    stranger.sendall(noise)
            seq = client.latest().stamp.seq
            until(lambda: (p := client.latest()).status == "OK" and p.stamp.seq > seq + 10)
            with PoseClient(address) as another:
                until(lambda: another.latest().status == "OK")
        assert publisher.poll() is None and rss_mb(publisher.pid) - before < 10


def test_b8_endless_subscriptions_cost_their_author_the_connection_and_no_memory():
    address = free_address()
    with python(PUBLISH, address, "30") as publisher, PoseClient(address) as client, raw_socket(zmq.XSUB) as greedy:
        until(lambda: client.latest().status == "OK")
        before = rss_mb(publisher.pid)
        greedy.connect(address)
        peak, end = 0.0, time.monotonic() + 3
        while time.monotonic() < end:
            for _ in range(200):
                with contextlib.suppress(zmq.Again):
                    greedy.send(b"\1" + os.urandom(100), zmq.NOBLOCK)
            peak = max(peak, rss_mb(publisher.pid))
        greedy.close()
        assert peak - before < 100 and publisher.poll() is None
        seq = client.latest().stamp.seq
        until(lambda: (p := client.latest()).status == "OK" and p.stamp.seq > seq)


@pytest.fixture
def rogue_stage(runtime_dir):
    """A reader of a run's topic whose publisher sends whatever the test likes."""
    with run_directory(free_address()) as directory, raw_socket(zmq.PUB) as rogue:
        rogue.bind(endpoint(directory, "pose"))
        bus = Bus(directory)
        yield rogue, bus.latest("pose")
        bus.close()


@pytest.mark.parametrize("name", BAD)
def test_b9_a_malformed_message_is_counted_and_the_next_one_is_read(rogue_stage, name, caplog):
    rogue, reader = rogue_stage
    data = BAD[name][0].replace(b"pose3d/", b"pose/")
    if data.startswith(b"pose/") and len(data) <= 65_536:  # others never pass the subscription, or the socket's limit
        with caplog.at_level(logging.WARNING):
            until_heard(lambda: rogue.send(data), lambda: reader.get(5) or reader.refused[BAD[name][1]] >= 3)
        assert len(caplog.records) == 1 and "refused" in caplog.text
    good = encode("pose", "cam0", pose(7))
    assert until_heard(lambda: rogue.send(good), lambda: reader.get(20)).stamp.seq == 7


@settings(max_examples=25, deadline=None)
@given(noise=st.lists(st.binary(max_size=2000), max_size=20))
def test_b9_random_bytes_never_end_a_reader(noise):
    address = free_address()
    with raw_socket(zmq.PUB) as rogue, listener(address) as reader:
        rogue.bind(address)
        until_heard(lambda: rogue.send(b"pose3d/cam0\0\xc0"), lambda: reader.get(5) or reader.refused["version"])
        for data in noise:
            rogue.send(b"pose3d/cam0\0" + data)
            assert reader.get(5) is None
        good = encode("pose3d", "cam0", pose(7))
        assert until_heard(lambda: rogue.send(good), lambda: reader.get(20)).stamp.seq == 7


def test_b10_a_second_instance_is_refused_and_the_first_undisturbed():
    with command() as first, peer_of(first) as peer:
        with command({"publish.bind": first.bind}) as second:
            _, said = second.communicate(timeout=30)
        assert second.returncode == 3 and f"process {first.pid}" in said and "Traceback" not in said
        peer.fresh_pose(2)
        assert first.poll() is None
        first.terminate()
        assert first.wait(10) == 0


@linux_only
def test_b11_what_a_killed_run_left_does_not_hinder_the_next(runtime_dir):
    with command() as process, peer_of(process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        directory = runtime_dir / str(parse(process.bind).port)
        assert list(directory.glob("*.sock")) and (directory / "lock").exists()
        with command({"publish.bind": process.bind, "terminal.seconds": 0.3}) as again:
            assert again.wait(30) == 0
        assert not list(directory.glob("*.sock"))


def ends_with(code: int, environment: dict[str, str] | None = None, **values) -> tuple[str, float]:
    """Its error line and the CPU time it took: on a busy machine the wall's time would be somebody else's."""
    arguments = [sys.executable, "-m", "tests.support.fakes.run", json.dumps(SMALL | values)]
    with subprocess.Popen(
        arguments, env=os.environ | (environment or {}), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stderr
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == code, said
    assert said.count("\n") == 1, said
    return said, usage.ru_utime + usage.ru_stime


def test_b12_a_taken_port_ends_the_start_with_its_number():
    bind = free_address()
    with socket.create_server(parse(bind)):
        said, seconds = ends_with(3, **{"publish.bind": bind})
    assert f"port {parse(bind).port}" in said
    assert seconds <= 2


def test_b13_a_socket_path_that_is_too_long_is_refused_by_its_limit(tmp_path):
    place = tmp_path / ("x" * 110)
    said, _ = ends_with(2, {"STEADYPOSE_RUNTIME_DIR": str(place)}, **{"publish.bind": free_address()})
    assert "107" in said and "STEADYPOSE_RUNTIME_DIR" in said


@settings(max_examples=8, deadline=None)
@given(size=st.integers(1000, 8000), first=st.integers(0, 200))
def test_b14_a_buffer_may_be_used_again_at_once(size, first):
    """Nobody reads while the same buffer is filled thirty times."""
    address, buffer = free_address(), bytearray(size)
    context = zmq.Context()
    port = PublicPort(context, address)
    subscriber = context.socket(zmq.SUB)
    subscriber.connect(address)
    subscriber.subscribe("")
    until_heard(lambda: port.send_bytes(b"hello"), lambda: subscriber.poll(5))
    port.send_bytes(b"begin")
    for n in range(30):
        buffer[:] = bytes([first + n]) * size
        port.send_bytes(buffer)
    while subscriber.recv() != b"begin":
        continue
    assert [subscriber.recv() for _ in range(30)] == [bytes([first + n]) * size for n in range(30)]
    subscriber.close()
    port.close()
    context.term()


def test_b14_arrays_may_be_used_again_at_once(tmp_path):
    address = free_address()
    bus = Bus(tmp_path)
    port, message = bus.public(address), keypoints(1)
    with raw_socket(zmq.SUB) as subscriber:
        subscriber.connect(address)
        subscriber.subscribe("")
        until_heard(lambda: port.send_bytes(b"hello"), lambda: subscriber.poll(5))
        port.send_bytes(b"begin")
        expected = []
        for n in range(30):
            message.people[0].xy[:] = n
            expected.append(encode("keypoints2d", "cam0", message))
            port.send_on("keypoints2d", "cam0", message)
        while subscriber.recv() != b"begin":
            continue
        assert [subscriber.recv() for _ in range(30)] == expected
    bus.close()


UNSENT = """
import sys, time
from pathlib import Path
from realtime.transport.bus import Bus
from realtime.client.pose_client import PoseClient
from tests.support.peer import pose
bus = Bus(Path("."))
port = bus.public(sys.argv[1])
client = PoseClient(sys.argv[2])
for seq in range(2000):
    port.send_on("pose3d", "cam0", pose(seq, people=9))
    if seq == 500:
        print("ready", flush=True)
        sys.stdin.readline()
began = time.monotonic()
client.close()
bus.close()
print(time.monotonic() - began, flush=True)
"""


@linux_only
def test_b15_unsent_messages_do_not_delay_the_end():
    """A client that does not read, and an endpoint that nobody binds."""
    address = free_address()
    with python(UNSENT, address, free_address()) as process:
        with raw_socket(zmq.SUB, rcvhwm=1) as stuck:
            stuck.connect(address)
            stuck.subscribe("")
            process.stdin.write("go\n")
            process.stdin.flush()
            took = float(process.stdout.readline())
            ended = time.monotonic()
            assert process.wait(10) == 0
        assert took + time.monotonic() - ended <= 2


@linux_only
def test_b15_a_run_with_a_stopped_client_ends_in_time():
    with command() as process, peer_of(process), python(LISTEN, process.bind) as client:
        client.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began <= 2


FORKING = """
import multiprocessing, sys
multiprocessing.set_start_method("fork")
from tests.support.fakes import run
sys.argv[1:] = sys.argv[1:]
sys.exit(run.main())
"""


@linux_only
def test_b16_processes_are_spawned_even_where_fork_is_the_default():
    bind = free_address()
    values = json.dumps(SMALL | {"publish.bind": bind})
    with subprocess.Popen([sys.executable, "-c", FORKING, values], stdout=subprocess.DEVNULL) as process:
        process.bind = bind
        try:
            with peer_of(process):
                stages = [child.cmdline() for child in psutil.Process(process.pid).children()]
                stages = [words for words in stages if "resource_tracker" not in " ".join(words)]
                assert len(stages) >= 3 and all("spawn_main" in " ".join(words) for words in stages)
        finally:
            process.terminate()
    assert process.returncode == 0


FORKED = """
import os, sys
from pathlib import Path
from realtime.transport.bus import Bus
bus = Bus(Path(sys.argv[1]))
pid = os.fork()
if pid == 0:
    try:
        bus.latest("frame")
    except RuntimeError as error:
        os._exit(0 if "spawn" in str(error) else 1)
    os._exit(2)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
bus.close()
sys.exit(code)
"""


@linux_only
def test_b16_a_bus_that_came_through_fork_refuses_to_work(tmp_path):
    assert subprocess.run([sys.executable, "-c", FORKED, str(tmp_path)], timeout=30).returncode == 0
