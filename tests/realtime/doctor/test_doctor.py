"""The doctor: what is wrong on a machine is found, with the command that fixes it; on this one it runs for real."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engines import store
from realtime.cli import main as cli
from realtime.config.schema import RunConfig
from realtime.doctor import command, machine, packages

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into Linux folders")


@linux
def test_cameras_are_listed_in_their_order_with_what_hinders(tmp_path, monkeypatch):
    for name in ("video0", "video10", "video2"):
        (tmp_path / name).touch()
    monkeypatch.setattr(machine.os, "access", lambda path, mode: not str(path).endswith("video2"))
    found = machine.cameras(tmp_path)
    assert [f.found.split("/")[-1].split()[0] for f in found] == ["video0", "video2", "video10"]
    assert [f.level for f in found] == ["good", "note", "good"]
    assert "usermod -aG video" in found[1].fix


@linux
def test_no_camera_is_no_fault_but_says_what_else_there_is(tmp_path):
    (found,) = machine.cameras(tmp_path)
    assert found.level == "note"
    assert "realtime run --demo" in found.fix


@pytest.mark.parametrize(
    ("content", "fault", "level"), [(None, "missing", "note"), (b"half", "damaged", "bad"), (b"x", "", "good")]
)
def test_the_model_is_there_missing_or_damaged(content, fault, level, tmp_path):
    path = tmp_path / "model.task"
    if content is not None:
        path.write_bytes(content)
    for name, fix in (("full", "realtime fetch-model"), ("lite", "realtime fetch-model lite")):
        found = packages.model(name, path, fault)
        assert (found.level, found.what) == (level, f"detector model {name}")
        assert level == "good" or found.fix == fix


def test_two_flavours_of_one_package_are_named_with_the_one_to_keep():
    found = packages.packages(["numpy", "opencv_python", "opencv-contrib-python", "ONNXRuntime"])
    assert [f.found for f in found] == ["opencv-contrib-python and opencv-python overwrite each other"]
    assert found[0].fix.endswith("pip install opencv-contrib-python")
    assert packages.packages(["numpy", "onnxruntime"])[0].level == "good"


def test_another_distribution_of_our_name_is_named():
    owners = {"realtime": ["steadypose", "realtime", "realtime"], "engines": ["steadypose"], "trainers": []}
    (found,) = packages.namesakes(owners)
    assert found.level == "bad" and found.found == "realtime also installs a package named realtime"
    assert "venv" in found.fix and packages.namesakes({"realtime": ["steadypose"]}) == []


@linux
def test_a_missing_system_library_is_named_with_its_package(monkeypatch):
    monkeypatch.setitem(packages.LIBRARIES, "libNowhere.so.7", "libnowhere7")
    found = packages.libraries(["libc.so.6", "libNowhere.so.7"])
    assert (found.level, found.found) == ("bad", "libNowhere.so.7 not found")
    assert found.fix == "sudo apt-get install libnowhere7"
    assert packages.libraries(["libc.so.6"]).level == "good"


def test_only_onnxruntime_is_needed():
    levels = {f.found.split()[0]: f.level for f in packages.backends([])}
    assert levels == {"onnxruntime": "bad", "tensorrt": "note", "tensorrt_rtx": "note"}
    assert {f.level for f in packages.backends(packages.RUNTIMES)} == {"good"}


def test_a_jetson_is_recognised_by_its_board(tmp_path):
    board = tmp_path / "model"
    board.write_bytes(b"NVIDIA Jetson Orin Nano Developer Kit\0")
    assert machine.jetson(board) == "NVIDIA Jetson Orin Nano Developer Kit"
    board.write_bytes(b"Raspberry Pi 5\0")
    assert machine.jetson(board) == machine.jetson(tmp_path / "none") == ""


def test_on_a_jetson_the_environment_must_see_its_tensorrt(monkeypatch):
    monkeypatch.setattr(machine, "jetson", lambda: "NVIDIA Jetson AGX Orin")
    assert "--system-site-packages" in machine.gpu().fix


def test_a_driver_that_does_not_answer_is_a_note(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setattr(machine.shutil, "which", lambda name: str(tool))
    assert machine.gpu().level == "note"
    tool.write_text("#!/bin/sh\necho 'NVIDIA RTX 4060, 550.1, 8.9'\n")
    assert machine.gpu().found == "NVIDIA RTX 4060, 550.1, 8.9"


def test_shared_memory_that_is_too_small_ends_with_4(tmp_path):
    assert machine.shared_memory(1000, tmp_path).level == "good"
    short = machine.shared_memory(1 << 60, tmp_path)
    assert (short.level, short.exit_code) == ("bad", 4)
    assert "remount,size" in short.fix


def test_a_taken_port_ends_with_3_and_names_the_flag():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = machine.port(f"tcp://127.0.0.1:{taken.getsockname()[1]}", "poses", "--bind tcp://127.0.0.1:5565")
    assert (found.level, found.exit_code) == ("bad", 3)
    assert "--bind" in found.fix


@linux
def test_a_runtime_folder_open_to_others_is_bad(tmp_path):
    tmp_path.chmod(0o755)
    found = machine.runtime_directory(tmp_path)
    assert (found.level, found.exit_code, found.fix) == ("bad", 2, f"chmod 700 {tmp_path}")
    tmp_path.chmod(0o700)
    assert machine.runtime_directory(tmp_path).level == "good"
    assert machine.runtime_directory(tmp_path / "none").level == "good"


def test_a_damaged_engine_is_found_by_its_digest(tmp_path, monkeypatch):
    name = store.names()[0]
    folder = tmp_path / name
    folder.mkdir()
    for file in store.locate(name).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(store, "PRETRAINED", tmp_path)
    assert [f.level for f in command.engines()] == ["good"]
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    assert [(f.level, f.exit_code) for f in command.engines()] == [("bad", 6)]


def test_an_empty_store_is_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PRETRAINED", tmp_path)
    assert [(f.level, f.exit_code) for f in command.engines()] == [("bad", 6)]


def test_memory_needed_grows_with_the_picture_and_keeps_to_60_mb():
    small = command.shared_bytes(RunConfig())
    large = command.shared_bytes(replace(RunConfig(), source=replace(RunConfig().source, width=1920, height=1080)))
    assert small < large <= 60e6


def test_it_looks_at_this_machine_for_real(runtime_dir, capfd):
    code = cli.main(["doctor", "--json"])
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    subjects = {f["what"].split()[0] for f in found}
    assert {"machine", "detector", "engine", "runtime", "packages", "GPU", "shared", "port"} <= subjects
    assert all(f["fix"] for f in found if f["level"] == "bad")
    assert code == next((f["exit_code"] for f in found if f["level"] == "bad"), 0)
    assert list(Path(runtime_dir).iterdir()) == []


def test_for_people_it_names_the_command_under_what_is_wrong(capsys):
    command.show(
        [machine.Finding("good", "a", "fine", "never shown"), machine.Finding("bad", "b", "broken", "mend [it]", 6)]
    )
    said = capsys.readouterr().out
    assert "never shown" not in said
    assert "mend [it]" in said
    assert "1 to fix" in said
