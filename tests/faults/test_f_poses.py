"""Faults of poses: F1-F9, injected before the cores of tracking, occlusion filter and lifter.

Pictures and detections are of a recorded clip (tests/replay); F1 and the order of frames go through the real detector
and the real stage.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.config.schema import DetectorConfig, RunConfig
from realtime.detect.mediapipe_detector import Detection, open_detector
from realtime.detect.tracker import Tracker
from realtime.lift import stage as lift_stage
from realtime.occlude.occlusion_filter import open_filter
from realtime.supervise.stage_runner import Context
from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED, Pose3D
from tests.replay.clip import GOLDEN, Moment, answers, compare, load, open_lifter, table, there_and_back

FRAME_MS = 1000 / 30
CLIP = load()
ARM = [BLAZEPOSE_33.index(f"left_{part}") for part in ("elbow", "wrist", "pinky", "index", "thumb")]
ELBOW, WRIST = H36M_17.index("left_elbow"), H36M_17.index("left_wrist")
STILL = CLIP[20]  # a frame in which everything but the far arm is seen


def surely(detection, hidden=()):
    """As if the detector were sure of all joints but the hidden ones."""
    score = np.full(33, 0.99, np.float32)
    score[list(hidden)] = 0.0
    return replace(detection, score=score, presence=np.full(33, 0.99, np.float32))


def walk(count, hidden=lambda i: (), nobody=lambda i: False, pictures=False):
    """The recorded man for `count` frames, seen as told."""
    moments = []
    for m in there_and_back(CLIP, count):
        people = [] if nobody(m.i) else [surely(m.people[0], hidden(m.i))]
        moments.append(replace(m, people=people, grey=m.grey if pictures else None))
    return moments


def finite(pose):
    for p in pose.people:
        for values in (p.xyz, p.sigma, p.age_ms, p.reliability, p.xy, *(() if p.root_cam is None else (p.root_cam,))):
            assert np.isfinite(values).all()
    return True


@pytest.mark.mediapipe
def test_f1_black_frames_are_answered_with_nobody_at_frame_rate():
    detector = open_detector(DetectorConfig())
    black = np.zeros((240, 320, 3), np.uint8)
    moments = [Moment(i, black[:, :, 0], detector.detect(black, round(i * FRAME_MS))) for i in range(15)]
    detector.close()
    poses = answers(moments)
    assert [p.stamp.seq for p in poses] == list(range(15))
    assert all(p.status == "NO_PERSON" and p.people == () for p in poses)


def test_f1_who_leaves_is_nobody_after_the_tracks_end():
    poses = answers(walk(120, nobody=lambda i: i >= 20))
    status = [p.status for p in poses]
    assert len(status) == 120
    assert status[:95] == ["OK"] * 95 and status[96:] == ["NO_PERSON"] * 24  # 2.5 s after frame 19


def test_f2_hidden_joints_age_through_all_states_and_return():
    poses = answers(walk(150, hidden=lambda i: ARM if 20 <= i < 110 else ()))
    for i, pose in enumerate(poses):
        person = pose.people[0]
        unseen_ms = (i - 19) * FRAME_MS
        if 20 <= i < 110:
            expected = INFERRED if unseen_ms < 990 else HELD if 1040 < unseen_ms < 1990 else ABSENT
            sure = not (990 <= unseen_ms <= 1040 or 1990 <= unseen_ms <= 2040)
            assert not sure or {int(person.state[WRIST]), int(person.state[ELBOW])} == {expected}
            assert person.age_ms[WRIST] == pytest.approx(unseen_ms, abs=1)
        assert person.status == "TRACKED" and finite(pose)
    back = [i for i in range(110, 150) if poses[i].people[0].state[WRIST] == OBSERVED]
    assert back[0] - 110 <= 15  # half a second
    others = [H36M_17.index(name) for name in ("right_knee", "thorax", "nose")]
    assert all((p.people[0].state[others] == OBSERVED).all() for p in poses[1:])


def test_f2_a_person_hidden_as_a_whole_is_occluded_and_comes_back_as_himself():
    poses = answers(walk(110, nobody=lambda i: 20 <= i < 90))
    for i, pose in enumerate(poses):
        (person,) = pose.people
        unseen_ms = (i - 19) * FRAME_MS
        if 20 <= i < 90:
            assert person.status == "OCCLUDED" and (person.state != OBSERVED).all()
        for state, low, high in ((INFERRED, 0, 990), (HELD, 1040, 1990), (ABSENT, 2040, 2400)):
            if 20 <= i < 90 and low < unseen_ms < high:
                assert (person.state == state).all()
    assert len({pose.people[0].id for pose in poses}) == 1
    back = np.array([pose.people[0].state for pose in poses[90:106]]) == OBSERVED  # half a second
    assert back.any(0).all() and poses[105].people[0].status == "TRACKED"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_f3_what_is_not_finite_never_leaves_and_the_next_frame_is_normal(bad):
    clean, broken = walk(40, pictures=True), walk(40, pictures=True)
    one = broken[20].people[0]
    xy, score, presence, world = (v.copy() for v in (one.xy, one.score, one.presence, one.world))
    xy[WRIST_33], score[3], presence[5], world[26] = bad, bad, bad, bad
    broken[20] = replace(broken[20], people=[Detection(xy, score, presence, world)])
    expected, found = answers(clean), answers(broken)
    assert all(finite(pose) for pose in found) and len(found) == 40
    assert found[20].people[0].state[WRIST] != OBSERVED
    for i in (22, 30):
        assert np.abs(found[i].people[0].xyz - expected[i].people[0].xyz).max() < 0.02
        assert np.array_equal(found[i].people[0].state, expected[i].people[0].state)


def test_f3_the_learned_reliability_believes_nothing_that_is_not_finite():
    broken = walk(40, pictures=True)
    one = broken[20].people[0]
    xy, world = one.xy.copy(), one.world.copy()
    xy[WRIST_33], world[26] = np.nan, np.inf
    broken[20] = replace(broken[20], people=[Detection(xy, one.score, one.presence, world)])
    found = answers(broken, reliability="reliability")
    assert all(finite(pose) for pose in found) and len(found) == 40
    assert found[20].people[0].state[WRIST] != OBSERVED


WRIST_33 = BLAZEPOSE_33.index("left_wrist")


def moved(moments, x, scale=1.0, first=0):
    """The same man elsewhere, at another size."""
    return [
        replace(m, i=first + k, grey=None, people=[replace(d, xy=d.xy * scale + np.float32([x, 0])) for d in m.people])
        for k, m in enumerate(moments)
    ]


def test_f4_two_clips_joined_are_two_people_and_the_second_starts_anew():
    first, second = walk(30), moved(walk(30), x=190, scale=0.6, first=30)
    joined, alone = answers([*first, *second]), answers(moved(walk(30), x=190, scale=0.6))
    assert joined[29].people[0].id != joined[30].people[0].id
    for old, new in zip(alone, joined[30:]):
        assert np.abs(old.people[0].xyz - new.people[0].xyz).max() < 1e-4
        assert np.array_equal(old.people[0].state, new.people[0].state)


def shifted(moments, scale, x):
    return [moved([m], x(m.i), scale, m.i)[0] for m in moments]


def test_f4_people_who_cross_keep_their_ids_and_nobody_teleports():
    """Both are found in every frame but the middle ones, where one covers the other; the order is arbitrary."""
    left, right = shifted(walk(60), 1.0, lambda i: 6 * i - 150), shifted(walk(60), 0.9, lambda i: 190 - 6 * i)
    moments = []
    for a, b in zip(left, right):
        both = [*b.people, *a.people] if a.i % 3 == 1 else [*a.people, *b.people]
        moments.append(replace(a, people=a.people if 28 <= a.i < 33 else both))
    poses = answers(moments, people=2, size=(640, 240))
    for moments_alone, id_ in ((left, 1), (right, 2)):
        track = [next(p for p in pose.people if p.id == id_) for pose in poses]
        alone = [pose.people[0] for pose in answers(moments_alone, size=(640, 240))]
        for i in (*range(28), *range(45, 60)):
            assert np.abs(track[i].xyz - alone[i].xyz).max() < 0.02, i
        where = np.array([p.xy[0, 0] for p in track])
        assert abs(np.diff(where)).max() < 60 and np.ptp(where) > 200
    assert {person.id for pose in poses for person in pose.people} == {1, 2}


@pytest.mark.parametrize("k", [1, 5])
def test_f5_a_short_gap_is_time_that_passed(k):
    """Ages count it, and the pose after it is that of the whole stream."""
    whole = walk(60, hidden=lambda i: ARM if i >= 20 else ())
    full, holed = answers(whole), answers(whole[:30] + whole[30 + k :])
    assert len(holed) == 60 - k
    after, expected = holed[30], full[30 + k]
    assert after.stamp == expected.stamp
    assert np.array_equal(after.people[0].age_ms, expected.people[0].age_ms)
    seen = expected.people[0].state == OBSERVED
    assert np.abs(after.people[0].xyz - expected.people[0].xyz)[seen].max() < 0.03


def test_f5_a_long_gap_starts_anew():
    whole = walk(110)
    after, fresh = answers(whole[:30] + whole[80:]), answers(whole[80:])
    for old, new in zip(after[30:], fresh):
        assert np.abs(old.people[0].xyz - new.people[0].xyz).max() < 1e-4


class Replayed:
    """The bus of a stage: a list in, a list out; the stage ends with the list."""

    def __init__(self, messages):
        self.messages, self.sent = list(messages), []
        self.stop = threading.Event()

    def latest(self, topic):
        return SimpleNamespace(get=lambda timeout_ms: self._next())

    def publisher(self, topic):
        return SimpleNamespace(send=self.sent.append)

    def _next(self):
        if not self.messages:
            self.stop.set()
            return None
        return self.messages.pop(0)


def through_the_lift_stage(messages):
    bus = Replayed(messages)
    nothing = lambda *a, **k: 0  # noqa: E731
    ctx = SimpleNamespace(
        bus=bus, stop=bus.stop, log=logging.getLogger("lift"), beat=nothing, ready=nothing, degraded=nothing,
        idle=nothing, set_info=nothing, answered=nothing,
    )  # fmt: skip
    ctx.messages = lambda topic: Context.messages(ctx, topic)
    ctx._messages = lambda reader, order: Context._messages(ctx, reader, order)
    lift_stage.run(ctx, open_lifter(RunConfig()))
    return [message for message in bus.sent if isinstance(message, Pose3D)]


def test_f6_duplicates_and_late_frames_are_ignored_and_counted(caplog):
    config = RunConfig()
    tracker, occlusion = Tracker(1, first_id=1), open_filter(config.occlusion, 1)
    found = [occlusion.update(tracker.update(m.people, m.stamp, 320, 240), None, 1.0) for m in walk(20)]
    shuffled = [*found[:8], found[7], found[9], found[8], *found[10:15], found[3], found[14], *found[15:]]
    with caplog.at_level(logging.WARNING):
        sent = through_the_lift_stage(shuffled)
    in_order = through_the_lift_stage([f for f in found if f.stamp.seq != 8])
    assert [p.stamp.seq for p in sent] == [p.stamp.seq for p in in_order]
    for one, other in zip(sent, in_order):
        assert np.array_equal(one.people[0].xyz, other.people[0].xyz)
    assert "frame 7 came twice or late and was ignored, 1 so far" in caplog.text


@pytest.mark.parametrize(("joint", "parent"), [("left_wrist", "left_elbow"), ("right_ankle", "right_knee")])
def test_f7_a_limb_three_times_too_long_is_never_passed_on_as_seen(joint, parent):
    moments = walk(40)
    one = moments[25].people[0]
    xy = one.xy.copy()
    at, start = BLAZEPOSE_33.index(joint), BLAZEPOSE_33.index(parent)
    direction = xy[at] - xy[start]
    bone = np.linalg.norm(moments[25].people[0].xy[at] - xy[start]) + 12  # a limb that points at the camera is short
    xy[at] = xy[start] + 3 * direction / np.linalg.norm(direction) * bone
    moments[25] = replace(moments[25], people=[replace(one, xy=xy)])
    states = [pose.people[0].state[H36M_17.index(joint)] for pose in answers(moments)]
    assert states[24] == OBSERVED and states[25] == INFERRED
    assert OBSERVED in states[26:29]


COORDINATE = st.one_of(st.floats(-1e5, 1e5, width=32), st.just(0.0), st.floats(-(2.0**100), 2.0**100, width=32))


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, (3, 33, 2), elements=COORDINATE),
    arrays(np.float32, (3, 33), elements=st.floats(-1, 2, width=32)),
    st.sampled_from([(320, 240), (0, 0), (0, 240), (1, 1), (320, 0)]),
)
def test_f8_any_coordinates_and_any_size_give_finite_poses(xy, score, size):
    moments = [Moment(i, None, [Detection(xy[i], score[i], score[i], None)]) for i in range(3)]
    moments.append(Moment(3, None, STILL.people))
    poses = answers(moments, size=size)
    assert len(poses) == 4 and all(finite(pose) for pose in poses)


def test_f8_a_box_without_size_and_joints_outside_are_masked():
    point = Detection(np.full((33, 2), 100, np.float32), *(np.full(33, 0.99, np.float32),) * 2, None)
    (pose,) = answers([Moment(0, None, [point])])
    assert finite(pose)
    outside = replace(surely(STILL.people[0]), xy=STILL.people[0].xy + np.float32([400, 0]))
    (pose,) = answers([Moment(0, None, [outside])])
    assert not pose.people[0].reliability.any() and (pose.people[0].state == ABSENT).all()


def golden():
    with np.load(GOLDEN) as data:
        return dict(data)


def test_f9_output_is_what_it_was():
    report = compare(golden(), answers(CLIP), H36M_17.joints)
    assert not report, "\n".join(["output changed (see tests/replay/clip.py):", *report])


def test_f9_the_report_names_the_joint_that_changed_and_nothing_else():
    poses = answers(CLIP)
    person = poses[33].people[0]
    xyz = person.xyz.copy()
    xyz[WRIST] += 0.02
    poses[33] = replace(poses[33], people=(replace(person, xyz=xyz),))
    (line,) = compare(table(answers(CLIP)), poses, H36M_17.joints)
    assert line.startswith("left_wrist") and "34.6 mm in frame 33" in line
