"""The engines command: what it prints, what it answers, and one line for every error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines import store
from engines.cli import main
from tests.support.networks import models


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "PRETRAINED", tmp_path / "store")
    models.put_step(tmp_path / "store" / "lifter")
    return tmp_path


def test_list_shows_the_store_and_the_builds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "lifter", "--target", "onnx", "--precision", "fp16"]) == 0
    broken = store.compiled_home() / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    capsys.readouterr()
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if "lift " in line] == ["lifter", "lifter"]
    assert any("fp16" in line for line in lines)
    assert any("broken" in line and "unreadable" in line for line in lines)


def test_inspect_shows_contract_tensors_digests_and_card(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "store" / "lifter" / "CARD.md").write_text("# Lifter\nwhat it is for")
    assert main(["inspect", "lifter"]) == 0
    out = capsys.readouterr().out
    digest = json.loads((home / "store" / "lifter" / "manifest.json").read_text())["files"]["model.onnx"]["sha256"]
    for expected in (digest, "next_state_layer1 (1, 6, 16)", "what it is for", "none: random weights", '"opset": 20'):
        assert expected in out


def test_verify_prints_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "lifter"]) == 0
    assert "golden sequence, batch 16, cpu: within" in capsys.readouterr().out


def test_build_says_where_and_how_far_it_was_checked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["build", str(home / "store" / "lifter" / "model.onnx"), "--target", "onnx", "--batch", "2"]
    assert main([*arguments, "--out", str(home / "out")]) == 0
    assert capsys.readouterr().out.strip() == f"{home / 'out'}: golden sequence holds"


def test_bench_prints_a_table_and_one_json_line_last(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models.put_window(home / "window")
    assert main(["bench", "lifter", str(home / "window"), "--device", "cpu,cuda", "--seconds", "0.01"]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    ran = [(row["engine"], row["kind"], row["batch"]) for row in found["rows"] if "skipped" not in row]
    assert ran == [(name, kind, n) for name, kind in (("lifter", "step"), ("window", "window")) for n in (1, 4, 16)]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in found["rows"] if "p50_ms" in row)
    assert any("not run: cuda" in line for line in table), "ONNX Runtime here has no CUDA, and that is said"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["inspect", "nobody"], "no engine 'nobody'"),
        (["verify", "nobody"], "no engine 'nobody'"),
        (["build", "nobody", "--target", "onnx"], "no engine 'nobody'"),
        (["bench", "nobody"], "no engine 'nobody'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_errors_are_one_line_and_exit_code_6(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 6
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"engines: {text}")
    assert "\n" not in error


@pytest.mark.parametrize("arguments", [[], ["fly"], ["build", "lifter"], ["bench", "--batch", "x"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
