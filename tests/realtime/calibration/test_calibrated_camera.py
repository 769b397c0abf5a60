"""Calibrated cameras: projection and rays undo each other; films that were padded or resized fit, others do not."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.calibration.calibrated_camera import CalibratedCamera

TURN = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])


def camera(size=(1088, 1920)):
    K = np.array([[1681.0, 0, 533], [0, 1680, 948], [0, 0, 1]])
    return CalibratedCamera("a", size, K, np.array([-0.05, 0.14, 0.0006, 0.0007]), TURN, np.array([0.3, 0.9, 2.8]))


def test_rays_lead_back_to_the_point():
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 4, 3))
    one = camera()
    seen = one.to_camera(points)
    np.testing.assert_allclose(one.rays(one.pixels(points)), seen[..., :2] / seen[..., 2:], atol=2e-4)


def test_an_unknown_point_has_no_pixel():
    points = np.zeros((2, 3))
    points[1] = np.nan
    assert np.isnan(camera().pixels(points)).tolist() == [[False, False], [True, True]]


def test_the_centre_is_where_the_camera_stands():
    np.testing.assert_allclose(camera().to_camera(camera().centre), 0, atol=1e-12)


def test_a_film_padded_by_its_coder_keeps_the_matrix():
    fitted = camera().fitted((1080, 1920))
    assert fitted.size == (1080, 1920) and np.array_equal(fitted.K, camera().K)


def test_a_resized_film_scales_the_matrix():
    fitted = camera().fitted((544, 960))
    np.testing.assert_allclose(fitted.K[:2], camera().K[:2] / 2)


@pytest.mark.parametrize("size", [(1920, 1088), (1280, 720), (1088, 1088)])
def test_a_film_of_another_shape_is_refused(size):
    with pytest.raises(ValueError, match=rf"{size[0]}x{size[1]} px, the calibration 1088x1920"):
        camera().fitted(size)
