"""Calibrations of other tools, in their formats: the same camera comes out; what cannot be read is named."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.calibration.calibration_files import read_cameras
from realtime.calibration.errors import CalibrationError

# A camera 3 m before the origin on the world's -y, 1 m high, looking along +y; z is up.
K = np.array([[900.0, 0, 640], [0, 910, 360], [0, 0, 1]])
R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
CENTRE = np.array([0, -3.0, 1.0])
DIST = [-0.1, 0.02, 0.001, -0.002]

POSE2SIM = """
[int_cam01_img]
name = "int_cam01_img"
size = [ 1280.0, 720.0]
matrix = [ [ 900.0, 0.0, 640.0], [ 0.0, 910.0, 360.0], [ 0.0, 0.0, 1.0]]
distortions = [ -0.1, 0.02, 0.001, -0.002]
rotation = [ ROTATION ]
translation = [ TRANSLATION ]
fisheye = false

[metadata]
adjusted = false
error = 0.0
"""
FREEMOCAP = """
[cam_0]
name = "Camera_000_synchronized"
size = [ 1280, 720,]
matrix = [ [ 900.0, 0.0, 640.0,], [ 0.0, 910.0, 360.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ -0.1, 0.02, 0.001, -0.002, 0.0,]
rotation = [ ROTATION,]
translation = [ MILLIMETRES,]
world_position = [ 0.0, -3000.0, 1000.0,]

[metadata]
charuco_square_size = 39.0
groundplane_calibration = true
date_time_calibrated = "2024-05-01T10:00:00"
"""
CALISCOPE = """
[cameras.0]
cam_id = 0
rotation_count = 0
error = 0.19
grid_count = 24
ignore = false
size = [1280, 720]
matrix = [[900.0, 0.0, 640.0], [0.0, 910.0, 360.0], [0.0, 0.0, 1.0]]
distortions = [-0.1, 0.02, 0.001, -0.002, 0.0]
translation = [TRANSLATION]
rotation = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]

[cameras.1]
cam_id = 1
ignore = true
size = [1280, 720]
matrix = [[900.0, 0.0, 640.0], [0.0, 910.0, 360.0], [0.0, 0.0, 1.0]]
"""
CALISCOPE_CONFIG = """
CreationDate = 2023-03-31T09:56:43.193358

