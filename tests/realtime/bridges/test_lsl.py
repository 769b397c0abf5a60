"""`bridge lsl`: an inlet of liblsl gets every joint, stamped with the time of capture on its own clock."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from realtime import clock
from realtime.bridges.lsl_stream import captured_s, channels, clock_offset_s, sample
from realtime.bridges.person import bridged
from realtime.cli import main as cli
from realtime.wire.messages import ABSENT, replace
from tests.support.consumers.bridge_command import BridgeCommand
from tests.support.people import walker, whole_body
from tests.support.publisher import FakePipeline

INLET = """
import json, sys, time
import pylsl
found = pylsl.resolve_byprop("name", sys.argv[1], timeout=30)
assert found, "no stream of this name"
inlet = pylsl.StreamInlet(found[0])
info = inlet.info()
labels, channel = [], info.desc().child("channels").child("channel")
while not channel.empty():
    labels.append(channel.child_value("label")); channel = channel.next_sibling()
samples = []
inlet.open_stream(timeout=20)
while len(samples) < 60:
    values, stamp = inlet.pull_sample(timeout=20)
    assert values is not None, "no samples come"
    samples.append([stamp, pylsl.local_clock(), values])
print(json.dumps({"type": info.type(), "labels": labels, "samples": samples}))
"""


def test_every_joint_has_five_channels_and_the_last_is_who():
    one = walker.person(3, walker.in_camera(walker.walker(0.5)), {"left_wrist": ABSENT})
    pose = walker.pose(0, [one])
    seen = bridged(one, pose, walker.HELLO)
    values, listed = sample(walker.HELLO.joints, seen), channels(walker.HELLO.joints)
    assert len(values) == len(listed) == 17 * 5 + 1 and values[-1] == 3
    by_label = {label: value for (label, *_), value in zip(listed, values)}
    assert by_label["head.PositionY"] == pytest.approx(seen.joints["head"][1])
    assert np.isnan(by_label["left_wrist.PositionX"]) and by_label["left_wrist.State"] == ABSENT
    nobody = sample(walker.HELLO.joints, None)
    assert len(nobody) == len(values) and nobody[-1] == -1 and np.isnan(nobody[0])


def test_times_are_of_capture_on_their_clock():
    offset = clock_offset_s(lambda: clock.now_ns() * 1e-9 + 1000.0)
    assert offset == pytest.approx(1000.0, abs=1e-3)
    pose = walker.pose(0, [], delay_ms=80.0)
    own = replace(walker.HELLO, clock=clock.identity())
    assert captured_s(pose, own, offset, 9e9) == pytest.approx(pose.stamp.t_capture_ns * 1e-9 + offset)
    assert captured_s(pose, replace(own, clock="another"), offset, 500.0) == pytest.approx(499.92)
    assert captured_s(replace(pose, live=False), own, offset, 500.0) == 500.0


def test_an_inlet_gets_the_stream_with_capture_times():
    pylsl = pytest.importorskip(
        "pylsl", reason="pylsl is not installed: pip install 'steadypose[lsl]'", exc_type=Exception
    )
    name = f"test-{clock.now_ns()}"
    with (
        FakePipeline(whole_body.walking, hello=whole_body.HELLO, delay_ms=40.0) as stream,
        BridgeCommand("lsl", "--connect", stream.address, "--name", name) as bridge,
    ):
        bridge.said("waiting for a consumer")
        inlet = subprocess.run(
            [sys.executable, "-c", INLET, name], capture_output=True, text=True, timeout=100, check=False
        )
        if "no stream of this name" in inlet.stderr:
            pytest.skip("LSL finds no streams on this machine: its multicast is blocked")
        assert inlet.returncode == 0, inlet.stderr
        bridge.said("a consumer listens; LSL's clock is ours")
        assert bridge.stop() == 0
    found = json.loads(inlet.stdout)
    assert found["type"] == "MoCap" and found["labels"][:3] == [f"pelvis.Position{axis}" for axis in "XYZ"]
    stamps, now, values = (np.array(column, float) for column in zip(*found["samples"]))
    assert values.shape == (60, 37 * 5 + 1) and np.isfinite(values).all() and (values[:, -1] == 1).all()
    captured = np.array(stream.captured_ns) * 1e-9 + clock_offset_s(pylsl.local_clock)
    nearest = np.abs(stamps[:, None] - captured).argmin(1)  # each stamp is a frame's capture time, not its arrival
    assert np.abs(stamps - captured[nearest]).max() < 0.002 and (np.diff(nearest) > 0).all()
    assert 0.03 < np.min(now - stamps) < 5.0


def test_without_pylsl_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pylsl", None)
    assert cli.main(["bridge", "lsl"]) == 2
    assert "steadypose[lsl]" in capsys.readouterr().err
