"""Folders of films: whole pieces only, resumed after a kill, one broken film stops nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.cli import main as cli
from realtime.cli.batches import batch, batch_film
from realtime.recording.reader import Recorded, hello_and_poses
from tests.support.fakes import films as fake

FRAMES = 12


def film(path: Path, frames: int = FRAMES, shade: int = 60) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), shade + number, np.uint8))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    return tmp_path / "films"


@pytest.fixture(autouse=True)
def quick_workers(monkeypatch):
    """The batch starts processes with fake networks; inside them the real worker runs."""
    monkeypatch.setattr(batch, "WORKER", fake.main)


def run(*words):
    return cli.main(["batch", *map(str, words)])


def names(out):
    return sorted(p.name for p in out.iterdir() if p.name != batch_film.HIDDEN)


def test_a_folder_becomes_recordings_exports_and_overlays(folder, tmp_path, capsys):
    film(folder / "a.avi"), film(folder / "b.avi")
    out = tmp_path / "out"
    assert run(folder / "*.avi", "--to", "bvh,csv,overlay", "--out", out, "--workers", 2) == 0
    per_film = ("{}.bvh", "{}.csv", "{}.overlay.mp4", "{}.sp", "{}.bvh.states.csv")
    assert names(out) == sorted(name.format(f) for f in "ab" for name in per_film)
    assert "2 of 2 films done" in capsys.readouterr().out
    _, poses = hello_and_poses(Recorded(out / "a.sp"))
    assert len(poses) == FRAMES and not poses[0].live
    capture = cv2.VideoCapture(str(out / "a.overlay.mp4"))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == FRAMES
    assert [p.suffix for p in (out / batch_film.HIDDEN).iterdir() if p.is_dir()] == []


@pytest.mark.slow
def test_broken_films_do_not_stop_the_rest(folder, tmp_path, capsys):
    (folder / "a_broken.mp4").write_bytes(b"no film" * 1000)
    (folder / "b_dying.avi").write_bytes(film(tmp_path / "x.avi").read_bytes())
    (folder / "c_bug.avi").write_bytes((tmp_path / "x.avi").read_bytes())
    film(folder / "d.avi")
    out = tmp_path / "out"
    assert run(folder, "--to", "csv", "--out", out) == 2
    said = capsys.readouterr()
    told = " ".join(said.out.replace("│", " ").split())
    assert "1 of 4 films done" in told and "d.csv" in names(out)
    assert "a_broken.mp4: failed source" in said.err and "not a video that OpenCV can read" in said.err
    assert "b_dying.avi: failed its process ended with -9" in said.err
    assert "c_bug.avi: failed its process ended with 1" in said.err
    assert "ZeroDivisionError" in (out / batch_film.HIDDEN / "c_bug.log").read_text()


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_what_is_missing_is(folder, tmp_path, capsys):
    film(folder / "a.avi"), film(folder / "b.avi")
    out = tmp_path / "out"
    assert run(folder, "--to", "csv", "--out", out) == 0
    made = {p: p.stat().st_mtime_ns for p in out.glob("[ab].*")}
    (out / "b.csv").unlink()
    capsys.readouterr()
    assert run(folder, "--to", "csv,bvh", "--out", out) == 0
    assert {p: p.stat().st_mtime_ns for p in made if p.name != "b.csv"} == {
        p: t for p, t in made.items() if p.name != "b.csv"
    }
    assert (out / "b.csv").exists() and (out / "a.bvh").exists()
    assert run(folder, "--to", "csv,bvh", "--out", out) == 0
    assert capsys.readouterr().out.count("done before") == 2
    assert run(folder / "a.avi", "--to", "csv,bvh", "--rate", 50, "--names", "unity", "--out", out) == 0
    told = (out / "a.bvh").read_text()
    assert "Frame Time: 0.020000" in told and "LeftLowerArm" in told


def test_a_changed_film_is_done_anew_and_old_pieces_go(folder, tmp_path):
    clip, out = film(folder / "a.avi"), tmp_path / "out"
    assert run(folder, "--to", "csv", "--out", out) == 0
    before = (out / "a.csv").read_text()
    film(clip, FRAMES + 5)
    assert run(folder, "--to", "csv", "--out", out) == 0
    assert len((out / "a.csv").read_text().splitlines()) > len(before.splitlines())


@pytest.mark.slow
def test_files_of_others_are_left_alone(folder, tmp_path, capsys):
    film(folder / "a.avi")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.csv").write_text("mine")
    assert run(folder, "--to", "csv", "--out", tmp_path / "out") == 2
    assert (tmp_path / "out" / "a.csv").read_text() == "mine"
    assert "is none of this batch" in capsys.readouterr().err
    assert run(folder, "--to", "csv", "--out", tmp_path / "out", "--force") == 0
    assert (tmp_path / "out" / "a.csv").read_text() != "mine"


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_behind_what_is_whole(folder, tmp_path):
    film(folder / "a.avi"), film(folder / "b_slow.avi", 60)
    out = tmp_path / "out"
    words = [str(folder), "--to", "csv", "--out", str(out), "--workers", "1"]
    process = get_context("spawn").Process(target=fake.run, args=(words,))
    process.start()
    part = out / "b_slow.sp.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 2000):
        assert time.monotonic() < deadline and process.is_alive()
        time.sleep(0.02)
    process.kill()
    process.join()
    assert names(out) == ["a.csv", "a.sp", "b_slow.sp.part"]
    still = part.stat().st_size
    time.sleep(3 * fake.SLOW_S)
    assert part.stat().st_size == still, "the worker outlived the batch"
    made = (out / "a.sp").stat().st_mtime_ns
    assert run(*words) == 0
    assert names(out) == ["a.csv", "a.sp", "b_slow.csv", "b_slow.sp"] and (out / "a.sp").stat().st_mtime_ns == made
    assert len(hello_and_poses(Recorded(out / "b_slow.sp"))[1]) == 60


def test_which_films(folder, tmp_path):
    for name in ("b.MP4", "a.avi", "notes.txt", "a.overlay.mp4"):
        (folder / name).write_bytes(b"x")
    assert [p.name for p in batch.films([str(folder)])] == ["a.avi", "b.MP4"]
    assert [p.name for p in batch.films([str(folder / "*.avi"), str(folder / "a.avi")])] == ["a.avi"]
    other = tmp_path / "other"
    other.mkdir()
    assert batch.names_of([folder / "a.avi", other / "a.mp4", folder / "b.MP4"]) == ["films_a", "other_a", "b"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none/*.mp4", "--to", "csv"), "no film fits none/*.mp4"),
        (("FOLDER", "--to", "csv", "--workers", "0"), "--workers is at least 1"),
        (("FOLDER", "--to", "csv", "--height", "9"), "height"),
        (("FOLDER", "--to", "csv,bvh", "--rate", "0"), "--rate is 1 to 1000 Hz, found 0"),
        (("FOLDER", "--to", "csv,overlay", "--names", "unity"), "--names unity is for none of csv, overlay"),
    ],
)
def test_what_cannot_be_is_said_at_once(folder, tmp_path, words, said, capsys):
    film(folder / "a.avi")
    assert run(*(str(folder) if w == "FOLDER" else w for w in words), "--out", tmp_path / "out") == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_unknown_format_is_named(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(folder, "--to", "fbx", "--out", tmp_path / "out")
    assert "unknown fbx; there are overlay, bvh" in capsys.readouterr().err


def test_the_command_is_there():
    asked = subprocess.run(
        [sys.executable, "-m", "realtime.cli.main", "batch", "--help"],
        capture_output=True,
        text=True,
        env=os.environ,
        check=True,
    )
    assert "--workers" in asked.stdout
