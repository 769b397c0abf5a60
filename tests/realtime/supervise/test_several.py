"""Several live cameras in one run: one publisher, topics by source, a camera that dies disturbs no other."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from realtime.client.pose_client import PoseClient
from realtime.config.schema import RoomConfig
from realtime.fusion.cameras import live_settings
from realtime.fusion.fuser import FUSED
from realtime.supervise.several import run_several
from realtime.supervise.supervisor import Snapshot
from tests.support.fakes.run import faked, settings
from tests.support.live import Peer, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
SMALL = {"source.width": 96, "source.height": 64, "source.fps": 15}


class Room:
    """Two cameras with fake detectors and engines, in a thread of the test."""

    def __init__(self, *sources: str, **values) -> None:
        self.bind = f"tcp://127.0.0.1:{free_port()}"
        name = FUSED if all(source.startswith("demo") for source in sources) else "cam0"
        self.config = settings(
            {"publish.bind": self.bind, "publish.max_age_ms": 5000, "source.spec": sources[0], "source.name": name}
            | SMALL | {"room.sources": sources} | values
        )  # fmt: skip
        self.shots: list[Snapshot] = []
        self.code: int | None = None
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        self.peer = Peer(self.bind)

    def _run(self) -> None:
        self.code = run_several(self.config, live_settings, self.shots.append, faked)

    def newest(self, source: str, since_s: float) -> dict | None:
        fresh = [m for at, m in list(self.peer.poses) if at > since_s and m["source"] == source and m["status"] == "OK"]
        return fresh[-1] if fresh else None

    def wait(self, *sources: str, timeout_s: float = 60) -> None:
        since_s = time.monotonic()
        self.peer.wait(lambda: all(self.newest(one, since_s) for one in sources), timeout_s, f"{sources}")

    def close(self) -> None:
        self.peer.close()


@pytest.fixture
def room(monkeypatch):
    monkeypatch.setenv("FAKES", json.dumps({}))
    running = Room("demo@-30", "demo@30", **{"terminal.seconds": 18})
    yield running
    running.thread.join(120)
    running.close()


def test_every_camera_and_the_fused_room_at_one_address(room):
    room.wait("cam0", "cam1", FUSED)
    room.peer.wait(
        lambda: FUSED in {m["source"] for _, m in list(room.peer.hello)}, 10, "who speaks, told once a second"
    )
    said = {m["source"]: m for _, m in room.peer.hello}
    assert said[FUSED]["sources"] == said["cam1"]["sources"] == [FUSED, "cam0", "cam1"]
    assert said[FUSED]["engine"] == "fake, fused" and said["cam0"]["engine"] == "fake"
    with PoseClient(room.bind, max_age_ms=5000) as client:
        followed = [pose for _, pose in zip(range(20), client) if pose.status == "OK"]
        assert {pose.stamp.source for pose in followed[1:]} == {FUSED} and followed[-1].people[0].joints
        client.health()  # asked for from here on
        wanted = {"cam0 capture", "cam0 lift", "cam1 capture", "cam1 lift", "fuse"}
        assert any(wanted <= set(client.health()) for _ in client), "one place tells how every camera does"
    with PoseClient(room.bind, source="cam1", max_age_ms=5000) as client:
        assert {pose.stamp.source for _, pose in zip(range(10), client)} == {"cam1"}
    killed = next(pid for name, pid in room.shots[-1].pids.items() if name == "cam0 estimate")
    os.kill(killed, signal.SIGKILL)
    room.wait("cam1", FUSED)
    room.wait("cam0")
    room.peer.wait(lambda: room.newest(FUSED, 0)["dropped"] > 0, 20, "frames that the killed one lost")
    room.thread.join(60)
    assert room.code == 0 and {one.stage for one in room.shots[-1].stages} >= {"cam0 lift", "cam1 lift", "fuse"}
    assert not [p for p in psutil.Process().children(recursive=True) if "resource_tracker" not in " ".join(p.cmdline())]


def test_a_camera_that_is_refused_ends_the_run_with_its_line(monkeypatch, capfd):
    monkeypatch.setenv("FAKES", json.dumps({}))
    running = Room("demo@-30", "tcp://127.0.0.1:1", **{"terminal.seconds": 60})
    running.thread.join(100)
    running.close()
    assert running.code == 2 and "no video there" in capfd.readouterr().err


def test_settings_of_the_cameras_have_their_own_lens(tmp_path):
    config = settings({"source.spec": "demo@-30", "room.sources": ("demo@-30", "demo@30")})
    one, other = live_settings(config, tmp_path)
    assert (one.source.name, other.source.name) == ("cam0", "cam1") and one.source.spec == "demo@-30"
    assert one.camera.intrinsics != other.camera.intrinsics
    assert "width: 640" in Path(one.camera.intrinsics).read_text(encoding="utf-8")
    assert RoomConfig() != config.room
