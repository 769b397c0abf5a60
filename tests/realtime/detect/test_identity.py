"""People are known again by their clothes and bones where place says nothing, or the wrong thing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.detect import tracker as tracker_module
from realtime.detect.matching import within_reach
from realtime.detect.mediapipe_detector import Detection
from realtime.detect.signature import difference, nothing_known, signature
from realtime.detect.tracker import Tracker
from realtime.wire.messages import Stamp
from tests.support.fakes.detector import STANDING

FRAME_NS = 33_333_333
RED, BLUE, GREEN = (40, 40, 200), (200, 60, 40), (50, 180, 60)  # BGR
WIDTH, HEIGHT = 960, 480


def person(x, y=250.0, bones=1.0, size=200.0):
    world = np.concatenate([STANDING * 1.7 * bones, np.zeros((33, 1))], 1).astype("f4")
    sure = np.full(33, 0.95, "f4")
    return Detection((STANDING * size + (x, y)).astype("f4"), sure, sure, world)


def picture(*clothed):
    """People in one colour from shoulders to knees, painted in order: the last one stands in front."""
    draw = np.random.default_rng(0)
    image = draw.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for detection, colour in clothed:
        corners = detection.xy[[11, 12, 26, 25]].astype(np.int32)
        cv2.fillConvexPoly(image, corners, colour)
    return image


def ids(frames, people=3, looked=True):
    """Of each frame: id -> middle of the person, of those who are seen; `frames` yields detections and a picture."""
    tracker, told = Tracker(people, first_id=1), []
    for seq, (found, image) in enumerate(frames):
        answer = tracker.update(
            found, Stamp("c", 1, seq, 10**9 + seq * FRAME_NS, 0), WIDTH, HEIGHT, image if looked else None
        )
        told.append({p.id: float(p.xy[:, 0].mean()) for p in answer.people if p.score.any()})
    return told


def meeting():
    """Red from the left, blue from the right, who stop where they meet, red before blue, and turn back.

    By place alone whoever was hidden is expected to have walked on, right to where the other one is found.
    """
    for i in range(120):
        near = min(i, 119 - i, 46)
        red, blue = person(200 + 6 * near), person(760 - 6 * near, y=255)
        image = picture((blue, BLUE), (red, RED))
        yield ([red] if 40 <= i < 81 else [red, blue] if i % 2 else [blue, red]), image


def test_two_who_meet_and_turn_back_keep_their_ids_by_their_clothes():
    told = ids(meeting())
    red = next(i for i, x in told[20].items() if x < 400)
    blue = next(i for i, x in told[20].items() if x > 500)
    assert told[-1][red] < 400 and told[-1][blue] > 500
    assert {i for frame in told for i in frame} == {red, blue}
    blind = ids(meeting(), looked=False)
    assert blind[20] == told[20] and blind[-1] != told[-1]


def passing():
    """The same, but they go on behind each other's back: who came from the left leaves to the right."""
    for i in range(90):
        red, blue = person(200 + 6 * i), person(760 - 6 * i, y=255)
        yield ([red] if 39 <= i < 55 else [red, blue]), picture((blue, BLUE), (red, RED))


def test_two_who_pass_each_other_keep_their_ids_too():
    told = ids(passing())
    red = next(i for i, x in told[20].items() if x < 400)
    assert told[-1][red] > 600 and len({i for frame in told for i in frame}) == 2


def comes_back(colour, bones=1.0, x=820.0):
    """Red walks and is lost for a second; somebody comes into view three body heights away."""
    for i in range(40):
        one = person(150 + 2 * i)
        yield [one], picture((one, RED))
    for _ in range(30):
        yield [], picture()
    for i in range(30):
        one = person(x - 2 * i, bones=bones)
        yield [one], picture((one, colour))


@pytest.mark.parametrize("people", [1, 3])
@pytest.mark.parametrize(
    ("colour", "bones", "known"),
    [(RED, 1.0, True), (BLUE, 1.0, False), (RED, 1.4, False)],
    ids=["same clothes", "other clothes", "same clothes, longer bones"],
)
def test_who_comes_back_elsewhere_is_known_again_by_clothes_and_bones(people, colour, bones, known):
    told = ids(comes_back(colour, bones), people)
    assert (set(told[-1]) == set(told[39])) == known
    assert len(told[-1]) == 1 and all(len(frame) <= 1 for frame in told)


def test_a_single_person_whom_the_detector_finds_elsewhere_at_once_is_known_again():
    """Between two looks: the new place is looked at in its first frame."""
    frames = [person(150)] * 40 + [person(560)] * 20
    told = ids([([one], picture((one, RED))) for one in frames], people=1)
    assert {i for frame in told for i in frame} == {1} and not told[40] and told[42]


def test_two_in_the_same_clothes_are_two():
    """Whoever is in view already is not taken for one who is lost, nor one of two who look alike for the other."""

    def frames():
        for i in range(120):
            lost = 40 <= i < 60
            red, other, third = person(150), person(450), person(820 - i)
            seen = [other] if lost else [red, other] if i < 40 else [other, third]
            yield seen, picture(*((one, RED) for one in seen))

    told = ids(frames())
    assert len(set(told[39]) & set(told[-1])) == 1 and len({i for frame in told for i in frame}) == 3


def test_without_a_picture_nobody_is_known_again():
    told = ids(comes_back(RED), looked=False)
    assert set(told[-1]) != set(told[39])


def test_somebody_alone_is_looked_at_now_and_then(monkeypatch):
    looks = []
    monkeypatch.setattr(tracker_module, "signature", lambda *a: looks.append(1) or signature(*a))
    ids([([person(200)], picture((person(200), RED)))] * 100)
    assert 10 <= len(looks) < 10 + 100 / 5


def test_what_is_not_in_the_picture_says_nothing():
    for off in ((-5000, 0), (0, 1e6), (-1e5, -1e5)):
        d = person(300)
        seen = signature(picture(), (d.xy + np.float32(off)).astype("f4"), d.score, None)
        assert not seen.count.any()
        assert difference(seen, nothing_known()) is None


def test_a_running_mean_settles_and_a_difference_counts_the_part_that_differs_most():
    d = person(300)
    red, blue = (signature(picture((d, c)), d.xy, d.score, d.world) for c in (RED, BLUE))
    mean = nothing_known()
    for _ in range(200):
        mean.add(red)
    assert difference(mean, red) == pytest.approx(0, abs=1e-6) and difference(red, blue) > 5
    mean.add(blue)
    assert difference(mean, red) < 2


def test_reach_grows_with_time():
    tracks = Tracker(1)
    lost, came = (tracks._start(person(x), ns) for x, ns in ((100, 10**9), (900, 10**9 + 10**8)))
    assert not within_reach(lost, came)
    came.first_ns += 10**9
    assert within_reach(lost, came) and not within_reach(came, lost)
