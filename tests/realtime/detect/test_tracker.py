"""Ids stay through crossings and short absences, and are never given twice."""

import time
from itertools import permutations

import numpy as np
import pytest

from realtime.detect.assignment import assignment
from realtime.detect.mediapipe_detector import Detection
from realtime.detect.tracker import Tracker
from realtime.wire.messages import Stamp

FRAME_NS = 33_333_333
BODY = np.random.default_rng(7).uniform((-40, -150), (40, 150), (33, 2)).astype("f4")


def person(x, y=240.0, score=0.9, size=1.0):
    world = np.zeros((33, 3), "f4")
    return Detection((BODY * size + (x, y)).astype("f4"), np.full(33, score, "f4"), np.full(33, score, "f4"), world)


def stamp(frame, stream=1):
    return Stamp("cam0", stream, frame, 10**9 + frame * FRAME_NS, 0)


def run(frames, max_people=4, **options):
    tracker = Tracker(max_people, first_id=1, **options)
    return [tracker.update(people, stamp(i), 640, 480).people for i, people in enumerate(frames)]


def test_a_person_keeps_the_id_while_walking():
    answers = run([[person(100 + 6 * i)] for i in range(60)])
    assert {p.id for people in answers for p in people} == {1}


@pytest.mark.parametrize("merged", [0, 4, 12], ids=lambda n: f"seen as one for {n} frames")
def test_two_people_cross_and_keep_their_ids(merged):
    """While one covers the other the detector may find only one of them."""
    frames = []
    for i in range(60):
        both = [person(100 + 7 * i), person(520 - 7 * i, y=250)]
        hidden = abs(i - 30) < merged / 2
        frames.append(both[1:] if hidden else both[:: 1 if i % 2 else -1])
    answers = run(frames)
    first, last = answers[5], answers[-1]
    side = {p.id: p.xy[:, 0].mean() < 300 for p in first}
    assert {p.id: p.xy[:, 0].mean() > 300 for p in last} == side
    assert {p.id for people in answers for p in people} == {1, 2}


def test_lost_person_stays_with_score_zero_then_goes():
    frames = [[person(200)]] * 10 + [[]] * 90
    answers = run(frames, lost_s=2.5)
    lost = [people for people in answers[10:] if people]
    assert len(lost) == 75  # 2.5 s at 30 Hz
    for people in lost:
        assert not people[0].score.any() and not people[0].presence.any()
        assert np.array_equal(people[0].xy, person(200).xy)


def test_returns_within_a_second_under_the_old_id_and_after_the_end_under_a_new_one():
    frames = [[person(200)]] * 10 + [[]] * 30 + [[person(215)]] * 5 + [[]] * 90 + [[person(215)]]
    answers = run(frames)
    assert answers[44][0].id == answers[0][0].id == 1
    assert answers[-1][0].id == 2


def test_a_detection_of_one_frame_leaves_no_ghost():
    answers = run([[person(200)], [person(200), person(450)], [person(200)], [person(200)]])
    assert [len(people) for people in answers] == [1, 2, 1, 1]


def test_beside_somebody_known_a_detection_of_a_frame_or_two_is_nobody():
    known = [person(200)]
    answers = run([known] * 3 + [[*known, person(450)]] * 2 + [known] + [[*known, person(450)]] * 12 + [known] * 2)
    assert [len(people) for people in answers] == [1] * 15 + [2] * 5  # from the tenth time on


def test_a_jump_across_the_picture_is_another_person():
    answers = run([[person(100)]] * 10 + [[person(560)]] * 5)
    assert [p.id for p in answers[-1] if p.score.any()] == [2]


def test_never_more_people_than_asked_and_the_longest_lost_goes_first():
    answers = run([[person(100)]] * 10 + [[person(560)]] * 5, max_people=1)
    assert [[p.id for p in people] for people in answers[9:11]] == [[1], [2]]


def test_one_person_found_twice_is_one():
    answers = run([[person(200), person(203, score=0.6)]] * 3)
    assert [len(people) for people in answers] == [1, 1, 1]


def test_a_new_stream_forgets_people_but_not_ids():
    tracker = Tracker(4, first_id=1)
    tracker.update([person(200)], stamp(0, stream=1), 640, 480)
    people = tracker.update([person(200)], stamp(1, stream=2), 640, 480).people
    assert [p.id for p in people] == [2]


def test_ids_do_not_return_after_a_restart(monkeypatch):
    """A restarted tracker counts on from milliseconds since boot; a burst of people cannot outrun it."""
    before = Tracker(16).update([person(60 * i, size=0.3) for i in range(10)], stamp(0), 640, 480).people
    restarted = time.monotonic_ns() + 20_000_000  # a restart of a process takes far longer
    monkeypatch.setattr(time, "monotonic_ns", lambda: restarted)
    after = Tracker(16).update([person(100)], stamp(1), 640, 480).people
    assert after[0].id > max(p.id for p in before)


def test_keypoints_that_are_not_finite_have_score_zero():
    broken = person(200)
    broken.xy[3], broken.score[5] = np.nan, np.inf
    (answer,) = Tracker(1).update([broken], stamp(0), 640, 480).people
    assert np.isfinite(answer.xy).all() and np.isfinite(answer.score).all()
    assert answer.score[3] == answer.score[5] == 0 < answer.score[4]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 5), (5, 2), (4, 4), (5, 5)])
def test_assignment_is_the_cheapest_of_all(rows, columns):
    rng = np.random.default_rng(rows * 10 + columns)
    for _ in range(20):
        cost = rng.integers(0, 9, (rows, columns)).astype(float)
        small, large = min(cost.shape), max(cost.shape)
        wide = cost if rows <= columns else cost.T
        best = min(sum(wide[i, p[i]] for i in range(small)) for p in permutations(range(large), small))
        pairs = assignment(cost)
        assert len(pairs) == small == len({r for r, _ in pairs}) == len({c for _, c in pairs})
        assert sum(cost[r, c] for r, c in pairs) == best


def test_a_first_glimpse_and_who_follows_have_one_id():
    """A single frame somewhere else, then the person: one id, so one file when it is exported."""
    frames = [[person(500, size=0.5)], [], [], *([[person(200)]] * 30)]
    assert {p.id for people in run(frames) for p in people} == {1}


def test_who_joins_for_fewer_than_ten_frames_is_never_told():
    frames = [[person(100)]] * 20 + [[person(100), person(400)]] * 9 + [[person(100)]] * 90
    assert {p.id for people in run(frames) for p in people} == {1}


def test_a_doubled_and_flickering_scene_has_an_id_for_each_person_and_none_else():
    """Made-up tracks: a walker behind posts, doubled now and then, a second one who enters, passing false finds."""
    draw, frames = np.random.default_rng(0), []
    for i in range(230):
        people = [] if i % 37 in (0, 1, 2) else [person(100 + 2 * i)]
        people += [person(104 + 2 * i, y=246)] * (i % 23 == 5)
        people += [person(600 - 2 * i, y=250)] * (i > 60)
        people += [person(*draw.uniform(0, 500, 2), score=0.6)] * (i % 41 == 7)
        frames.append(people)
    told = [p.id for people in run(frames, max_people=3) for p in people]
    assert len(set(told)) == 2 and min(told.count(i) for i in set(told)) >= 10
