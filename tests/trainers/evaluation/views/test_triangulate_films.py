"""`trainers triangulate`: two films and a calibration become a reference that `trainers evaluate --views` reads."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from engines.skeleton import BLAZEPOSE_33
from tests.support.people.two_cameras import CAMERAS, FRAMES, SeeingDetector, rendered
from trainers import cli
from trainers.data.multiview import load_views
from trainers.evaluation.views import evaluate_views


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("views") / "man")


@pytest.fixture(autouse=True)
def seeing(stage, monkeypatch):
    monkeypatch.setattr(evaluate_views, "open_detector", lambda config: SeeingDetector(stage.world))


def toml(stage, factor: float = 1.0, **names: str) -> str:
    """The stage's calibration as Pose2Sim writes it."""
    tables = []
    for entry in json.loads((stage.folder / "calibration.json").read_text()):
        turn = cv2.Rodrigues(np.array(entry["R"]))[0].ravel().tolist()
        shift = (factor * np.array(entry["t"])).tolist()
        name = names.get(entry["name"], entry["name"])
        values = {"size": entry["size"], "matrix": entry["K"], "distortions": entry["dist"], "rotation": turn}
        lines = [f"{key} = {value}" for key, value in (values | {"translation": shift}).items()]
        tables.append("\n".join([f"[{name}]", f'name = "{name}"', *lines, "fisheye = false"]))
    return "\n\n".join(tables)


def triangulated(stage, tmp_path, text: str, films=("cam_a", "cam_b"), *more: str) -> int:
    (tmp_path / "c.toml").write_text(text)
    paths = [str(stage.folder / f"{film}.mp4") if isinstance(film, str) else str(film) for film in films]
    asked = ["triangulate", *paths, "--calibration", str(tmp_path / "c.toml"), "--out", str(tmp_path / "out")]
    return cli.main([*asked, *more])


def test_two_views_become_a_reference(stage, tmp_path, capsys):
    assert triangulated(stage, tmp_path, toml(stage, 1000), ("cam_a", "cam_b"), "--unit", "mm") == 0
    views = load_views(tmp_path / "out")
    assert views.reference.joints == BLAZEPOSE_33.joints and views.reference.fps == 20
    known = np.isfinite(views.reference.xyz).all(-1)
    gap = np.linalg.norm(views.reference.xyz - stage.world, axis=-1)
    assert known.mean() > 0.8 and gap[known].max() < 0.01
    report = json.loads((tmp_path / "out/reprojection.json").read_text())
    assert set(report["cameras"]) == set(CAMERAS) and report["joints"]["left_knee"]["mean_px"] < 1
    assert report["bones"]["left thigh"]["variation"] < 0.01 and report["frames"] == FRAMES
    said = capsys.readouterr().out
    assert "left_knee" in said and "cam_b" in said and "trainers evaluate MODEL --views" in said


@pytest.mark.parametrize("names", [
    {"cam_a": "int_cam_a_img", "cam_b": "int_cam_b_img"},  # the film's name within the camera's
    {"cam_a": "CAM_A", "cam_b": "cam_b"},
])  # fmt: skip
def test_films_find_their_cameras_by_name(stage, tmp_path, names):
    assert triangulated(stage, tmp_path, toml(stage, **names)) == 0
    assert [view.camera.name for view in load_views(tmp_path / "out").views] == list(names.values())


def test_films_find_their_cameras_by_number(stage, tmp_path):
    for film, other in (("cam_a", "port_0"), ("cam_b", "port_1")):
        shutil.copy(stage.folder / f"{film}.mp4", tmp_path / f"{other}.mp4")
    films = (tmp_path / "port_1.mp4", tmp_path / "port_0.mp4")
    assert triangulated(stage, tmp_path, toml(stage, cam_a="cam_0", cam_b="cam_1"), films) == 0


@pytest.mark.parametrize(("films", "more", "said"), [
    (("cam_a",), (), "1 film, expected 2 or more"),
    (("cam_a", "cam_b"), ("--cameras", "cam_b,cam_a"), "calibration and film do not belong together"),
    (("cam_a", "cam_b"), ("--cameras", "cam_a"), "2 films go with cameras cam_a; "),
    (("cam_a", "cam_a"), (), "give each film a camera of its own"),
    (("cam_a", "cam_b"), ("--unit", "cm"), "m wide, its lengths being taken for cm; say --unit m, mm"),
])  # fmt: skip
def test_what_does_not_belong_together_is_one_line(stage, tmp_path, capsys, films, more, said):
    assert triangulated(stage, tmp_path, toml(stage), films, *more) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not (tmp_path / "out/reference.npz").exists()


def test_a_film_without_a_camera(stage, tmp_path, capsys):
    assert triangulated(stage, tmp_path, toml(stage, cam_a="left", cam_b="right")) == 2
    assert "which camera of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("frames", "fps", "said"), [(6, 20, "cut the films to the same moments"), (FRAMES, 30, "say --fps")]
)
def test_films_of_other_moments(stage, tmp_path, capsys, frames, fps, said):
    film = cv2.VideoWriter(str(tmp_path / "cam_b.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), fps, (400, 320))
    for _ in range(frames):
        film.write(np.zeros((320, 400, 3), np.uint8))
    film.release()
    assert triangulated(stage, tmp_path, toml(stage), ("cam_a", tmp_path / "cam_b.mp4")) == 2
    assert said in capsys.readouterr().err


def test_films_that_show_other_moments_are_found_out(stage, tmp_path, capsys, monkeypatch):
    """The second camera sees a man who has walked a metre on."""

    class Late(SeeingDetector):
        def detect(self, image, t_ms):
            (one,) = super().detect(image, t_ms)
            return [one] if image.shape[0] == 400 else [type(one)(one.xy + (0, 90), one.score, one.presence, one.world)]

    monkeypatch.setattr(evaluate_views, "open_detector", lambda config: Late(stage.world))
    assert triangulated(stage, tmp_path, toml(stage)) == 2
    assert "both shoulders agree in 0% of the frames" in capsys.readouterr().err
