"""The bench of cues counts right, and its boards hide what its labels say."""

import numpy as np

from realtime.detect.mediapipe_detector import Detection
from tests.support.fakes.detector import STANDING
from tests.support.feature_bench.bench import auc, evaluate
from tests.support.feature_bench.occluded_clips import Labelled, _cover
from tests.support.texture import cloth


def test_auc_of_perfect_reversed_blind_and_tied_scores():
    hidden = np.array([True, True, False, False])
    assert auc(np.array([0.1, 0.2, 0.8, 0.9]), hidden) == 1
    assert auc(np.array([0.9, 0.8, 0.2, 0.1]), hidden) == 0
    assert auc(np.array([0.5, 0.5, 0.5, 0.5]), hidden) == 0.5
    assert auc(np.array([0.1, 0.8, 0.2, 0.9]), hidden) == 0.75


def clip(count=80):
    image = np.repeat(cloth(0, 640, 480)[:, :, None], 3, 2)
    sure = np.full(33, 0.9, np.float32)
    found = [
        Detection((STANDING * 240 + (250 + i, 250)).astype("f4"), sure, sure, np.zeros((33, 3), "f4"))
        for i in range(count)
    ]
    return [image] * count, found


def test_exactly_the_joints_under_a_board_are_labelled_hidden():
    images, found = clip()
    covered, hidden = _cover(images, found, np.random.default_rng(3))
    assert 0.02 < hidden.mean() < 0.5
    changed = np.array([
        [(a[y, x] != b[y, x]).any() for x, y in one.xy.astype(int)] for a, b, one in zip(images, covered, found)
    ])  # fmt: skip
    assert (changed == hidden).mean() > 0.98


def test_a_detector_that_knows_what_is_hidden_scores_one():
    images, found = clip(40)
    hidden = np.random.default_rng(1).random((40, 33)) < 0.2
    knowing = [Detection(d.xy, np.where(h, 0.1, 0.9).astype("f4"), d.presence, d.world) for d, h in zip(found, hidden)]
    labelled = Labelled("test", (640, 480), images, knowing, hidden, np.ones_like(hidden))
    row = evaluate([labelled], "")["visibility, low-pass undone"]
    assert row == {"auc": 1.0, "caught": 1.0, "false": 0.0}
