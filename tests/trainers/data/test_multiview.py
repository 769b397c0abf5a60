"""Folders of calibrated films: what does not belong together is refused in one line that names files and remedy."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from realtime.calibration.opencv_json import write_calibration
from tests.support.people.two_cameras import CAMERAS, FRAMES, JOINTS, rendered
from trainers.data.multiview import load_views, read_calibration
from trainers.errors import UserError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("views") / "man").folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "man")
    return tmp_path / "man"


def changed(folder, **values):
    """The first camera's entry with other values."""
    path = folder / "calibration.json"
    entries = json.loads(path.read_text())
    entries[0] |= values
    path.write_text(json.dumps(entries))


def refused(folder) -> str:
    with pytest.raises(UserError) as error:
        load_views(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_whole_folder_is_read(folder):
    views = load_views(folder)
    assert views.name == "man" and [v.camera.name for v in views.views] == list(CAMERAS)
    assert views.reference.joints == JOINTS and views.reference.xyz.shape == (FRAMES, 12, 3)
    xy = views.views[0].camera.pixels(views.reference.xyz)
    assert (xy > 0).all() and (xy < views.views[0].film.size).all()


def test_calibrations_come_back_as_written(folder):
    cameras = read_calibration(folder / "calibration.json")
    write_calibration(folder / "again.json", cameras)
    for one, other in zip(cameras, read_calibration(folder / "again.json")):
        assert one.name == other.name and one.size == other.size
        assert all(np.array_equal(getattr(one, k), getattr(other, k)) for k in ("K", "dist", "R", "t"))


def test_calibration_and_film_of_another_shape(folder):
    changed(folder, size=[1280, 720])
    said = refused(folder)
    assert "cam_a.mp4" in said and "320x400" in said and "1280x720" in said and "uncut and unrotated" in said


def test_a_film_of_another_length(folder):
    film = cv2.VideoWriter(str(folder / "cam_b.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 20, (400, 320))
    for _ in range(5):
        film.write(np.zeros((320, 400, 3), np.uint8))
    film.release()
    assert "5 frames" in refused(folder) and f"has {FRAMES}" in refused(folder)


@pytest.mark.parametrize(("name", "said"), [
    ("reference.npz", "nothing to judge against; make the folder with: trainers triangulate"),
    ("calibration.json", "missing; make the folder with: trainers triangulate"),
    ("cam_b.mp4", "no film of camera cam_b; films there: cam_a.mp4; name it cam_b.mp4"),
])  # fmt: skip
def test_a_missing_file(folder, name, said):
    (folder / name).unlink()
    assert said in refused(folder)


def test_no_folder(tmp_path):
    assert "no such folder" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize(("values", "said"), [
    ({"R": np.diag([1, 1, -1]).tolist()}, "camera cam_a: R is no rotation"),
    ({"K": [1, 2]}, "no list of cameras with name, size, K, dist, R, t"),
    ({"t": [0, 0, float("nan")]}, "no list of cameras"),
    ({"name": "cam_b"}, "camera cam_b stands there twice"),
])  # fmt: skip
def test_a_bad_calibration(folder, values, said):
    changed(folder, **values)
    assert said in refused(folder)


def test_a_reference_of_other_joints(folder):
    np.savez(folder / "reference.npz", xyz=np.zeros((FRAMES, 1, 3)), joints=np.array(["tail"]), fps=20.0)
    assert "joint tail is none of the detector's" in refused(folder)


def test_a_broken_reference(folder):
    (folder / "reference.npz").write_bytes(b"PK nonsense")
    assert "no reference with xyz, joints, fps" in refused(folder)


def test_a_film_that_is_none(folder):
    (folder / "cam_a.mp4").write_bytes(b"nonsense")
    assert "no readable film" in refused(folder)
