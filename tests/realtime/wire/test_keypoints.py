"""Sizes and scores stay finite whatever a detector says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from realtime.wire.keypoints import SMALLEST_BOX_PX, box_size, logit, sane

ANY = st.floats(width=32)


@given(arrays(np.float32, (33, 2), elements=ANY), arrays(np.float32, 33, elements=ANY))
def test_sane_is_finite_and_bounded(xy, score):
    good_xy, good_score = sane(xy, score)
    assert np.isfinite(good_xy).all() and 0 <= good_score.min() <= good_score.max() <= 1
    assert np.isfinite(box_size(good_xy))


def test_sane_changes_nothing_that_is_good():
    xy, score = np.random.default_rng(0).uniform(0, 100, (33, 2)).astype("f4"), np.full(33, 0.5, "f4")
    broken = xy.copy()
    broken[4, 1] = np.nan
    assert sane(xy, score)[0] is xy
    assert np.array_equal(np.delete(sane(broken, score)[0], 4, 0), np.delete(xy, 4, 0))
    assert sane(broken, score)[1][4] == 0


def test_box_of_a_standing_and_of_a_lying_person():
    standing = np.float32([(0, 0), (40, 200)])
    assert box_size(standing) == box_size(standing[:, ::-1]) == 200
    assert box_size(np.zeros((33, 2), "f4")) == SMALLEST_BOX_PX


def test_logit_is_bounded_and_odd():
    assert np.allclose(logit(np.float32([0.5, 0.9, 0.1])), [0, 2.1972, -2.1972], atol=1e-4)
    assert np.isfinite(logit(np.float32([0, 1]))).all()
