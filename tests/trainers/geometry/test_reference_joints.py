"""Robust triangulation: exact where views agree, a view that disagrees is rejected, nothing is made up."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.demo.camera import look_at
from trainers.geometry.reference_joints import triangulate_joints

EYES = ((3.0, 1.2, 0.0), (0.0, 1.5, 3.0), (-2.5, 1.0, -1.5))
T, J = 6, 4


def camera(eye, number):
    made = look_at((640, 480), eye, (0.0, 1.0, 0.0), 60)
    return CalibratedCamera(
        f"c{number}",
        (640, 480),
        made.matrix,
        np.array([-0.1, 0.02, 0, 0]),
        made.rotation,
        -made.rotation @ np.array(eye),
    )


CAMERAS = [camera(eye, k) for k, eye in enumerate(EYES)]
TRUTH = np.random.default_rng(0).uniform(-0.4, 0.4, (T, J, 3)) + (0, 1, 0)
XY = np.stack([one.pixels(TRUTH) for one in CAMERAS])
SEEN = np.ones((3, T, J))


def test_views_that_agree_give_the_place():
    found = triangulate_joints(XY, SEEN, CAMERAS)
    np.testing.assert_allclose(found.xyz, TRUTH, atol=1e-4)
    assert found.agrees.all() and np.nanmax(found.error_px) < 0.1


@pytest.mark.parametrize("wrong", range(3))
def test_a_view_that_disagrees_is_rejected(wrong):
    xy = XY.copy()
    xy[wrong, :, 1] += 60
    found = triangulate_joints(xy, SEEN, CAMERAS)
    np.testing.assert_allclose(found.xyz, TRUTH, atol=1e-4)
    assert not found.agrees[wrong, :, 1].any() and found.agrees.sum() == 3 * T * J - T
    assert found.error_px[wrong, :, 1].min() > 50


def test_where_two_views_disagree_nothing_is_known():
    xy = XY[:2].copy()
    xy[1, :, 2, 1] += 80  # up and down: no point has both images
    found = triangulate_joints(xy, SEEN[:2], CAMERAS[:2])
    assert np.isnan(found.xyz[:, 2]).all() and np.isfinite(np.delete(found.xyz, 2, 1)).all()
    assert not found.agrees[:, :, 2].any()


def test_what_one_view_alone_sees_is_unknown():
    weight = SEEN.copy()
    weight[1:, 3, 0] = 0
    found = triangulate_joints(XY, weight, CAMERAS)
    assert np.isnan(found.xyz[3, 0]).all() and np.isfinite(found.xyz).all(-1).sum() == T * J - 1


def test_cameras_beside_each_other_tell_no_depth():
    pair = [camera((3.0, 1.2, 0.0), 0), camera((3.0, 1.2, 0.1), 1)]
    xy = np.stack([one.pixels(TRUTH) for one in pair])
    assert np.isnan(triangulate_joints(xy, SEEN[:2], pair).xyz).all()