[cam_0]
port = 0
size = [ 1280, 720,]
rotation_count = 0
matrix = [ [ 900.0, 0.0, 640.0,], [ 0.0, 910.0, 360.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ -0.1, 0.02, 0.001, -0.002, 0.0,]
ignore = false
translation = [ TRANSLATION,]
rotation = [ [ 1.0, 0.0, 0.0,], [ 0.0, 0.0, -1.0,], [ 0.0, 1.0, 0.0,],]

[charuco]
columns = 4
units = "inch"
"""
QUALISYS = """<?xml version='1.0' encoding='UTF-8'?>
<calibration created="2024" qtm-version="2024.1" type="regular" wandLength="601.1">
  <results std-dev="1.9" min-max-diff="41.0"/>
  <cameras>
    <camera active="1" avg-residual="0.4" model="Miqus Video" point-count="999" serial="21038" viewrotation="0" VIDEO>
      <fov_marker bottom="719" left="0" right="1279" top="0"/>
      <fov_video bottom="719" left="0" right="1279" top="0"/>
      <transform r11="1" r12="0" r13="0" r21="0" r22="0" r23="1" r31="0" r32="-1" r33="0" x="0" y="-3000" z="1000"/>
      <intrinsic focallength="9.3" sensorMinU="0" sensorMaxU="81920" focalLengthU="57600" focalLengthV="58240"
        centerPointU="40960" centerPointV="23040" skew="0" radialDistortion1="-0.1" radialDistortion2="0.02"
        radialDistortion3="0" tangentalDistortion1="0.001" tangentalDistortion2="-0.002"/>
    </camera>
  </cameras>
</calibration>
"""
TURN, SHIFT = cv2.Rodrigues(R)[0].ravel(), -R @ CENTRE


def filled(text: str) -> str:
    numbers = {"ROTATION": TURN, "TRANSLATION": SHIFT, "MILLIMETRES": 1000 * SHIFT}
    for word, values in numbers.items():
        text = text.replace(word, ", ".join(repr(float(v)) for v in values))
    return text.replace(" VIDEO>", ">")


def written(tmp_path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "text", "camera", "unit"), [
    ("Calib_scene.toml", POSE2SIM, "int_cam01_img", "m"),
    ("session_camera_calibration.toml", FREEMOCAP, "Camera_000_synchronized", "mm"),
    ("camera_array.toml", CALISCOPE, "cam_0", "m"),
    ("config.toml", CALISCOPE_CONFIG, "cam_0", "m"),
    ("Calib.qca.txt", QUALISYS, "21038", "mm"),
])  # fmt: skip
def test_the_same_camera_comes_out_of_every_format(tmp_path, name, text, camera, unit):
    cameras, used = read_cameras(written(tmp_path, name, filled(text)))
    (found,) = cameras
    assert (found.name, found.size, used) == (camera, (1280, 720), unit)
    np.testing.assert_allclose(found.K, K, atol=1e-9)
    np.testing.assert_allclose(found.dist[:4], DIST)
    np.testing.assert_allclose(found.R, R, atol=1e-9)
    np.testing.assert_allclose(found.centre, CENTRE, atol=1e-9)
    middle, right, higher = found.pixels(np.array([[0, 0, 1.0], [0.2, 0, 1], [0, 0, 1.2]]))
    np.testing.assert_allclose(middle, (640, 360), atol=1e-6)
    assert right[0] > 640 and higher[1] < 360


def test_qualisys_at_half_resolution(tmp_path):
    text = QUALISYS.replace(" VIDEO>", ' video_resolution="540p">')
    (found,), _ = read_cameras(written(tmp_path, "half.qca.txt", text))
    assert found.size == (640, 360)
    np.testing.assert_allclose(found.K, np.diag([0.5, 0.5, 1]) @ K)


def test_a_unit_that_is_said_overrides_the_guess(tmp_path):
    path = written(tmp_path, "c.toml", filled(POSE2SIM))
    assert np.allclose(read_cameras(path, "cm")[0][0].t, SHIFT / 100)


@pytest.mark.parametrize(("name", "text", "said"), [
    ("c.toml", filled(POSE2SIM).replace("fisheye = false", "fisheye = true"), "camera int_cam01_img is a fisheye"),
    ("c.toml", filled(CALISCOPE).replace("rotation = [[", "turn = [["), "camera cam_0 lacks rotation"),
    ("c.toml", filled(POSE2SIM).replace("[ 900.0, 0.0, 640.0]", "[ 900.0]"), "camera int_cam01_img"),
    ("c.toml", "[metadata]\nerror = 0.0\n", "no camera in it"),
    ("c.toml", "matrix = [", "no TOML"),
    ("c.qca.txt", "residuals: 0.4 0.5", "no Qualisys calibration"),
    ("c.qca.txt", filled(QUALISYS).replace("<transform", "<place"), "camera 21038 lacks transform"),
    ("c.qca.txt", filled(QUALISYS).replace('viewrotation="0"', 'viewrotation="90"'), "viewrotation 90, expected 0"),
    ("c.json", "{}", "no camera in it"),
    ("c.json", '{"cam": 1}', "no list of cameras"),
    ("c.yaml", "", ".yaml is unknown; expected OpenCV JSON"),
])  # fmt: skip
def test_what_cannot_be_read_is_one_line(tmp_path, name, text, said):
    with pytest.raises(CalibrationError) as error:
        read_cameras(written(tmp_path, name, text))
    assert said in str(error.value) and "\n" not in str(error.value) and str(tmp_path / name) in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(CalibrationError, match="no such file; expected OpenCV JSON"):
        read_cameras(tmp_path / "none.toml")
