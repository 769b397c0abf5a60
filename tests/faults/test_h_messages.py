"""FAULTS, group H: killed recorders, publishers that contradict themselves, nonsense that decodes, hostile files."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq

import engines
from realtime import clock
from realtime.bridges.send import Requests
from realtime.cli import main as cli
from realtime.cli import replay
from realtime.client.pose_client import PoseClient
from realtime.pipeline import LAYOUTS, RECORD
from realtime.recording.file_format import LOST, MAGIC, SYNC, RecordingReader, RecordingWriter, pack
from realtime.recording.reader import summarize
from realtime.wire.messages import Hello, Keypoints2D, MessageError, Pose3D, decode, encode, split
from tests.faults.test_d_processes import linux_only
from tests.support.fakes.run import faked
from tests.support.live import live
from tests.support.peer import free_address, hello, keypoints, person3d, pose, until, until_heard
from tests.support.people import walker as fake
from tests.support.publisher import FakePipeline

pytest.importorskip("pythonosc")


# H8


@linux_only
def test_h8_a_recorder_killed_at_random_loses_no_pose_that_info_does_not_count(monkeypatch, layout, tmp_path):
    path = tmp_path / "run.poses"
    values = {"record.file": str(path), "pipeline.max_restarts": 1000}
    with live(monkeypatch, values, faked(LAYOUTS[layout]) | RECORD) as run:
        run.peer.fresh_pose(30)
        until(lambda: path.exists() and path.stat().st_size > 5000, 20)
        draw = random.Random(4)
        for killed in range(12):
            time.sleep(draw.uniform(0.0, 0.4))
            until(lambda: run.pids()["record"] is not None, 20)
            os.kill(run.pids()["record"], signal.SIGKILL)
            until(lambda n=killed: run.row("record")["starts"] > n + 1 and run.row("record")["ready"], 30)
        run.peer.fresh_pose()
        time.sleep(0.5)
        published = [(m["stream"], m["seq"]) for _, m in run.peer.poses if m["status"] == "OK"]
    kept = {stamp_of(record.payload) for record in RecordingReader(path) if record.type != LOST}
    begun = published[[p in kept for p in published].index(True) :]
    missing = [p for p in begun[:-30] if p not in kept]
    assert len(begun) > 100
    assert len(missing) <= summarize(path).losses.at_writing


def stamp_of(wire: bytes) -> tuple[int, int]:
    plain = msgpack.unpackb(bytes(split(wire)[2]))
    return (plain["stream"], plain["seq"]) if "people" in plain and "status" in plain else (-1, -1)


# H9, H10: what decodes and cannot be


def mutated(message, **other) -> bytes:
    topic = {Pose3D: "pose3d", Hello: "hello", Keypoints2D: "keypoints2d"}[type(message)]
    plain = msgpack.unpackb(bytes(split(encode(topic, "cam0", message))[2]))
    for path, value in other.items():
        *way, last = path.split("__")
        inner = plain
        for step in way:
            inner = inner[int(step) if step.isdecimal() else step]
        inner[last] = value
    return f"{topic}/cam0\0".encode() + msgpack.packb(plain)


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


NONSENSE = {
    "captured at the end of time": mutated(pose(), t_capture_ns=2**64 - 1),
    "captured before the clock began": mutated(pose(), t_capture_ns=-5),
    "captured an hour after it was published": mutated(pose(), t_capture_ns=clock.now_ns() + 3600 * 10**9),
    "published at the end of time": mutated(pose(), t_publish_ns=2**64 - 1),
    "sigma below zero": mutated(pose(), people__0__sigma=floats(*[-1.0] * 17)),
    "reliability above one": mutated(pose(), people__0__reliability=floats(*[1.5] * 17)),
    "age below zero": mutated(pose(), people__0__age_ms=floats(*[-1.0] * 17)),
    "id beyond 31 bits": mutated(pose(), people__0__id=2**31),
    "two people of one id": mutated(pose(people=2), people__1__id=1),
    "people in a stale frame": mutated(pose(), status="STALE"),
    "people where nobody is": mutated(pose(), status="NO_PERSON"),
    "up of no length": mutated(pose(), up=[0.0, 0.0, 0.0]),
    "a look-ahead of 1e308": mutated(pose(), look_ahead_ms=1e308),
    "a picture of 2^40 px": mutated(pose(), width=2**40),
    "score below zero": mutated(keypoints(), people__0__score=floats(*[-0.1] * 33)),
    "parents of other joints": mutated(hello(), parents=[-1]),
    "parents beyond the joints": mutated(hello(), parents=[-1] + [99] * 16),
    "parents in a circle": mutated(hello(), parents=[-1, 2, 1] + [0] * 14),
    "nobody is the root": mutated(hello(), parents=[1, 0] + [0] * 15),
    "one name twice": mutated(hello(), joints=["a"] * 17),
    "a threshold of 7": mutated(hello(), threshold=7.0),
}  # fmt: skip


@pytest.mark.parametrize("what", NONSENSE)
def test_h10_nonsense_that_decodes_is_refused(what):
    kind = {b"pose3d": Pose3D, b"hello": Hello, b"keypoints2d": Keypoints2D}[NONSENSE[what].split(b"/")[0]]
    with pytest.raises(MessageError):
        decode(kind, NONSENSE[what])


def test_h10_nonsense_is_counted_and_the_client_goes_on(caplog):
    with rogue() as (say, address), PoseClient(address) as client:
        until_heard(lambda: say(encode("pose3d", "cam0", pose(1))), lambda: client.latest().status == "OK")
        until_heard(lambda: [say(data) for data in NONSENSE.values()], lambda: client.refused.total() >= 15)
        until_heard(lambda: say(encode("pose3d", "cam0", pose(2))), lambda: client.latest().stamp.seq == 2)
    assert 1 <= len(caplog.records) < 15


def test_h10_a_text_cannot_steer_the_terminal():
    read = decode(Hello, mutated(hello(), engine="\x1b[2Jgone\r\n", joints=["\x1b[31m", *hello().joints[1:]]))
    assert read.engine == "\\x1b[2Jgone\\r\\n" and read.joints[0] == "\\x1b[31m"


@contextmanager
def rogue():
    """A publisher that says whatever it is told, byte for byte."""
    context, address = zmq.Context(), free_address()
    out = context.socket(zmq.PUB)
    out.bind(address)
    try:
        yield out.send, address
    finally:
        context.destroy(linger=0)


def test_h9_poses_of_other_joints_than_hello_names_are_refused_and_counted(caplog):
    few = replace(fake.HELLO, joints=fake.HELLO.joints[:5], parents=fake.HELLO.parents[:5])
    with rogue() as (say, address), PoseClient(address) as client:
        until_heard(lambda: say(encode("hello", "cam0", few)), client._hellos.newest)
        until_heard(lambda: say(encode("pose3d", "cam0", pose(1))), lambda: client.refused.total() > 3)
        assert client.latest().status == "STALE"
        until_heard(lambda: say(encode("hello", "cam0", fake.HELLO)), lambda: len(client.joints) == 17)
        until_heard(lambda: say(encode("pose3d", "cam0", pose(2))), lambda: client.latest().status == "OK")


NAMELESS = replace(fake.HELLO, joints=tuple(f"j{n}" for n in range(17)))
FEW = replace(fake.HELLO, joints=fake.HELLO.joints[:5], parents=fake.HELLO.parents[:5])


BY_JOINT = ("xyz", "sigma", "state", "age_ms", "reliability", "xy")
CHANGING = "changing"  # both Hellos in turn, and poses of either number of joints
SAID = {"nameless": [NAMELESS], "few": [FEW], CHANGING: [FEW, fake.HELLO]}
OF_FIVE = (replace(person3d(), **{n: getattr(person3d(), n)[:5] for n in BY_JOINT}),)


VIEW = "view --no-open --http HTTP"
CLIENTS = ("bridge vmc --listen 0", "bridge osc", "bridge ws --http 127.0.0.1:0", VIEW, "record OUT")


@pytest.mark.parametrize("said", SAID)
def test_h9_clients_of_a_publisher_that_contradicts_itself_live_or_end_with_a_line(tmp_path, capfd, said):
    out, http, began = tmp_path / "a.poses", free_address().removeprefix("tcp://"), time.monotonic()
    told = {words: tmp_path / f"{words.split()[0]} {n}.txt" for n, words in enumerate(CLIENTS)}
    with rogue() as (say, address), contextlib.ExitStack() as files:
        clients = {
            words: subprocess.Popen(
                [sys.executable, "-m", "realtime.cli.main", *filled(words, out, http), "--connect", address],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=files.enter_context(file.open("wb")),
            )
            for words, file in told.items()
        }  # fmt: skip
        while time.monotonic() < began + 4 or (not all_up(told) and time.monotonic() < began + 40):
            now = int(time.monotonic() * 30)
            say(encode("hello", "cam0", SAID[said][now // 15 % len(SAID[said])]))
            say(encode("pose3d", "cam0", fake.pose(now, [], None)))
            say(encode("pose3d", "cam0", pose(now)))
            say(encode("pose3d", "cam0", replace(pose(now), people=OF_FIVE)))
            time.sleep(0.03)
        for client in clients.values():
            client.terminate()
        for client in clients.values():
            client.wait(20)
    for words, file in told.items():
        text = file.read_text()
        ended = clients[words].returncode  # of the signal itself where it was about to end of its own
        assert ended in (0, 2, -signal.SIGTERM) and "Traceback" not in text, (words, text)
        assert text.count("\n") <= 4 * (time.monotonic() - began) + 5, (words, text)  # a second, of each kind
    assert clients[VIEW].returncode == 0 and heard(told[VIEW])
    if out.exists():
        for command in (["info", str(out)], ["export", str(out), "--to", "csv", "--out", str(tmp_path / "a.csv")]):
            one_line_or_done(command, capfd)


def all_up(told: dict[str, Path]) -> bool:
    """Everybody but `record`, which says nothing until its end, has spoken."""
    return heard(told[VIEW]) and all(file.stat().st_size for words, file in told.items() if "record" not in words)


def heard(file: Path) -> bool:
    return "other joints than Hello names" in file.read_text()


def filled(words: str, out: Path, http: str) -> list[str]:
    return [{"OUT": str(out), "HTTP": http}.get(word, word) for word in words.split()]


# H11


def bundle_of_2036(address: str = "/VMC/Ext/Set/Calib/Ready") -> bytes:
    """An OSC bundle whose time is ten years away."""
    padded = address.encode() + b"\0" * (4 - len(address) % 4)
    message = padded + b",\0\0\0"
    return b"#bundle\0" + struct.pack(">II", 0xF0000000, 0) + struct.pack(">i", len(message)) + message


def test_h11_a_bundle_for_2036_is_taken_at_once_and_delays_no_end():
    with closing(Requests("127.0.0.1", 0)) as asked, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(bundle_of_2036(), ("127.0.0.1", asked.port))
        assert until(asked.take) == ["/VMC/Ext/Set/Calib/Ready"]
        began = time.monotonic()
    assert time.monotonic() - began < 1


def test_h11_a_flood_of_requests_is_paced_and_noise_is_none():
    with closing(Requests("127.0.0.1", 0)) as asked, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        cpu, began = time.process_time(), time.monotonic()
        for n in range(3000):
            sender.sendto(os.urandom(60) if n % 2 else b"#bundle\0" * 7, ("127.0.0.1", asked.port))
        time.sleep(0.5)
        assert asked.take() == []
        sender.sendto(bundle_of_2036("/VMC/Ext/Set/Calib/Exec"), ("127.0.0.1", asked.port))
        assert time.process_time() - cpu < time.monotonic() - began


# H13


def recording(path: Path, hello_message: Hello = fake.HELLO, frames: int = 20) -> bytes:
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", hello_message))
        for seq in range(frames):
            one = fake.person(1, fake.in_camera(fake.walker(seq / 30)))
            writer.write(encode("keypoints2d", "cam0", fake.keypoints(seq, (one,))))
            writer.write(encode("pose3d", "cam0", fake.pose(seq, [one])))
        writer.write_lost(3)
    return path.read_bytes()


def one_line_or_done(words: list[str], capfd) -> str:
    """A command that ends by itself with 0 or with its code and one line; anything else is raised."""
    code = cli.main(words)
    said = capfd.readouterr()
    assert code in (0, 2, 6) and "Traceback" not in said.err
    assert code == 0 or said.err.count("\n") == 1, said.err
    return said.out + said.err


@pytest.fixture
def at_once(monkeypatch):
    """Hundreds of commands in one process: what does not depend on the recording is made once, nobody waits."""
    monkeypatch.setattr(cli, "parser_for", cache(cli.parser_for))
    monkeypatch.setattr(engines, "open_engine", cache(engines.open_engine))
    monkeypatch.setattr(replay.Player, "_wait", lambda self, due_ns: True)
    monkeypatch.setattr(replay, "LAST_SENDS_S", 0.0)
    monkeypatch.setattr(replay, "on_end", lambda stop: None)


MUTANTS = 800


@pytest.mark.parametrize("command", ["info", "replay", "process", "export"])
def test_h13_mutated_recordings_are_one_line_or_read(tmp_path, capfd, at_once, command):
    whole, draw, path = recording(tmp_path / "whole.poses", frames=6), random.Random(1), tmp_path / "bad.poses"
    words = {"process": ["--engine", "hold", "--out", str(tmp_path / "out.poses")],
             "export": ["--to", "csv", "--out", str(tmp_path / "out.csv"), "--force"],
             "replay": ["--bind", free_address()]}.get(command, [])  # fmt: skip
    began = time.process_time()
    for _ in range(MUTANTS):
        path.write_bytes(damaged(whole, draw))
        for made in tmp_path.glob("out*"):
            made.unlink()
        one_line_or_done([command, str(path), *words], capfd)
    assert time.process_time() - began < 0.2 * MUTANTS


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """Flipped bits, cuts, doubled parts; half of the time the records' checksums are right again."""
    data = bytearray(whole)
    for _ in range(draw.randint(1, 12)):
        at = draw.randrange(len(MAGIC), len(data))
        act = draw.randrange(4)
        if act == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif act == 1:
            del data[at : at + draw.randint(1, 400)]
        elif act == 2:
            data[at:at] = data[at - 200 : at]
        else:
            data[at : at + 8] = draw.randbytes(8)
    return bytes(data) if draw.random() < 0.5 else resealed(whole, draw)


