"""`trainers prepare cmu`: real clips of two rigs in, a motion folder out; broken ones named; resumed, not redone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import DATA
from trainers import cli
from trainers.data import motion, prepare

MOTION = DATA / "motion"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    (root / "bvh").mkdir(parents=True)
    for name in ("118.asf", "118_01.amc"):
        shutil.copy(MOTION / name, root)
    shutil.copy(MOTION / "03_01.bvh", root / "bvh")
    (root / "cmu-index.txt").write_text("Subject 3\n03_01\twalk on uneven terrain\n118_01\tjump\n")
    return root


def run(raw: Path, out: Path) -> int:
    return cli.main(["prepare", "cmu", "--root", str(raw), "--out", str(out)])


def test_two_rigs_become_one_folder_with_a_summary_and_a_plot(raw, tmp_path, capsys):
    assert run(raw, tmp_path / "out") == 0
    found = motion.load(tmp_path / "out")
    assert found.subjects == ("03", "118")
    assert {s.action for s in found.segments} == {"walk on uneven terrain", "jump"}
    assert 6.0 < found.seconds < 6.7 and all(s.fps == 60 for s in found.segments)
    assert (tmp_path / "out" / "summary.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "118" in printed and "0 skipped" in printed


def test_broken_clips_are_named_and_skipped(raw, tmp_path, capsys):
    text = (MOTION / "03_01.bvh").read_text()
    (raw / "bvh" / "03_02.bvh").write_text(text[: len(text) // 2])
    (raw / "bvh" / "03_03.bvh").write_text(text.replace("rForeArm", "rTentacle"))
    (raw / "77_01.amc").write_text((MOTION / "118_01.amc").read_text())
    (raw / "118_01.bvh").write_text(text)
    assert run(raw, tmp_path / "out") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "bvh/03_02.bvh" in printed and "truncated" in printed
    assert "bvh/03_03.bvh: unknown rig" in printed
    assert "118_01.bvh: the same take as 118_01.amc" in printed
    assert motion.load(tmp_path / "out").subjects == ("03", "118", "77")  # 77 uses the only skeleton there is


def test_nan_frames_are_named_and_skipped(raw, tmp_path, capsys):
    lines = (raw / "bvh" / "03_01.bvh").read_text().splitlines()
    lines[-5] = " ".join(["nan"] * len(lines[-5].split()))
    (raw / "bvh" / "03_01.bvh").write_text("\n".join(lines))
    assert run(raw, tmp_path / "out") == 0
    assert re.search(r"03_01\.bvh:.*anumberthatisnone", "".join(capsys.readouterr().out.split()))  # wrapped
    assert motion.load(tmp_path / "out").subjects == ("118",)


def test_what_is_there_is_not_read_again_and_what_changed_is(raw, tmp_path, monkeypatch, capsys):
    out, read = tmp_path / "out", []
    whole = prepare.read_take
    monkeypatch.setattr(prepare, "read_take", lambda take: read.append(take.clip) or whole(take))
    assert run(raw, out) == 0 and sorted(read) == ["03_01", "118_01"]
    before = {p.name: p.read_bytes() for p in out.glob("*.npz")}
    read.clear()
    assert run(raw, out) == 0 and read == []
    shutil.copy(raw / "bvh" / "03_01.bvh", raw / "bvh" / "03_02.bvh")
    assert run(raw, out) == 0 and sorted(read) == ["03_01", "03_02"]
    read.clear()
    (out / "subject_118.npz").unlink()
    assert run(raw, out) == 0 and read == ["118_01"]
    assert (out / "subject_118.npz").read_bytes() == before["subject_118.npz"]


def test_a_kill_in_the_middle_leaves_whole_files_and_the_rest_is_made_later(raw, tmp_path, monkeypatch):
    out, whole = tmp_path / "out", prepare.read_take

    def killed(take):
        if take.clip == "118_01":
            raise KeyboardInterrupt
        return whole(take)

    monkeypatch.setattr(prepare, "read_take", killed)
    assert run(raw, out) == 130
    assert motion.load(out).subjects == ("03",) and not list(out.glob("*.partial*"))
    monkeypatch.setattr(prepare, "read_take", whole)
    assert run(raw, out) == 0 and motion.load(out).subjects == ("03", "118")


@pytest.mark.parametrize(("name", "says"), [("", "no .amc or .bvh file"), ("nowhere", "no such folder")])
def test_a_folder_without_clips_is_one_line_and_exit_2(tmp_path, capsys, name, says):
    assert run(tmp_path / name, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_nothing_usable_is_an_error_that_names_the_first(tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a_1.bvh").write_text("HIERARCHY\n")
    assert run(tmp_path / "raw", tmp_path / "out") == 2
    assert "none of 1 takes could be used; the first: a_1.bvh: no MOTION" in capsys.readouterr().err


def test_processes_give_the_same_files(raw, tmp_path):
    prepare.prepare_cmu(raw, make(tmp_path / "one"), jobs=1)
    prepare.prepare_cmu(raw, make(tmp_path / "two"), jobs=2)
    for a in (tmp_path / "one").glob("subject_*.npz"):
        with np.load(a) as one, np.load(tmp_path / "two" / a.name) as two:
            assert all(np.array_equal(one[k], two[k]) for k in one.files)
    assert json.loads((tmp_path / "one/index.json").read_text()) == json.loads(
        (tmp_path / "two/index.json").read_text()
    )


def make(path: Path) -> Path:
    path.mkdir()
    return path
