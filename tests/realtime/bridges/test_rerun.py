"""`bridge rerun`: rerun's own tools read the file; a viewer that comes late, goes and comes back is served again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.bridges.person import bridged
from realtime.bridges.rerun_scene import figure
from realtime.cli import main as cli
from realtime.wire.messages import ABSENT, INFERRED
from tests.support.consumers.bridge_command import BridgeCommand
from tests.support.people import walker, whole_body
from tests.support.publisher import FakePipeline, free_address

WITHOUT = "rerun-sdk is not installed: pip install 'steadypose[rerun]'"


def rerun_command() -> str:
    pytest.importorskip("rerun", reason=WITHOUT)
    beside = Path(sys.executable).with_name("rerun")
    found = str(beside) if beside.exists() else shutil.which("rerun")
    if not found:
        pytest.skip("the command rerun is not there")
    return found


def test_a_figure_has_known_joints_only_left_blue_right_orange_unseen_pale_and_large():
    one = walker.person(1, walker.in_camera(walker.walker(0.5)), {"left_wrist": ABSENT, "head": INFERRED})
    pose = walker.pose(0, [one])
    drawn = figure(bridged(one, pose, walker.HELLO), walker.HELLO)
    assert "left_wrist" not in drawn.names and len(drawn.points) == len(drawn.colours) == 16
    assert drawn.bones.shape == (15, 2, 3) and np.isfinite(drawn.bones).all()
    colours = {name: tuple(int(v) for v in c) for name, c in zip(drawn.names, drawn.colours)}
    assert colours["left_hip"][2] > 200 > colours["left_hip"][0] and colours["right_hip"][0] > 200
    assert max(colours["head"]) < 220 < min(colours["neck" if "neck" in colours else "nose"]), "unseen is pale"
    assert drawn.ball_radii == pytest.approx([1.96 * 0.07]) and drawn.balls == pytest.approx(
        drawn.points[[drawn.names.index("head")]]
    )


def test_rerun_reads_the_file(tmp_path):
    rerun, path = rerun_command(), tmp_path / "walk.rrd"
    with (
        FakePipeline(whole_body.walking, hello=whole_body.HELLO) as stream,
        BridgeCommand("rerun", "--connect", stream.address, "--save", path) as bridge,
    ):
        bridge.said("poses of cam0 come")
        began = stream.seq
        while stream.seq < began + 30:
            pass
        assert bridge.stop() == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = subprocess.run([rerun, "rrd", "print", str(path)], capture_output=True, text=True, check=True).stdout
    rows = {kind: sum(map(int, re.findall(rf"with (\d+) rows .* - /room/cam0/person_1/{kind} ", told)))
            for kind in ("joints", "bones", "errors", "unseen")}  # fmt: skip
    assert min(rows.values()) >= 5, told
    verified = subprocess.run([rerun, "rrd", "verify", str(path)], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr


def test_a_file_is_never_written_over_and_an_address_that_is_none_is_explained(tmp_path, capsys):
    pytest.importorskip("rerun", reason=WITHOUT)
    path = tmp_path / "there.rrd"
    path.write_bytes(b"mine")
    assert cli.main(["bridge", "rerun", "--save", str(path)]) == 2 and path.read_bytes() == b"mine"
    assert "not written over" in capsys.readouterr().err
    assert cli.main(["bridge", "rerun", "--url", "http://nowhere"]) == 2
    assert "rerun+http://127.0.0.1:9876/proxy" in capsys.readouterr().err


def test_without_rerun_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert cli.main(["bridge", "rerun"]) == 2
    assert "steadypose[rerun]" in capsys.readouterr().err


@pytest.mark.slow
def test_a_viewer_that_comes_late_goes_and_comes_back_is_served_again(tmp_path):
    rerun, port = rerun_command(), free_address().rpartition(":")[2]
    url = f"rerun+http://127.0.0.1:{port}/proxy"

    def viewer(number):
        """A server of rerun that keeps what it is sent in a file."""
        return subprocess.Popen(
            [rerun, "--save", str(tmp_path / f"{number}.rrd"), "--port", port, "--bind", "127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    with (
        FakePipeline(whole_body.walking, hello=whole_body.HELLO) as stream,
        BridgeCommand("rerun", "--connect", stream.address, "--url", url) as bridge,
    ):
        bridge.said("waiting for a viewer")
        for number in range(2):
            since = len(bridge.lines)
            one = viewer(number)
            try:
                bridge.said("a viewer is there", since)
                time.sleep(5)  # of poses
            finally:
                since = len(bridge.lines)
                os.killpg(one.pid, signal.SIGTERM)  # the command starts a program of its own
                one.wait(20)
            bridge.said("waiting for a viewer", since)
        assert bridge.stop() == 0
    for number in range(2):
        told = subprocess.run(
            [rerun, "rrd", "print", str(tmp_path / f"{number}.rrd")], capture_output=True, text=True, check=False
        ).stdout
        assert "/room/cam0/person_1/joints" in told
