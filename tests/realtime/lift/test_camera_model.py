"""Pixels and rays, with and without a calibration."""

import math

import numpy as np
import pytest

from realtime.config.schema import CameraConfig
from realtime.lift.camera_model import GUESSED_FOV, CameraModel, camera_model_for

POINTS = np.array([(0.1, -0.2, 2.0), (-0.5, 0.4, 3.0), (0.0, 0.0, 1.0)], np.float32)


@pytest.mark.parametrize("distortion", [(), (-0.2, 0.05, 0.001, -0.002)])
def test_pixels_and_rays_are_each_others_inverse(distortion):
    lens = CameraModel(500, 510, 320, 240, distortion)
    assert lens.rays(lens.pixels(POINTS)) == pytest.approx(POINTS[:, :2] / POINTS[:, 2:], abs=1e-4)


def test_a_field_of_view_is_horizontal_and_a_guess_is_over_the_longer_side():
    given = camera_model_for(CameraConfig(fov_deg=90), 640, 480)
    assert given.calibrated and given.fx == pytest.approx(320)
    tall, wide = camera_model_for(CameraConfig(), 480, 640), camera_model_for(CameraConfig(), 640, 480)
    assert not tall.calibrated and tall.fx == wide.fx == pytest.approx(320 / math.tan(math.radians(GUESSED_FOV / 2)))


def test_a_calibration_serves_other_sizes(tmp_path):
    file = tmp_path / "camera.yaml"
    file.write_text("fx: 1000\nfy: 1010\ncx: 640\ncy: 360\nwidth: 1280\nheight: 720\n")
    lens = camera_model_for(CameraConfig(intrinsics=str(file)), 640, 360)
    assert (lens.fx, lens.fy, lens.cx, lens.cy, lens.calibrated) == (500, 505, 320, 180, True)


def test_what_lies_behind_the_camera_stays_finite():
    behind = np.array([(0.3, 0.1, -1.0), (0.0, 0.0, 0.0)], np.float32)
    assert np.isfinite(CameraModel(500, 500, 320, 240).pixels(behind)).all()
