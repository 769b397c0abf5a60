"""Lenses of public data sets: camera tables, calibration files, lenses fitted to the data, layouts of keypoints."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines.skeleton import COCO_17, H36M_17, mapping
from tests.support.people.walkers import walkers
from trainers import cli
from trainers.data import views
from trainers.data.public import skeletool, threedhp, world
from trainers.errors import UserError
from trainers.geometry.undistortion import distort, undistort

BENT = {"radial_distortion": [-0.2, 0.24, -0.002], "tangential_distortion": [-0.0009, -0.0016]}
LENS = {"id": "54138969", "center": [512.5, 515.4], "focal_length": [1145.0, 1143.8], "res_w": 1000, "res_h": 1002}
HALF = float(np.sqrt(0.5))
PLACE = {"orientation": [HALF, -HALF, 0.0, 0.0], "translation": [600, -4000, 900]}
T = 60


def z_up(xyz: np.ndarray) -> np.ndarray:
    return np.stack([xyz[..., 0], -xyz[..., 2], xyz[..., 1]], -1)


@pytest.fixture
def h36m(tmp_path):
    full = np.full((T, 32, 3), 7.0, np.float32)
    full[:, world.H36M_KEEP] = z_up(walkers(2, T)[0].numpy())
    np.savez(tmp_path / "3d.npz", positions_3d=np.array({"S1": {"Eating": full}}, object))
    table = f"""# cameras
import something_that_does_not_exist
h36m_cameras_intrinsic_params = [{ {**LENS, **BENT, "azimuth": 70}!r},]
h36m_cameras_extrinsic_params = {{'S1': [{PLACE!r},], 'S2': [{{}},]}}
print('never run')
"""
    (tmp_path / "h36m_dataset.py").write_text(table)
    return tmp_path


def keypoints(folder, xy, **metadata):
    np.savez(
        folder / "2d.npz",
        positions_2d=np.array({"S1": {"Eating": [xy]}}, object),
        metadata=np.array(metadata, object),
    )
    return ["--keypoints", str(folder / "2d.npz")]


def prepare(folder, *argv: str) -> int:
    cameras = ["--cameras", str(folder / "h36m_dataset.py"), "--trust", "--out", str(folder / "out")]
    return cli.main(["prepare", "h36m", "--file", str(folder / "3d.npz"), *cameras, *argv])


def test_undistortion_is_the_inverse_of_opencvs_lens():
    rays = np.random.default_rng(0).uniform(-0.45, 0.45, (200, 2))
    bent = (-0.2, 0.24, -0.0009, -0.0016, -0.002)
    seen, _ = cv2.projectPoints(np.c_[rays, np.ones(200)], np.zeros(3), np.zeros(3), np.eye(3), np.array(bent))
    np.testing.assert_allclose(distort(rays, bent), seen[:, 0], atol=1e-9)
    np.testing.assert_allclose(undistort(seen[:, 0], bent), rays, atol=1e-6)


def test_rays_of_a_recorded_view_are_undistorted(h36m):
    """Before, they stayed as the lens bent them: 7 mm at 5 m even of exact keypoints."""
    assert prepare(h36m) == 0
    (view,) = views.load(h36m / "out").views
    exact = view.xyz[..., :2] / view.xyz[..., 2:]
    np.testing.assert_allclose(view.rays(), exact, atol=2e-6)
    assert np.abs((view.xy - view.centre) / view.focal - exact).max() > 1e-3
    assert view.screen == pytest.approx(2.29)


def test_videopose3ds_table_is_parsed_and_never_run(h36m, capsys):
    assert prepare(h36m) == 0
    assert "never run" not in capsys.readouterr().out
    assert views.load(h36m / "out").views[0].distortion == (-0.2, 0.24, -0.0009, -0.0016, -0.002)


@pytest.mark.parametrize(
    "metadata",
    [{"layout_name": "coco"}, {"keypoints_symmetry": [list(COCO_17.left), list(COCO_17.right)], "num_joints": 17}],
)
def test_coco_columns_become_the_17_joints(h36m, metadata):
    """Before, any 17 columns were taken for Human3.6M's: 37 to 186 px off."""
    coco = np.random.default_rng(0).uniform(0, 1000, (T, 17, 2)).astype(np.float32)
    assert prepare(h36m, *keypoints(h36m, coco, **metadata)) == 0
    (view,) = views.load(h36m / "out").views
    for joint in ("left_wrist", "right_ankle", "right_hip"):
        np.testing.assert_allclose(view.xy[:, H36M_17.index(joint)], coco[:, COCO_17.index(joint)])
    np.testing.assert_allclose(view.xy, mapping("coco17", "h36m17") @ coco, rtol=1e-5, atol=1e-2)
    lost = np.flatnonzero(view.score[0] == 0)
    assert [H36M_17.joints[j] for j in lost] == ["head"]  # COCO has none


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"layout_name": "mpii"}, "layout_name 'mpii', known: h36m, humaneva15"),
        ({}, "--keypoints-layout set or coco17"),
    ],
)
def test_columns_without_known_names_are_refused(h36m, capsys, metadata, says):
    xy = np.zeros((T, 17, 2), np.float32)
    assert prepare(h36m, *keypoints(h36m, xy, **metadata)) == 2
    assert says in capsys.readouterr().err
    assert prepare(h36m, *keypoints(h36m, xy, **metadata), "--keypoints-layout", "set") == 0


