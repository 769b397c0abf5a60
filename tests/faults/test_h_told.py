"""What a run says about itself: one cause and one remedy, notes that are no alarms, and no file that nobody needs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from realtime.capture.source import Picture
from realtime.capture.source_watchdog import SourceWatchdog
from realtime.cli import main as cli
from realtime.config.schema import SourceConfig
from realtime.recording.file_format import RecordingWriter
from realtime.supervise.supervisor import Snapshot
from realtime.supervise.terminal import as_line, json_lines
from realtime.wire.messages import Health, StageState, Stamp, encode
from tests.support.peer import free_address
from tests.support.people import walker as fake


def snapshot(pids: dict[str, int | None], **reasons: str) -> Snapshot:
    took = {"capture": 1.0, "detect": 200.0, "occlude": 25.0, "lift": 15.0, "publish": 250.0}
    state: dict[str, StageState] = {name: "DEGRADED" if name in reasons else "READY" for name in took}
    stages = tuple(
        Health(name, state[name], reasons.get(name, ""), 14.3, p50_ms=ms, p99_ms=1.24 * ms) for name, ms in took.items()
    )
    info = {"detector": "mediapipe pose_landmarker_full", "picture": "640x480"}
    return Snapshot(stages, info, 0, 100, 90, 10, 6.0, True, pids)


def test_a_slow_machine_is_one_cause_one_line_one_remedy():
    line = as_line(snapshot({"a": 1}, detect="lagging", lift="lagging", publish="lagging"), None)
    assert line.count("this machine needs 240 ms a frame; try --model lite --size 424x240, or --max-age 400") == 1
    assert "lagging" not in line and "degraded" not in line


def test_the_last_line_of_a_run_that_ended_says_nothing_of_a_current_pose():
    assert "no current pose" in as_line(snapshot({"a": 1}), None)
    assert "no current pose" not in as_line(snapshot({"a": None}), None)


class Camera:
    live, fps, size = True, 30.0, (8, 8)


RATES = [(15, "", "camera gives 15 of 30 Hz"), (30, "", ""), (5, "mismatch", "5")]


@pytest.mark.parametrize(("hz", "reason", "note"), RATES)
def test_a_steady_slow_camera_is_a_note_and_no_alarm(hz, reason, note):
    watch, told = SourceWatchdog(SourceConfig(spec="http://x", frozen_s=60), Camera(), 0), []
    for n in range(60):
        now = round(n * 1e9 / hz)
        image = np.full((8, 8, 3), n, np.uint8)
        told.append(watch.look(Picture(image, Stamp("cam0", 1, n, now, 0)), now))
    assert told[-1] == reason and note in watch.note()
    assert round(watch.steady_hz()) == hz  # what `detector.model: auto` is to keep up with


def test_a_recording_of_nobody_leaves_no_file(tmp_path):
    path = tmp_path / "a.poses"
    assert cli.main(["record", str(path), "--connect", free_address(), "--seconds", "0.5"]) == 0
    assert not path.exists()


NOT_THERE = [(["--engine", "no-such"], 6, "no-such"), (["--intrinsics", "/none.yaml"], 2, "/none.yaml")]


@pytest.mark.parametrize(("flags", "code", "said"), NOT_THERE)
def test_what_is_not_there_is_found_before_a_stage_starts(capfd, flags, code, said):
    assert cli.main(["run", "--demo", "--bind", free_address(), *flags]) == code
    out, err = capfd.readouterr()
    assert said in err and err.count("\n") == 1 and out == ""


def test_the_first_json_line_is_the_first_with_an_answer(capsys):
    report = json_lines(lambda: None)
    report(replace(snapshot({"a": 1}), answered=0))
    report(snapshot({"a": 1}))
    assert [json.loads(line)["answered"] for line in capsys.readouterr().out.splitlines()] == [90]


def test_info_speaks_json_too(tmp_path, capsys):
    path = tmp_path / "a.poses"
    with RecordingWriter(path) as writer:
        writer.write(encode("hello", "cam0", fake.HELLO))
        for seq in (0, 1, 5):
            writer.write(encode("pose3d", "cam0", fake.pose(seq, [fake.person(1, fake.in_camera(fake.walker(0)))])))
    assert cli.main(["info", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["poses"] == 3 and found["people"] == {"1": 3} and found["dropped"] == 3
    assert found["hello"]["joints"][0] == "pelvis"


def test_training_that_its_minutes_ended_is_not_done(tmp_path):
    train = pytest.importorskip("trainers.training.train")
    (tmp_path / "curves.jsonl").write_text('{"step": 3}\n{"step": 10, "loss": 1.0}\n')
    assert train.reached(tmp_path / "curves.jsonl") == 11
    said = train.ended(tmp_path, 11, 18_000, "causal-small")
    assert "stopped at step 11 of 18000 (0.1 %)" in said and "done" not in said
    assert ": done; next: trainers export" in train.ended(tmp_path, 18_000, 18_000, "causal-small")
