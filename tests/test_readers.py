"""The README's ten-line readers, in plain Python and Node.js: they read the stream, and stand there as they are run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import zmq

from realtime.wire.messages import encode, replace
from tests.support.paths import DATA, ROOT
from tests.support.peer import free_address, pose, raw_socket

READERS = DATA / "readers"
README = ROOT / "README.md"
PACKAGES = ("zeromq@6", "@msgpack/msgpack@3")
FENCES = {"read_poses.py": "python", "read_poses.mjs": "js"}
ROOT = (0.25, -1.5, 3.0)  # exact in float32


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


def first_line(command: list[str], reader: Path, folder: Path) -> str:
    """What the reader prints first when told where the publisher is."""
    address = free_address()
    copy = folder / reader.name
    copy.write_text(reader.read_text().replace("tcp://127.0.0.1:5555", address))
    with raw_socket(zmq.PUB) as publisher:
        publisher.bind(address)
        stop = threading.Event()
        talker = threading.Thread(target=talk, args=(publisher, stop))
        talker.start()
        process = subprocess.Popen([*command, str(copy)], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            return process.stdout.readline()
        finally:
            stop.set()
            talker.join()
            process.kill()
            process.communicate()


def talk(publisher: zmq.Socket, stop: threading.Event) -> None:
    """One person whose root is at ROOT, and Health, which nobody asked for."""
    person = replace(pose(7).people[0], xyz=np.tile(np.float32(ROOT), (17, 1)))
    told = encode("pose3d", "cam0", replace(pose(7), people=(person,)))
    while not stop.wait(0.03):
        publisher.send(b"health/cam0\0\x80")
        publisher.send(told)


def test_plain_python_reads_the_stream(tmp_path):
    status, seq, *root = first_line([sys.executable, "-u"], READERS / "read_poses.py", tmp_path).split(maxsplit=2)
    assert (status, seq) == ("OK", "7") and [float(x) for x in root[0].strip("[ ]\n").split()] == list(ROOT)


def test_node_reads_the_stream(node_folder):
    status, seq, *root = first_line(["node"], READERS / "read_poses.mjs", node_folder).split()
    assert (status, seq) == ("OK", "7") and [float(x) for x in root] == list(ROOT)


@pytest.mark.parametrize("name", FENCES)
def test_the_readme_shows_the_readers_as_they_are_and_in_ten_lines(name):
    text = (READERS / name).read_text()
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 10
    assert f"```{FENCES[name]}\n{text}```" in README.read_text(encoding="utf-8")