def resealed(whole: bytes, draw: random.Random) -> bytes:
    """Whole records with damaged insides: the checksum promises nothing against somebody who means it."""
    out, at = bytearray(MAGIC), len(MAGIC)
    while at + 13 <= len(whole):
        _, kind, length, _ = struct.unpack_from("<4sBII", whole, at)
        payload = bytearray(whole[at + 13 : at + 13 + length])
        if draw.random() < 0.2 and payload:
            payload[draw.randrange(len(payload))] = draw.randrange(256)
        out += pack(kind, bytes(payload[: draw.choice([length, length, length // 2])]))
        at += 13 + length
    return bytes(out)


def test_h13_a_short_mark_of_loss_is_malformed_not_a_traceback(tmp_path, capfd):
    path = tmp_path / "a.poses"
    recording(path)
    with path.open("ab") as file:
        file.write(pack(LOST, b"\1"))
    assert "3 while recording, 1 malformed" in one_line_or_done(["info", str(path)], capfd)


def test_h13_a_hundred_megabytes_of_false_marks_are_given_up(tmp_path, capfd):
    path = tmp_path / "marks.poses"
    recording(path)
    mark = SYNC + struct.pack("<BII", 1, 65_000, 0)
    with path.open("ab") as file:
        for _ in range(100):
            file.write(mark * (1_000_000 // len(mark)))
    began = time.process_time()
    said = one_line_or_done(["info", str(path)], capfd)
    assert time.process_time() - began < 10
    assert "damage" in said and "20 poses" in said


def test_h13_escape_sequences_in_names_reach_no_terminal(tmp_path, capfd):
    path = tmp_path / "a.poses"
    with RecordingWriter(path) as writer:
        writer.write(mutated(fake.HELLO, engine="\x1b]0;owned\x07", detector="\x1b[2J", source="\u202eabc"))
        writer.write(encode("pose3d", "cam0", fake.pose(0, [fake.person(1, fake.in_camera(fake.walker(0)))])))
    said = one_line_or_done(["info", str(path)], capfd)
    assert "\x1b" not in said and "\u202e" not in said and "owned" in said


def test_h13_far_stamps_do_not_hold_a_replay_up(tmp_path):
    """Two frames a hundred years apart: shown a second after one another."""
    path, far = tmp_path / "far.poses", 3 * 10**18
    person = fake.person(1, fake.in_camera(fake.walker(0)))
    late = replace(fake.stamp(1), t_capture_ns=far)
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", fake.HELLO))
        writer.write(encode("pose3d", "cam0", fake.pose(0, [person])))
        writer.write(encode("pose3d", "cam0", fake.pose(1, [person], late)))
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli.main", "replay", str(path), "--bind", free_address()],
        capture_output=True, text=True, timeout=40,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert time.monotonic() - began < 30


@linux_only
def test_h11_a_bridge_started_with_an_ampersand_says_what_it_does_and_heeds_ctrl_c():
    """A shell without job control starts it with SIGINT ignored; then a bundle for 2036, then Ctrl-C."""
    port = int(free_address().rpartition(":")[2])
    with FakePipeline() as stream:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            words = ["bridge", "vmc", "--listen", str(port), "--connect", stream.address]
            bridge = subprocess.Popen(
                [sys.executable, "-m", "realtime.cli.main", *words], text=True,
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)
        said = [bridge.stderr.readline() for _ in range(3)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(bundle_of_2036(), ("127.0.0.1", port))
        bridge.send_signal(signal.SIGINT)
        assert bridge.wait(5) == 130
        bridge.stderr.close()
    assert f"waiting for poses on {stream.address}" in said[1] and "poses of cam0 come" in said[2]
