"""The command line: quick, complete, every flag a setting, every error one line and its exit code."""

from __future__ import annotations

import argparse
import importlib
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from realtime.cli import main as cli
from realtime.cli import run
from realtime.config.loader import ConfigError, key_paths
from realtime.config.schema import RunConfig

HEAVY = {"numpy", "cv2", "mediapipe", "zmq", "rich", "yaml", "msgpack", "onnxruntime", "websockets", "multiprocessing"}


def config_of(*flags):
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return run.settings(parser.parse_args(flags))


def test_help_lists_every_command_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom realtime.cli import main as cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        f"loaded = {HEAVY} & set(sys.modules)\nassert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_arguments_a_main_and_help(command, capsys):
    room = importlib.import_module(cli.COMMANDS[command][0])
    assert callable(room.main)
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert "usage: realtime " + command in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["fly"], ["run", "--fly"], ["run", "--fps", "fast"], ["run", "--size", "640"]])
def test_what_cannot_be_understood_ends_with_2(argv, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    assert end.value.code == 2
    assert "usage: realtime" in capsys.readouterr().err


def test_only_one_source_can_be_asked_for(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["run", "--camera", "0", "--demo"])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("flags", "section", "key", "value"),
    [
        (["--camera", "2"], "source", "spec", "2"),
        (["--source", "a b.mp4"], "source", "spec", "a b.mp4"),
        (["--demo"], "source", "spec", "demo"),
        (["--size", "1280x720"], "source", "width", 1280),
        (["--size", "1280x720"], "source", "height", 720),
        (["--fps", "60"], "source", "fps", 60.0),
        (["--rotate", "270"], "source", "rotate", 270),
        (["--every-frame"], "source", "every_frame", True),
        (["--seed", "0"], "demo", "seed", 0),
        (["--fov", "70"], "camera", "fov_deg", 70.0),
        (["--height", "1.78"], "camera", "height_m", 1.78),
        (["--tilt", "0"], "camera", "tilt_deg", 0.0),
        (["--tilt", "-12.5"], "camera", "tilt_deg", -12.5),
        (["--people", "3"], "detector", "people", 3),
        (["--engine", "hold"], "lift", "engine", "hold"),
        (["--device", "tensorrt"], "lift", "device", "tensorrt"),
        (["--bind", "tcp://127.0.0.1:7777"], "publish", "bind", "tcp://127.0.0.1:7777"),
        (["--insecure"], "publish", "insecure", True),
        (["--record", "a.sp"], "record", "file", "a.sp"),
        (["--save-video", "a.mp4"], "view", "save_video", "a.mp4"),
        (["--view"], "view", "open", True),
        (["--http", "127.0.0.1:9000"], "view", "http", "127.0.0.1:9000"),
        (["--mirror"], "view", "mirror", True),
        (["--with-video"], "view", "with_video", True),
        (["--seconds", "5"], "terminal", "seconds", 5.0),
        (["--json"], "terminal", "json", True),
        (["--quiet"], "terminal", "quiet", True),
    ],
)
def test_every_flag_is_its_setting(flags, section, key, value):
    assert getattr(getattr(config_of(*flags), section), key) == value


def test_without_flags_it_is_the_default_and_flags_touch_nothing_else():
    assert config_of() == RunConfig()
    assert config_of("--people", "2").source == RunConfig().source


def test_every_setting_that_a_flag_names_exists():
    known = {".".join(path) for path in key_paths(RunConfig)}
    assert {row[0] for row in (run.SETTINGS | run.SWITCHES).values()} <= known


def test_the_demo_knows_its_own_lens_unless_told_otherwise(tmp_path):
    assert config_of("--demo").camera.fov_deg == run.DEMO_FOV_DEG
    assert config_of("--demo", "--fov", "75").camera.fov_deg == 75.0
    assert config_of("--camera", "0").camera.fov_deg is None


def test_a_client_finds_what_is_bound_to_every_address():
    assert run.connectable("tcp://0.0.0.0:5555") == run.connectable("tcp://*:5555") == "tcp://127.0.0.1:5555"
    assert run.connectable("tcp://[::]:5555") == "tcp://[::1]:5555"
    assert run.connectable("tcp://127.0.0.1:1") == "tcp://127.0.0.1:1"


def test_a_taken_port_of_the_viewer_is_told_before_anything_starts(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert cli.main(["run", "--demo", "--view", "--http", address, "--quiet"]) == 3
    assert address.split(":")[1] in capfd.readouterr().err


class Refused(Exception):
    exit_code = 6


@pytest.mark.parametrize(("error", "code"), [(Refused("no model; run this"), 6), (ConfigError("a: b"), 2)])
def test_an_error_for_the_user_is_one_line_and_its_code(error, code, monkeypatch, capsys):
    assert run_raising(error, monkeypatch) == code
    assert capsys.readouterr().err == f"realtime: {error}\n"


def test_ctrl_c_ends_with_130_and_a_fault_of_ours_is_not_hidden(monkeypatch):
    assert run_raising(KeyboardInterrupt(), monkeypatch) == 130
    with pytest.raises(ZeroDivisionError):
        run_raising(ZeroDivisionError(), monkeypatch)


def run_raising(error, monkeypatch):
    def fail(args):
        raise error

    room = SimpleNamespace(add_arguments=lambda parser: None, main=fail)
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: room)
    return cli.main(["doctor"])
