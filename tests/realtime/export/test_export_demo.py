"""From the demo to files: what Blender, OpenSim and C3D tools are given is what was recorded, within a centimetre."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime.bench.viewer_stream import hello, people_of
from realtime.cli import main as cli
from realtime.demo import CylinderWorld
from realtime.export.tracks import clips
from realtime.recording.file_format import RecordingWriter
from realtime.recording.reader import Recorded, hello_and_poses
from realtime.wire.messages import INFERRED, Pose3D, encode
from tests.support import bvh_reader
from tests.support.people.walker import stamp

FRAMES, WOBBLE_M = 150, 0.006  # bones as restless as a network's: 8 mm a bone


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path, world = tmp_path_factory.mktemp("demo") / "demo.sp", CylinderWorld(0, (96, 64))
    rng = np.random.default_rng(0)
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", hello()))
        for i in range(FRAMES):
            _, truth = world.frame(i)
            wobble = rng.normal(0, WOBBLE_M, truth.xyz_cam.shape)
            people = people_of(replace(truth, xyz_cam=(truth.xyz_cam + wobble).astype(np.float32)))
            writer.write(encode("pose3d", "cam0", Pose3D(stamp(i), 96, 64, "OK", people)))
    return path


@pytest.fixture(scope="module")
def clip(recording):
    return clips(*hello_and_poses(Recorded(recording)))[0]


def exported(recording, to):
    names = ["--names", "h36m"] if to == "bvh" else []
    assert cli.main(["export", str(recording), "--to", to, "--force", *names]) == 0
    return recording.with_suffix(f".{to}")


def test_the_demo_has_hidden_joints_in_it(clip):
    assert 0.01 < (clip.state == INFERRED).mean() < 0.5


def test_bvh(recording, clip):
    nodes, seconds, values = bvh_reader.parse(exported(recording, "bvh").read_text())
    places = [bvh_reader.positions(nodes, row) for row in values]
    at = {node.name: np.array([p[node.name] for p in places]) for node in nodes if not node.end}
    errors = [np.linalg.norm(at[joint] - clip.xyz[:, i], axis=-1) for i, joint in enumerate(clip.joints)]
    assert seconds == pytest.approx(1 / 30) and len(values) == FRAMES
    assert np.mean(errors) < 0.01
    for node in nodes:
        if node.parent and not node.end:
            assert np.ptp(np.linalg.norm(at[node.name] - at[node.parent.name], axis=-1)) < 2e-5


def test_trc(recording, clip):
    rows = exported(recording, "trc").read_text().splitlines()[6:]
    values = np.array([[float(cell) for cell in row.split("\t")] for row in rows])
    assert np.abs(values[:, 2:].reshape(FRAMES, -1, 3) - clip.xyz).max() < 1e-5


def test_c3d(recording, clip):
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d(str(exported(recording, "c3d")))
    assert np.abs(file["data"]["points"][:3].transpose(2, 1, 0) - clip.xyz).max() < 1e-4
    marks = file["data"]["meta_points"]["residuals"][0].T
    assert np.array_equal(marks == 0, clip.state == INFERRED) and (marks >= 0).all()
