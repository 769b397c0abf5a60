"""The examples do what they say: readers in three forms print a named joint with its state; films become poses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq

from engines.skeleton import H36M_17
from realtime.demo.world import CylinderWorld
from realtime.transport import keys
from realtime.wire.messages import encode, replace
from tests.support.keyed import station
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
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=100)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not bring {' '.join(PACKAGES)} within 100 s")
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
            assert process.stdout
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


def printed_with_keys(command: list[str], name: str, folder: Path, runtime: Path) -> str:
    """What a reader with keys of its own prints first, of a publisher that lets in nobody else."""
    own = keys.new_publisher(runtime / "keys")
    reader = folder / "keys-laptop"
    keys.allow(own.folder, "laptop", keys.new_client(reader, own.own.public).own.public, "allowed")
    with station(own.folder, runtime) as one:
        copy = folder / name
        copy.write_text((EXAMPLES / name).read_text().replace("tcp://127.0.0.1:5555", one.address))
        process = subprocess.Popen([*command, str(copy)], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout
            return process.stdout.readline()
        finally:
            process.kill()
            process.communicate()
            shutil.rmtree(reader)


def test_plain_python_reads_with_keys(tmp_path, runtime_dir):
    line = printed_with_keys([sys.executable, "-u"], "subscribe_keys.py", tmp_path, runtime_dir)
    assert re.fullmatch(r"\d+ OK 1 people\n", line)


def test_node_reads_with_keys(node_folder, runtime_dir):
    line = printed_with_keys(["node"], "subscribe_keys.mjs", node_folder, runtime_dir)
    assert re.fullmatch(r"\d+ OK 1 people\n", line)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Two seconds of the demo's man, as a user has a film."""
    path, world = tmp_path_factory.mktemp("film") / "clip.mp4", CylinderWorld(0, (320, 240), boards=False)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (320, 240))
    for number in range(60):
        writer.write(world.frame(number)[0])
    writer.release()
    return path


def ran(folder: Path, *command: object, timeout: float = 110) -> str:
    """What it prints; in a folder of its own, with `realtime` on the path as an installation has it."""
    (folder / "bin").mkdir()
    (folder / "bin" / "realtime").write_text(f'#!/bin/sh\nexec {sys.executable} -m realtime "$@"\n')
    (folder / "bin" / "realtime").chmod(0o755)
    place = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "MPLBACKEND": "Agg",
    }
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=place, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.mediapipe
def test_a_film_is_processed_without_a_server(film, tmp_path):
    lines = ran(tmp_path, sys.executable, EXAMPLES / "process_film.py", film).splitlines()
    assert len(lines) > 20 and all(
        re.fullmatch(r"\d+ 1 right_wrist .* m ±\d\.\d\d (OBSERVED|INFERRED)", x) for x in lines
    )


@pytest.mark.mediapipe
def test_a_film_becomes_bvh_and_a_film_with_skeletons(film, tmp_path):
    listed = ran(tmp_path, "sh", EXAMPLES / "film_to_bvh.sh", film, tmp_path / "out").split()
    assert "skeletons.mp4" in listed
    motion = (tmp_path / "out" / "motion.bvh").read_text()
    assert motion.startswith("HIERARCHY") and "MOTION" in motion


@pytest.mark.mediapipe
def test_pictures_of_a_program_are_a_source(tmp_path):
    lines = ran(tmp_path, sys.executable, EXAMPLES / "own_source.py").splitlines()
    assert lines == [f"Pose(mine #{n} NO_PERSON)" for n in range(10)]


@pytest.mark.mediapipe
def test_the_notebook_runs_from_its_first_cell_to_its_last(film, tmp_path):
    pytest.importorskip("matplotlib")
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (tmp_path / "cells.py").write_text("\n".join([*code, "print(len(poses), xyz.shape)"]))
    (tmp_path / "clip.mp4").symlink_to(film)
    count, shape = ran(tmp_path, sys.executable, "cells.py").split(" ", 1)
    assert int(count) == 60 and re.fullmatch(r"\(\d\d, 3\)\n", shape)
    assert all(not cell.get("outputs") for cell in cells)


def test_every_example_is_run_here():
    here = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.iterdir() if path.is_file() and path.name not in here] == []
