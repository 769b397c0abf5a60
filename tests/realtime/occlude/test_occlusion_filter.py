"""The filter over a stream of pictures: hidden joints lose their reliability, lost pixels and people are survived."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.skeleton import COCO_17
from realtime.config.schema import CueConfig, OcclusionConfig
from realtime.detect.tracker import Tracker
from realtime.occlude import occlusion_filter
from realtime.occlude.occlusion_filter import OcclusionFilter, open_filter
from realtime.occlude.optical_flow import trace
from realtime.occlude.rule_based import same_threshold
from realtime.wire.messages import Keypoints2D, Person2D, Stamp
from tests.replay import clip
from tests.replay.clip import SIZE
from tests.support.fakes.detector import STANDING
from tests.support.texture import cloth

FRAME_NS = 33_333_333
BACKGROUND, BODY, BOARD = cloth(1, 640, 480), cloth(2, 640, 480), cloth(3, 640, 480)
KNEE = 25


def speed(i):
    """px since the start: walks to and fro."""
    return 40 * np.sin(i / 5)


def keypoints(i):
    return (STANDING * 240 + (300 + speed(i), 250)).astype(np.float32)


def picture(i, board=False):
    """A cloth in the shape of a person, moving with the keypoints; the board hangs before a knee and stays."""
    image = BACKGROUND.copy()
    shape = cv2.fillPoly(np.zeros_like(image), [cv2.convexHull(keypoints(i)).astype(np.int32)], 1)
    shifted = np.roll(BODY, round(speed(i)), axis=1)
    image[shape == 1] = shifted[shape == 1]
    if board:
        x, y = (STANDING[KNEE] * 240 + (300, 250)).astype(int)
        image[y - 40 : y + 40, x - 70 : x + 70] = BOARD[y - 40 : y + 40, x - 70 : x + 70]
    return image


def found(i, stream=1, score=0.95, xy=None, ids=(7,)):
    sure = np.full(33, score, np.float32)
    where = keypoints(i) if xy is None else xy
    people = tuple(Person2D(n, where, sure, np.full(33, 0.99, np.float32)) for n in ids)
    return Keypoints2D(Stamp("cam0", stream, i, 10**9 + i * FRAME_NS, 0), 640, 480, people)


def run(count=20, board=False, **options):
    occlusion = OcclusionFilter(OcclusionConfig(**options))
    return occlusion, [occlusion.update(found(i), picture(i, board), 1.0).people[0] for i in range(count)]


def test_a_joint_whose_pixels_stay_behind_is_doubted():
    """The detector walks on behind the board; the board's pixels do not."""
    _, hidden = run(board=True, sigma=0.02)
    _, open_ = run(sigma=0.02)
    moving = [i for i in range(2, 20) if abs(speed(i) - speed(i - 1)) > 4]
    assert np.mean([hidden[i].flow[KNEE] for i in moving]) > 4 * np.mean([open_[i].flow[KNEE] for i in moving])
    assert np.mean([hidden[i].reliability[KNEE] for i in moving]) < 0.75
    assert np.mean([open_[i].reliability[KNEE] for i in moving]) > 0.85


def test_first_frame_has_no_flow_and_later_ones_do():
    _, people = run(3)
    assert (people[0].flow == -1).all() and np.allclose(
        people[0].reliability, same_threshold(np.float32(0.95 * 0.99), 0.3, 0.5)
    )
    assert (people[1].flow >= 0).all() and (people[2].flow >= 0).all()


def test_frames_whose_pixels_were_lost_are_counted_and_answered():
    occlusion = OcclusionFilter(OcclusionConfig())
    answers = [occlusion.update(found(i), None if i == 3 else picture(i), 1.0).people[0] for i in range(6)]
    known = [bool((one.flow >= 0).all()) for one in answers]
    assert known == [False, True, True, False, False, True]
    assert occlusion.without_flow == 2
    assert all(one.reliability.min() > 0.5 for one in answers)


def test_a_small_grey_picture_gives_the_same_residuals():
    whole, half = OcclusionFilter(OcclusionConfig()), OcclusionFilter(OcclusionConfig())
    for i in range(5):
        big = cv2.resize(picture(i), None, fx=2, fy=2)
        one = whole.update(found(i), picture(i), 1.0).people[0]
        twice = replace(found(i, xy=keypoints(i) * 2), width=1280, height=960)
        two = half.update(twice, cv2.resize(big, (640, 480), interpolation=cv2.INTER_AREA), 0.5).people[0]
    assert np.median(np.abs(one.flow - two.flow)) < 0.01


