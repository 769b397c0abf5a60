"""Flow finds how far known pixels moved, says where it does not know, and never fails."""

import numpy as np
import pytest

from realtime.occlude.optical_flow import trace, unknown
from tests.support.texture import cloth, moved

POINTS = np.random.default_rng(1).uniform((60, 60), (580, 420), (33, 2)).astype("f4")
FIRST = cloth(0, 640, 480)


@pytest.mark.parametrize("step", [(0, 0), (3.5, -2), (-14, 9)])
def test_follows_the_pixels(step):
    flow = trace(FIRST, moved(FIRST, *step), POINTS, 1.0)
    error = np.linalg.norm(flow.moved - POINTS - step, axis=1)
    assert flow.known.all() and np.median(error) < 0.1 and np.quantile(error, 0.9) < 0.5
    assert np.median(flow.back_error) < 0.1 and np.median(flow.patch_error) < 0.03


def test_lengths_are_pixels_of_the_full_picture():
    flow = trace(FIRST, moved(FIRST, 4, 2), POINTS * 2, 0.5)
    assert np.median(np.linalg.norm(flow.moved - POINTS * 2 - (8, 4), axis=1)) < 0.2


def test_pixels_that_vanish_do_not_come_back_to_their_start():
    flow = trace(FIRST, cloth(5, 640, 480), POINTS, 1.0)
    assert np.median(flow.back_error[flow.known]) > 1 and np.median(flow.patch_error[flow.known]) > 0.05


def test_points_outside_are_unknown_and_keep_their_place():
    outside = POINTS.copy()
    outside[:3] = [(-5, 100), (100, 481), (1e5, -1e5)]
    flow = trace(FIRST, moved(FIRST, 2, 0), outside, 1.0)
    assert not flow.known[:3].any() and flow.known[3:].all()
    assert np.array_equal(flow.moved[:3], outside[:3])
    assert np.median(np.linalg.norm(flow.moved[3:] - outside[3:] - (2, 0), axis=1)) < 0.1


@pytest.mark.parametrize("point", [(0, 0), (639.9, 479.9), (0, 479), (639, 0)])
def test_corners_of_the_picture(point):
    assert np.isfinite(trace(FIRST, FIRST, np.float32([point]), 1.0).moved).all()


def test_pictures_of_different_sizes_tell_nothing():
    flow = trace(FIRST, FIRST[:400], POINTS, 1.0)
    assert not flow.known.any() and np.array_equal(flow.moved, POINTS)


def test_parts_are_people():
    flow = unknown(np.arange(12, dtype="f4").reshape(6, 2))
    assert np.array_equal(flow.part(slice(3, 6)).moved, [[6, 7], [8, 9], [10, 11]])
