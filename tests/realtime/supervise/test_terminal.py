"""What a run shows: the block, the lines, the JSON, the summary."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from realtime.config.schema import RunConfig
from realtime.supervise import terminal
from realtime.supervise.supervisor import Snapshot
from realtime.wire.messages import Health, Person3D, Pose3D, Stamp

JOINTS = ("head", "left_wrist", "right_wrist", "pelvis")
STAGES = (
    Health("capture", "READY", rate_hz=30.0, p50_ms=1.0, p99_ms=2.0),
    Health("detect", "DEGRADED", "lagging", rate_hz=24.9, dropped=7, p50_ms=10.5, p99_ms=14.25, restarts_1h=1),
    Health("lift", "READY", rate_hz=24.8, p50_ms=0.3, p99_ms=0.5),
)


def snapshot(**changes):
    info = {"detector": "mediapipe", "engine": "causal-small", "provider": "cpu", "joints": JOINTS}
    whole = Snapshot(STAGES, info, 1, 300, 290, 10, 10.0, True, pids={"capture": 17})
    return replace(whole, **changes)


def pose(*states):
    count = len(JOINTS)
    xyz = np.arange(count * 3, dtype=np.float32).reshape(count, 3) / 10
    flat = np.zeros(count, np.float32)
    state = np.array(states, np.uint8)
    person = Person3D(4, "TRACKED", xyz, flat, state, flat, flat, xyz[:, :2], root_cam=np.float32([0, 0, 2.5]))
    return Pose3D(Stamp("cam0", 1, 1, 0, 0), 640, 480, "OK", (person,))


def test_a_line_counts_states_and_never_places_a_joint_that_is_absent():
    line = terminal.as_line(snapshot(), pose(0, 1, 3, 0))
    assert "24.8 Hz" in line
    assert "10 dropped" in line
    assert "person 4: 2 observed 1 inferred 1 absent  at (+0.00, +0.00, +2.50) m" in line
    assert "head (+0.00, +0.10, +0.20) m" in line
    assert "left_wrist" in line
    assert "right_wrist" not in line
    assert "this machine needs 11 ms a frame" in line and "lagging" not in line


def test_a_pose_of_a_slow_machine_is_shown_with_its_age_and_the_remedy_leaves_the_limit_alone():
    late = replace(pose(0, 1, 3, 0), t_publish_ns=int(321e6))
    info = snapshot().info | {"max_age_ms": 650.0, "detector": "mediapipe full", "picture": "640x480"}
    line = terminal.as_line(snapshot(info=info), late)
    assert "321 ms old  person 4" in line and "try --model lite" in line and "--max-age" not in line
    assert terminal.as_json(snapshot(), late)["age_ms"] == 321.0
    assert " old" not in terminal.as_line(snapshot(), replace(late, live=False))


def test_starting_nobody_and_nothing_current_are_three_different_lines():
    stages = (replace(STAGES[0]), Health("detect", "STARTING"), Health("lift", "STARTING"))
    assert terminal.as_line(snapshot(ready=False, answered=0, stages=stages), None) == "starting: detect, lift"
    assert "nobody in view" in terminal.as_line(snapshot(), replace(pose(0, 0, 0, 0), status="NO_PERSON", people=()))
    assert "no current pose" in terminal.as_line(snapshot(), None)


def test_plain_lines_never_repeat_themselves(capsys):
    report = terminal.plain_lines(lambda: None)
    for answered in (0, 0, 0, 5):
        report(snapshot(ready=False, answered=answered))
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_model_that_auto_took_is_said_once(capsys):
    report = terminal.plain_lines(lambda: None)
    chosen = snapshot().info | {"model_choice": "auto took lite for 30 Hz (full 35 ms, lite 24 ms a frame)"}
    for seconds in (1.0, 2.0, 3.0):
        report(snapshot(seconds=seconds, info=chosen))
    assert capsys.readouterr().out.count("auto took lite for 30 Hz") == 1
    shown = terminal.block(RunConfig(), snapshot(info=chosen), None)
    Console(width=200).print(shown)
    assert "auto took lite for 30 Hz" in capsys.readouterr().out


def test_a_json_line_is_flat_complete_and_json():
    found = json.loads(json.dumps(terminal.as_json(snapshot(), pose(0, 0, 0, 0))))
    assert found["status"] == "OK"
    assert found["engine"] == "causal-small"
    assert (found["captured"], found["answered"], found["dropped"], found["people"]) == (300, 290, 10, 1)
    assert found["stages"]["detect"]["state"] == "DEGRADED"
    assert found["stages"]["detect"]["p99_ms"] == 14.25
    assert terminal.as_json(snapshot(), None)["status"] == "STALE"


@pytest.mark.parametrize("width", [60, 200])
def test_the_block_fits_its_terminal_and_shows_stages_engine_and_people(width):
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(
        terminal.block(RunConfig(), snapshot(), pose(0, 0, 2, 0))
    )
    text = out.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    for word in ("capture", "detect", "lagging", "14.2", "causal-small", "cpu", "3 observed", "1 held", "290 poses"):
        assert word in text


def test_passwords_of_cameras_are_not_shown():
    config = RunConfig()
    config = replace(config, source=replace(config.source, spec="rtsp://user:secret@camera/live"))
    out = io.StringIO()
    Console(file=out, width=120).print(terminal.block(config, snapshot(), None))
    assert "secret" not in out.getvalue()
    assert "rtsp://camera/live" in out.getvalue()


def test_the_summary_has_rate_drops_and_restarts():
    assert terminal.summary(snapshot()) == "290 poses in 10.0 s (29.0 Hz), 10 dropped (3.3 %), 1 restarts"


@pytest.mark.parametrize(("setting", "expected"), [("quiet", 0), ("json", 1), (None, 2)])
def test_each_form_writes_what_it_promises(setting, expected, capsys):
    config = RunConfig()
    if setting:
        config = replace(config, terminal=replace(config.terminal, **{setting: True}))
    with terminal.terminal(config, lambda: pose(0, 0, 0, 0)) as report:
        report(snapshot())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == expected
    if setting == "json":
        assert json.loads(lines[0])["answered"] == 290


def film(total, answered=290, **changes):
    stages = (Health("file", "READY", rate_hz=31.0), Health("viewer", "READY"))
    info = snapshot().info | {"frames_total": total}
    return snapshot(stages=stages, info=info, answered=answered, dropped=10, **changes)


def test_a_film_of_which_every_frame_counts_shows_done_rate_and_time_left():
    assert "300 of 3600 frames  30.0 Hz  1 min 50 s left" in terminal.as_line(film(3600), pose(0, 0, 0, 0))
    found = json.loads(json.dumps(terminal.as_json(film(3600), None)))
    assert [found[k] for k in ("frames_done", "frames_total", "rate_hz", "left_s")] == [300, 3600, 30.0, 110.0]
    out = io.StringIO()
    Console(file=out, width=100).print(terminal.block(RunConfig(), film(3600), None))
    assert "300 of 3600 frames  30.0 Hz  1 min 50 s left" in out.getvalue()


@pytest.mark.parametrize("total", [0, 299])  # unknown; more than the container declares
def test_a_film_that_does_not_know_its_length_shows_done_and_rate(total):
    line = terminal.as_line(film(total), None)
    assert "300 frames  30.0 Hz" in line and "left" not in line and " of " not in line
    assert "left_s" not in terminal.as_json(film(total), None)


def test_no_time_is_left_when_the_film_has_ended_and_none_before_its_first_answer():
    assert "left" not in terminal.as_line(film(3600, pids={"file": None}), None)
    early = film(3600, seconds=0.01)
    assert not {"left_s", "rate_hz"} & set(terminal.as_json(early, None))
    assert "Hz" not in terminal.as_line(early, None) and "300 of 3600 frames" in terminal.as_line(early, None)


def test_a_film_at_its_own_pace_shows_the_rate_of_its_stage_whatever_stands_behind_it():
    own_pace = replace(film(0), info=snapshot().info)
    assert " 31.0 Hz" in terminal.as_line(own_pace, None)
    assert "frames_done" not in terminal.as_json(own_pace, None)