def test_a_lost_person_has_no_reliability_and_starts_without_flow():
    occlusion = OcclusionFilter(OcclusionConfig())
    answers = []
    for i in range(8):
        told = found(i, score=0.0 if 3 <= i < 6 else 0.95)
        answers.append(occlusion.update(told, picture(i), 1.0).people[0])
    assert not any(one.reliability.any() for one in answers[3:6])
    assert (answers[6].flow == -1).all() and answers[6].reliability.min() > 0.5
    assert (answers[7].flow >= 0).all()


@pytest.mark.parametrize("change", ["stream", "id", "gap"])
def test_another_stream_person_or_time_is_not_continued(change):
    occlusion = OcclusionFilter(OcclusionConfig())
    occlusion.update(found(0), picture(0), 1.0)
    other = {"stream": found(1, stream=2), "id": found(1, ids=(8,)), "gap": found(10)}[change]
    assert (occlusion.update(other, picture(1), 1.0).people[0].flow == -1).all()


def test_several_people_are_told_apart():
    occlusion = OcclusionFilter(OcclusionConfig())
    for i in range(4):
        near, far = keypoints(i), (STANDING * 100 + (80, 350)).astype(np.float32)
        told = found(i, ids=(7, 8))
        people = (told.people[0], replace(told.people[1], xy=far + (25 * (i % 2), 0)))
        near_answer, far_answer = occlusion.update(replace(told, people=people), picture(i), 1.0).people
    assert np.array_equal(near_answer.xy, near) and np.median(near_answer.flow) < 0.02 < np.median(far_answer.flow)


def test_exchanged_legs_are_put_right_or_left_as_configured():
    order = np.arange(33)
    order[23:] = order[23:].reshape(-1, 2)[:, ::-1].ravel()
    for swap in (True, False):
        occlusion = OcclusionFilter(OcclusionConfig(cues=CueConfig(swap=swap)))
        for i in range(6):
            told = found(i, xy=keypoints(i)[order] if i == 5 else None)
            answer = occlusion.update(told, picture(i), 1.0).people[0]
        assert np.array_equal(answer.xy, keypoints(5) if swap else keypoints(5)[order])


def test_values_that_are_not_finite_lose_their_reliability_alone():
    occlusion = OcclusionFilter(OcclusionConfig())
    for i in range(4):
        told = found(i)
        if i == 2:
            told.people[0].xy[4], told.people[0].score[5], told.people[0].presence[6] = np.nan, np.inf, np.nan
        answer = occlusion.update(told, picture(i), 1.0).people[0]
        assert np.isfinite(answer.xy).all() and np.isfinite(answer.flow).all() and np.isfinite(answer.reliability).all()
        assert (answer.reliability[[4, 5, 6]] == 0).all() == (i == 2)
        assert answer.reliability[7:].min() > 0.5


def test_joints_of_another_detector_are_refused_with_both_named():
    occlusion = open_filter(OcclusionConfig(engine=""), people=1, joints=COCO_17)
    with pytest.raises(ValueError, match=r"33 joints.*coco17"):
        occlusion.update(found(0), picture(0), 1.0)


def two_filters(clip):
    """The same clip for two filters: (moment, its keypoints, filter to be told ahead, plain filter)."""
    told, plain = (open_filter(OcclusionConfig(engine=""), 1) for _ in range(2))
    tracker = Tracker(1, 2.5, 1)
    for moment in clip:
        yield moment, tracker.update(moment.people, moment.stamp, *SIZE), told, plain


def test_flow_traced_ahead_changes_no_answer_and_is_not_traced_again(monkeypatch):
    traced = []
    monkeypatch.setattr(occlusion_filter, "trace", lambda *a: traced.append(1) or trace(*a))
    for number, (moment, found, told, plain) in enumerate(two_filters(clip.load()[:20])):
        told.prepare(moment.stamp, moment.grey, clip.SCALE)
        assert len(traced) == min(number, 1)
        a, b = (one.update(found, moment.grey, clip.SCALE).people[0] for one in (told, plain))
        assert np.array_equal(a.reliability, b.reliability)
        assert np.array_equal(a.flow, b.flow)
        assert len(traced) == (2 if number else 0)  # once ahead, once by the other filter
        traced.clear()


def test_what_was_traced_into_another_frame_is_not_used():
    moments = clip.load()[:15]
    for (moment, found, told, plain), other in zip(two_filters(moments[:12]), moments[3:]):
        told.prepare(other.stamp, other.grey, clip.SCALE)
        a, b = (one.update(found, moment.grey, clip.SCALE).people[0] for one in (told, plain))
        assert np.array_equal(a.flow, b.flow)
