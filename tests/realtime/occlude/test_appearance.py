"""Brightness around points, and whether it is still what it was: pixels decide, places outside say nothing."""

from dataclasses import replace

import numpy as np
import pytest

from engines.skeleton import BLAZEPOSE_33
from realtime.occlude.appearance import mean_and_deviation, remember, sample_patch
from realtime.occlude.features import FEATURES, joint_features
from tests.realtime.occlude.test_features import seen

WALL = np.full((480, 640), 51, np.uint8)
POINTS = np.array([[100, 100], [300, 200], [500, 400]], "f4")


def with_patch(x, y, size=12, tone=204):
    image = WALL.copy()
    image[y - size : y + size, x - size : x + size] = tone
    return image


def test_it_is_the_brightness_around_the_point():
    found = sample_patch(with_patch(300, 200), POINTS, 1.0)
    assert np.allclose(found[:, 0], [0.2, 0.8, 0.2], atol=0.01) and np.allclose(found[:, 1], 0, atol=0.01)
    edge = sample_patch(with_patch(300 + 12, 200), POINTS, 1.0)[1]
    assert 0.3 < edge[0] < 0.7 and edge[1] > 0.2


def test_a_grey_copy_of_half_the_size_says_the_same():
    small = with_patch(300, 200)[::2, ::2].copy()
    assert np.allclose(sample_patch(small, POINTS, 0.5), sample_patch(with_patch(300, 200), POINTS, 1.0), atol=0.05)


@pytest.mark.parametrize("point", [(-5, 10), (640, 10), (10, 480), (1e30, 0), (np.nan, 3)])
def test_outside_there_is_nothing_to_see(point):
    found = sample_patch(WALL, np.array([point, (320, 240)], "f4"), 1.0)
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_a_memory_follows_slow_changes_and_outlives_a_board():
    memory = np.array([[0.2, 0.0]], "f4")
    for _ in range(60):
        slow = remember(memory, memory + 0.01, 1 / 30)
        memory = remember(memory, np.array([[0.3, 0.0]], "f4"), 1 / 30)
    assert slow[0, 0] > 0.2 and memory[0, 0] == pytest.approx(0.3, abs=0.01)
    for _ in range(30):
        memory = remember(memory, np.array([[0.9, 0.0]], "f4"), 1 / 30)
    assert memory[0, 0] < 0.35


def test_what_was_not_seen_leaves_the_memory_and_the_first_look_begins_one():
    memory, nothing = np.array([[0.2, 0.1]], "f4"), np.full((1, 2), np.nan, "f4")
    assert np.array_equal(remember(memory, nothing, 0.1), memory)
    assert np.array_equal(remember(nothing, memory, 0.1), memory)
    assert remember(None, memory, 0.1) is memory and remember(memory, None, 0.1) is memory


def test_the_cue_tells_a_covered_joint_from_the_others():
    covered = BLAZEPOSE_33.index("left_wrist")
    here = seen()
    x, y = here.xy[covered].astype(int)
    _, past = joint_features(None, replaced(here, sample_patch(WALL, here.xy, 1.0)), None, 0.0, BLAZEPOSE_33)
    row, _ = joint_features(
        past, replaced(here, sample_patch(with_patch(x, y, 4), here.xy, 1.0)), None, 1 / 30, BLAZEPOSE_33
    )
    tone, known = row[:, FEATURES.index("tone")], row[:, FEATURES.index("look_known")]
    assert tone.argmax() == covered and tone[covered] > 1 and known.all()
    blind, _ = joint_features(past, here, None, 1 / 30, BLAZEPOSE_33)
    assert not blind[:, FEATURES.index("look_known")].any()


def replaced(here, patch):
    return replace(here, look=patch)


def test_mean_and_deviation_are_numpys_own():
    xy = np.random.default_rng(0).random((33, 2), np.float32) * 300 + 20
    look, values = sample_patch(WALL, xy, 1.0), np.random.default_rng(1).random((33, 25), np.float32)
    found = np.empty((33, 2), np.float32)
    mean_and_deviation(values.copy(), found)
    assert np.array_equal(found, np.stack([values.mean(1), values.std(1)], 1))
    assert np.isfinite(look).all() and (look[:, 0] <= 1).all()
