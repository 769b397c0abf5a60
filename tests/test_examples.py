"""The examples do what they say: readers in three forms print a named joint with its state; films become poses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import zmq

from engines.skeleton import H36M_17
from realtime.wire.messages import encode, replace
from tests.support.paths import ROOT
from tests.support.peer import free_address, hello, pose, raw_socket

EXAMPLES = ROOT / "examples"
PACKAGES = ("zeromq@6", "@msgpack/msgpack@3")
WRIST = (0.25, -1.5, 3.0)  # exact in float32
HELD = 2


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """Where Node.js finds the packages; the test is left out only where they cannot be had."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *PACKAGES]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=110)
    if done.returncode:
        pytest.skip(f"npm cannot install {' '.join(PACKAGES)}: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def printed(command: list[str], name: str, folder: Path, lines: int = 1) -> list[str]:
    """What the reader prints first when told where the publisher is."""
    address = free_address()
    copy = folder / name
    copy.write_text((EXAMPLES / name).read_text().replace("tcp://127.0.0.1:5555", address))
    with raw_socket(zmq.PUB) as publisher:
        publisher.bind(address)
        stop = threading.Event()
        talker = threading.Thread(target=talk, args=(publisher, stop))
        talker.start()
        place = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([*command, str(copy)], cwd=folder, stdout=subprocess.PIPE, text=True, env=place)
        try:
            return [process.stdout.readline() for _ in range(lines)]
        finally:
            stop.set()
            talker.join()
            process.kill()
            process.communicate()


def talk(publisher: zmq.Socket, stop: threading.Event) -> None:
    """One person whose right wrist is HELD at WRIST, who speaks, and Health, which nobody asked for."""
    wrist = H36M_17.index("right_wrist")
    xyz, state = np.zeros((17, 3), np.float32), np.zeros(17, np.uint8)
    xyz[wrist], state[wrist] = WRIST, HELD
    while not stop.wait(0.03):
        told = pose(7)
        person = replace(told.people[0], xyz=xyz, state=state, sigma=np.full(17, 0.04, np.float32))
        publisher.send(b"health/cam0\0\x80")
        publisher.send(encode("hello", "cam0", hello(joints=H36M_17.joints)))
        publisher.send(encode("pose3d", "cam0", replace(told, people=(person,))))


def test_python_with_the_package_reads_a_named_joint(tmp_path):
    lines = printed([sys.executable, "-u"], "subscribe.py", tmp_path, 12)
    at = next(n for n, line in enumerate(lines) if "#7 OK" in line)
    assert lines[at] == "Pose(cam0 #7 OK, 1 TRACKED: 16 observed, 1 held)\n"
    assert lines[at + 1] == "1 0.25 -1.50 3.00 HELD ±0.04 m\n" and lines[at + 2] == "1 16 joints are seen now\n"


def test_plain_python_reads_a_named_joint(tmp_path):
    (line,) = printed([sys.executable, "-u"], "subscribe_raw.py", tmp_path)
    assert line == "7 1 right_wrist 0.25 -1.5 3.0 HELD\n"


def test_node_reads_a_named_joint(node_folder):
    (line,) = printed(["node"], "subscribe.mjs", node_folder)
    assert line == "7 1 right_wrist 0.25 -1.50 3.00 HELD\n"