# --- MPI-INF-3DHP -------------------------------------------------------------------------------------------------

CALIBRATION = """Skeletool Camera Calibration File V1.0
name          {name}
  sensor      10 10
  size        {width:g} {height:g}
  animated    0
  intrinsic   {fx} 0 {cx} 0 0 {fy} {cy} 0 0 0 1 0 0 0 0 1
  extrinsic   1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1
  radial      0
"""


def calibration(path, name="0", fx=1497.7, fy=1497.1, cx=1024.7, cy=1051.4, width=2048, height=2048):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CALIBRATION.format(**{k: v for k, v in locals().items() if k != "path"}))
    return path


def threedhp_files(folder, noise_px=0.0):
    rng = np.random.default_rng(1)

    def arrays(fx: float, fy: float, cx: float, cy: float) -> dict[str, np.ndarray]:
        local = walkers(2, T)[0].numpy() * np.array([1, -1, -1], np.float32) + np.array([0.3, 1, 4], np.float32)
        stored, xy = np.zeros((T, 17, 3), np.float32), np.zeros((T, 17, 2), np.float32)
        stored[:, threedhp.ORDER] = local * 1000
        xy[:, threedhp.ORDER] = local[..., :2] / local[..., 2:] * (fx, fy) + (cx, cy)
        return {"data_2d": (xy + rng.normal(0, noise_px, xy.shape)).astype(np.float32), "data_3d": stored}

    train = {"S1 Seq1": [{"0": arrays(1497.7, 1497.1, 1024.7, 1051.4)}, 50]}
    test = {"TS1": arrays(1500.1, 1500.7, 1017.4, 1043.1), "TS5": arrays(1683.5, 1671.9, 939.9, 560.2)}
    np.savez(folder / "train.npz", data=np.array(train, object))
    np.savez(folder / "test.npz", data=np.array(test, object))
    return ["--file", str(folder / "train.npz"), "--test", str(folder / "test.npz"), "--trust", "--out", str(folder)]


def focal_lengths(folder) -> list[float]:
    return [round(v.focal[0], 1) for v in views.load(folder).views]


def test_3dhp_lenses_come_from_the_calibration_files(tmp_path):
    """Before, 63 degrees were guessed: 11 % off in training."""
    argv = threedhp_files(tmp_path, noise_px=30.0)
    calibration(tmp_path / "raw" / "S1" / "Seq1" / "camera.calibration")
    first = calibration(tmp_path / "ts1-4.calib", "7", 1500.1, 1500.7, 1017.4, 1043.1)
    other = calibration(tmp_path / "ts5-6.calib", "9", 1683.5, 1671.9, 939.9, 560.2, 1920, 1080)
    given = ["--calibration", str(tmp_path / "raw"), "--test-calibration", str(first), "--test-calibration", str(other)]
    assert cli.main(["prepare", "3dhp", *argv, *given]) == 0
    assert focal_lengths(tmp_path) == [1497.7, 1500.1, 1683.5]


def test_3dhp_without_calibration_fits_the_lens_to_the_data(tmp_path):
    assert cli.main(["prepare", "3dhp", *threedhp_files(tmp_path)]) == 0
    np.testing.assert_allclose(focal_lengths(tmp_path), [1497.7, 1500.1, 1683.5], rtol=1e-4)


def test_3dhp_says_when_no_lens_fits(tmp_path, capsys):
    assert cli.main(["prepare", "3dhp", *threedhp_files(tmp_path, noise_px=60.0)]) == 0
    assert np.isnan(focal_lengths(tmp_path)).all()
    assert "its focal length is guessed" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("text", "says"),
    [("camera 1\n", "expected 'Skeletool"), ("Skeletool Camera Calibration File V1.0\nname 0\n size 1 1\n", "camera 0"),
     (CALIBRATION.replace("radial      0", "radial 0.1 0").format(name="0", width=1, height=1, fx=1, fy=1, cx=1, cy=1),
      "radial distortion")],
)  # fmt: skip
def test_a_wrong_calibration_file_is_named(tmp_path, text, says):
    (tmp_path / "c").write_text(text)
    with pytest.raises(UserError, match=says):
        skeletool.read_calibration(tmp_path / "c")
