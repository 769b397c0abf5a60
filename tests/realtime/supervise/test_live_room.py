"""The command with two cameras, live and recorded, the real detector, against what the demo knows to be there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import zmq

from realtime.fusion.fuser import FUSED
from realtime.recording.recording import load_recording
from realtime.transport.bus import TopicReader, wait_any
from realtime.wire.messages import Pose3D, Truth
from tests.support.live import free_port

pytestmark = [pytest.mark.mediapipe, pytest.mark.slow, pytest.mark.timeout(180)]
CAMERAS = ("cam0", "cam1")
RUN = ["run", "--source", "demo@-35", "--source", "demo@35", "--size", "480x360", "--fps", "10", "--max-age", "2000"]
SETTLED = 10  # frames that a filter has to find its feet


class Heard(threading.Thread):
    """Truth and poses of each camera, by the moment of capture."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.truths: dict[str, dict[int, Truth]] = defaultdict(dict)
        self.poses: dict[str, list[Pose3D]] = defaultdict(list)
        self.over = threading.Event()
        self.address = address

    def run(self) -> None:
        context: zmq.Context = zmq.Context()
        readers = [TopicReader(context, self.address, topic, newest=False) for topic in ("truth", "pose3d")]
        while not self.over.is_set():
            wait_any(readers, 50)
            for reader in readers:
                while (message := reader.get(0)) is not None:
                    self._keep(message)
        for reader in readers:
            reader.close()
        context.term()

    def _keep(self, message: Truth | Pose3D) -> None:
        if isinstance(message, Truth):
            self.truths[message.stamp.source][message.stamp.t_capture_ns] = message
        elif message.status == "OK" and message.people:
            self.poses[message.stamp.source].append(message)


def filmed_live(folder: Path, seconds: int = 30) -> tuple[Heard, Path]:
    """Start the command as its users do, listen, and return what was heard and the recording."""
    address, recording = f"tcp://127.0.0.1:{free_port()}", folder / "room.sp"
    heard = Heard(address)
    heard.start()
    try:
        subprocess.run(
            [sys.executable, "-m", "realtime", *RUN, "--quiet", "--bind", address, "--record", str(recording)]
            + ["--seconds", str(seconds)], check=True, timeout=150, env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
    finally:
        heard.over.set()
        heard.join()
    return heard, recording


def errors(poses: list[Pose3D], truths: dict[int, Truth]) -> np.ndarray:
    """(N, 2) mm, mean over 17 joints: in the room, relative to the root."""
    rows = []
    for pose in poses:
        truth = truths.get(pose.stamp.t_capture_ns)
        if truth is None or len(pose.people) != 1 or pose.people[0].root_cam is None:
            continue
        true, xyz = truth.xyz_cam[0].astype(float), pose.people[0].xyz[:17].astype(float)
        apart = (xyz + pose.people[0].root_cam - true, xyz - xyz[0] - (true - true[0]))
        rows.append([1000 * np.linalg.norm(one, axis=-1).mean() for one in apart])
    return np.array(rows)[SETTLED:]


def test_a_fused_live_recording_is_nearer_to_the_truth_than_either_camera(tmp_path):
    heard, recording = filmed_live(tmp_path)
    fused = [one for one in load_recording(recording) if one.stamp.source == FUSED and one.people]
    found = {name: errors(heard.poses[name], heard.truths[name]) for name in CAMERAS}
    found[FUSED] = errors(fused, heard.truths["cam0"])
    for name, rows in found.items():
        room, root = np.median(rows, 0)
        print(f"{name}: {len(rows)} poses, {room:.0f} mm in the room, {root:.0f} mm from the root")
    assert len(found[FUSED]) > 20
    singles = np.array([np.median(found[name], 0) for name in CAMERAS])
    both = np.median(found[FUSED], 0)
    assert both[0] <= 0.5 * singles[:, 0].min() and both[1] < singles[:, 1].min()
