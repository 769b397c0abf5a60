"""What the latency page is printed by: hops, stages by processor time, engines' threads, stamps between the stages."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.bench import hops, live, processes, stages, threads, traced
from realtime.bench.collect import Poses
from realtime.detect import stage
from realtime.pipeline import LAYOUTS
from realtime.supervise.stage_runner import load
from realtime.wire.messages import Keypoints2D, Pose3D, Stamp

STAMP = Stamp("cam0", 1, 0, 1, 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="futex, eventfd")
def test_every_way_of_a_hop_is_measured():
    command = [sys.executable, "-m", "realtime.bench.hops", "--messages", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 6
    assert all(0 < row["p50_us"] <= row["p99_us"] for row in found.values())
    text = hops.lines(found)
    assert sum("ZeroMQ" in line for line in text) == 1 and len(text) == 8


def test_a_step_is_timed_by_the_processor_and_not_by_the_clock():
    meter = stages.Meter({})
    meter.of("asleep", lambda: time.sleep(0.05))
    meter.of("busy", lambda: sum(range(300_000)))
    assert meter.times["asleep"][0] < 10_000_000 < 50_000_000
    assert meter.times["busy"][0] > meter.times["asleep"][0]


def test_what_a_pose_waits_for_is_summed_frame_by_frame():
    meter = stages.Meter({name: [1000, 2000, 9000] for name in stages.AFTER} | {"flow ahead": [5000] * 3})
    assert stages.medians(meter)["a pose waits for"] == 2.0 * len(stages.AFTER)


def test_engines_are_measured_with_one_thread_and_more():
    rows = threads.measure(["hold"], (1, 2), (1, 4))
    assert [(row["people"], row["threads"]) for row in rows] == [(1, 1), (1, 2), (4, 1), (4, 2)]
    assert all(row["p50_ms"] > 0 for row in rows)


def test_variants_of_a_run_replace_mains_that_exist():
    config = live.settings({})
    for name in live.VARIANTS:
        for one in live.table(config, name).values():
            assert callable(load(one.main))
    plain = live.table(config)
    assert {s: one.main for s, one in plain.items() if s != "capture"} == {
        s: one.main for s, one in LAYOUTS["joined"].items() if s != "capture"
    }


def test_a_traced_stage_says_when_it_took_and_answered_a_frame():
    keypoints = Keypoints2D(STAMP, 4, 3, (), stage_us={"detect": 5})
    one = traced.stamped(lambda found: found, "occlude")(keypoints)
    assert one.stage_us.keys() == {"detect", "occlude from", "occlude to"}
    assert one.stage_us["occlude to"] >= one.stage_us["occlude from"] > 0
    many = traced.stamped(lambda found: [Pose3D(STAMP, 4, 3, "OK")], "lift")(keypoints)
    assert many[0].stage_us.keys() == {"lift from", "lift to"}
    assert traced.stamped(lambda found: None, "detect")(keypoints) is None


def test_a_tracker_s_time_outlives_the_stage_that_tells_its_own(monkeypatch):
    monkeypatch.setattr(stage, "main", lambda ctx: ctx.found.append(stage.answer(*ctx.given)))
    image = np.zeros((3, 4, 3), np.uint8)
    frame = SimpleNamespace(stamp=STAMP, width=4, height=3, slot=0, generation=1, ring="r")
    pixels = SimpleNamespace(image_of_rgb=lambda frame: image)
    detector = SimpleNamespace(detect=lambda image, t_ms: [])
    tracker = stage.Tracker(1)
    ctx = SimpleNamespace(found=[], given=(frame, pixels, detector, tracker))
    traced.detect(ctx)
    assert ctx.found[0].stage_us.keys() == {"ids", "detector", "detect", "detect from", "detect to"}


def test_processor_time_is_set_against_the_detectors():
    text = processes.lines({"capture": 0.9, "estimate": 9.0, "detector": 18.0, "hz": 29.97})
    assert text[0] == "| 30.0 Hz | ms a frame | over the detector's |"
    assert text[2:] == ["| capture | 0.90 | 0.050 |", "| estimate | 9.00 | 0.500 |", "| detector | 18.00 | 1.000 |"]


def test_steps_of_a_frame_add_up_and_the_slowest_are_told_apart():
    times = {"detect from": 1000, "detector": 20_000, "ids": 300, "detect": 20_500, "detect to": 21_500,
             "occlude from": 21_600, "occlude to": 23_000, "lift from": 23_100, "lift to": 25_000}  # fmt: skip
    poses = Poses(seqs=list(range(50)), total_us=[25_600.0] * 49 + [35_600.0], stage_us=[times] * 50)
    text = traced.lines([poses, replace(poses)])
    row = {line.split(" | ")[0].strip("| *"): line.split(" | ")[1:] for line in text[2:]}
    assert row["added to the detector"][0] == "5.60" and row["added to the detector"][2] == "15.60 |"
    p50 = [float(cells[0]) for name, cells in row.items() if name not in ("added to the detector", "the detector")]
    assert sum(p50) == pytest.approx(5.6)
