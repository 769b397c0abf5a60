"""`realtime run` as a user starts it: real detector, shipped engine, JSON lines, a reader that knows nothing of us."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from realtime.detect.model_download import digest_path, model_path
from tests.support.peer import free_address

READER = """
import json, sys, msgpack, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe(b"pose3d/cam0")
read = []
while socket.poll(60000 if not read else 3000):
    topic, _, body = socket.recv().partition(b"\\0")
    pose = msgpack.unpackb(body)
    if pose["status"] != "STALE":
        read.append((pose["seq"], pose["dropped"], len(pose["people"])))
socket.close(0)
print(json.dumps(read))
"""


@pytest.mark.alone
@pytest.mark.mediapipe
@pytest.mark.slow
def test_the_demo_publishes_what_it_counts_and_a_plain_reader_reads_it():
    bind = free_address()
    command = [sys.executable, "-m", "realtime.cli.main", "run", "--demo", "--seconds", "6", "--json", "--bind", bind]
    with subprocess.Popen([sys.executable, "-c", READER, bind], stdout=subprocess.PIPE, text=True) as reader:
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        read = json.loads(reader.communicate(timeout=30)[0])
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert set(lines[-1]["stages"]) == {"capture", "detect", "occlude", "lift", "publish"}
    assert lines[-1]["engine"]
    assert lines[-1]["provider"] == "cpu"
    published = (read[-1][0] - read[0][0] + 1) - (read[-1][1] - read[0][1])
    assert len(read) >= 0.95 * published > 20
    assert sum(people for _, _, people in read) >= 0.8 * len(read)


@pytest.fixture
def full_alone(tmp_path):
    """An environment whose cache holds `full`, and whose npm reaches nothing."""
    cache = tmp_path / "cache" / "steadypose"
    cache.mkdir(parents=True)
    for path in (model_path(), digest_path(model_path())):
        if not path.is_file():
            pytest.skip("the detector's model is not in the cache")
        shutil.copy(path, cache)
    (tmp_path / "npm").write_text("#!/bin/sh\necho 'npm error network no route' >&2\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    return os.environ | {"XDG_CACHE_HOME": str(cache.parent), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.alone
@pytest.mark.mediapipe
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a cache and an npm of the test's own: Linux")
def test_auto_measures_what_is_to_be_had_and_says_what_it_took(full_alone):
    command = [
        sys.executable,
        "-m",
        "realtime.cli.main",
        "run",
        "--demo",
        "--model",
        "auto",
        "--seconds",
        "2",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--bind", free_address()], env=full_alone, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "full alone is measured" in done.stderr and "npm: network no route" in done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["model_choice"].startswith("auto took full for 30 Hz (full ")
    assert "pose_landmarker_full" in last["detector"]


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--camera", "97"], 2, "realtime run --demo"),
        (["--source", "/dev/null"], 2, "not a video device"),
        (["--source", "nothing.mp4"], 2, "No such file"),
        (["--demo", "--engine", "/nowhere"], 6, "engines list"),
        (["--demo", "--people", "16"], 2, "realtime run --people"),
        (["--demo", "--model", "ful"], 6, "expected lite, full, heavy, auto"),
    ],
)
def test_what_cannot_run_says_why_in_one_line_and_leaves_nothing(flags, code, said):
    command = [sys.executable, "-m", "realtime.cli.main", "run", "--quiet", "--bind", free_address(), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
