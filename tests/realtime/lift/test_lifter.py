"""From keypoints to poses: honest states, finite numbers, the root, the person's height."""

from dataclasses import replace

import numpy as np
import pytest

from engines import open_engine
from engines.skeleton import BLAZEPOSE_33, H36M_17, mapping
from realtime.config.schema import CameraConfig, LiftConfig
from realtime.lift.camera_model import camera_model_for
from realtime.lift.lifter import Lifter
from realtime.occlude.rule_based import same_threshold
from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED, Keypoints2D, Person2D, Stamp

FRAME_NS = 33_333_333
WIDTH, HEIGHT = 640, 480
ROOT = np.array([0.2, 0.1, 3.0], np.float32)
WRIST = BLAZEPOSE_33.index("left_wrist")
POSE_WRIST = H36M_17.index("left_wrist")


def body() -> np.ndarray:
    """(33, 3) m: a standing person's points around the middle of the hips, camera axes."""
    rng = np.random.default_rng(3)
    points = rng.normal(0, 0.03, (33, 3))
    heights = {"eye": -0.66, "ear": -0.66, "nose": -0.62, "mouth": -0.57, "shoulder": -0.48, "elbow": -0.2,
               "wrist": 0.02, "pinky": 0.08, "index": 0.1, "thumb": 0.05, "hip": 0.0, "knee": 0.42, "ankle": 0.84,
               "heel": 0.88, "foot": 0.9}  # fmt: skip
    for i, name in enumerate(BLAZEPOSE_33.joints):
        points[i, 1] += next(v for k, v in heights.items() if k in name)
        points[i, 0] += 0.18 * (("left" in name) - ("right" in name)) if "eye" not in name else 0
    return points.astype(np.float32)


def lifter(camera: CameraConfig | None = None, **lift) -> Lifter:
    engine = open_engine("hold", "cpu", 4)
    return Lifter(engine, LiftConfig(**lift), camera or CameraConfig(), "learned")


def seen(i: int, hidden=(), ids=(1,), stream=1, shift=0.0, camera=None) -> Keypoints2D:
    points = body() + ROOT + np.array([shift, 0, 0], np.float32)
    xy = camera_model_for(camera or CameraConfig(), WIDTH, HEIGHT).pixels(points)
    reliability = np.ones(33, np.float32)
    reliability[list(hidden)] = 0.0
    score = np.ones(33, np.float32)
    people = tuple(Person2D(k, xy, score, score, body(), None, reliability) for k in ids)
    return Keypoints2D(Stamp("cam0", stream, i, 1 + i * FRAME_NS, 0), WIDTH, HEIGHT, people)


def one(poses):
    (pose,) = poses
    return pose


def test_the_pose_of_an_open_person_is_the_detectors_own():
    made = lifter()
    for i in range(10):
        pose = one(made.lift(seen(i)))
    truth = mapping("blazepose33", "h36m17") @ body()
    person = pose.people[0]
    assert pose.status == "OK" and person.status == "TRACKED" and (person.state == OBSERVED).all()
    ray = ROOT / np.linalg.norm(ROOT)
    turned = np.linalg.norm(person.xyz - (truth - truth[0]), axis=1).max()
    assert turned < 2 * np.arccos(ray[2]) * 1.0  # seen along the ray: turned by no more than its angle
    assert person.root_cam == pytest.approx(ROOT, abs=0.15) and not person.metric


def test_f1_nobody_is_an_answer():
    pose = one(lifter().lift(seen(0, ids=())))
    assert pose.status == "NO_PERSON" and pose.people == ()


def test_f2_a_hidden_joint_is_inferred_then_held_then_absent_and_comes_back_at_once():
    made, found = lifter(), {}
    for i in range(100):
        hidden = (WRIST,) if 10 <= i < 90 else ()
        person = one(made.lift(seen(i, hidden))).people[0]
        found[i] = int(person.state[POSE_WRIST])
        if i == 30:
            assert person.sigma[POSE_WRIST] > 1.5 * person.sigma[POSE_WRIST - 1]
            assert person.age_ms[POSE_WRIST] == pytest.approx(21 * FRAME_NS / 1e6, rel=1e-3)
    assert [found[i] for i in (9, 10, 38, 41, 68, 71, 89, 90)] == [
        OBSERVED, INFERRED, INFERRED, HELD, HELD, ABSENT, ABSENT, OBSERVED,
    ]  # fmt: skip


def test_f2_a_person_of_whom_nothing_is_seen_is_occluded_not_gone():
    made = lifter()
    one(made.lift(seen(0)))
    person = one(made.lift(seen(1, range(33)))).people[0]
    assert person.status == "OCCLUDED" and (person.state == INFERRED).all()
    assert np.isfinite(person.xyz).all() and person.root_cam is not None


def test_f3_not_a_number_in_the_keypoints_never_leaves_and_is_forgotten_by_the_next_frame():
    made, clean = lifter(), lifter()
    for i in range(20):
        message = seen(i)
        if i == 10:
            p = message.people[0]
            bad = p.xy.copy()
            bad[WRIST] = np.nan
            world = p.world.copy()
            world[WRIST] = np.inf
            broken = Person2D(p.id, bad, p.score, p.presence, world, None, p.reliability)
            person = one(made.lift(Keypoints2D(message.stamp, WIDTH, HEIGHT, (broken,)))).people[0]
            assert person.state[POSE_WRIST] == INFERRED
            for values in (person.xyz, person.sigma, person.xy, person.age_ms, person.reliability, person.root_cam):
                assert np.isfinite(values).all()
        else:
            person = one(made.lift(message)).people[0]
        reference = one(clean.lift(seen(i))).people[0]
    assert (person.state == OBSERVED).all()
    assert np.abs(person.xyz - reference.xyz).max() < 1e-4


def test_f5_a_long_gap_and_a_new_stream_forget_the_state():
    made = lifter()
    for i in range(5):
        one(made.lift(seen(i)))
    hidden = one(made.lift(seen(100, (WRIST,)))).people[0]
    again = one(made.lift(seen(101, (WRIST,), stream=2))).people[0]
    assert again.state[POSE_WRIST] == ABSENT  # never seen in this stream
    assert hidden.state[POSE_WRIST] == ABSENT  # 3 s ago


def test_f7_a_limb_three_times_too_long_for_one_frame_is_inferred_and_its_reliability_says_so():
    made = lifter()
    for i in range(10):
        one(made.lift(seen(i)))
    message = seen(10)
    p = message.people[0]
    xy = p.xy.copy()
    elbow = BLAZEPOSE_33.index("left_elbow")
    xy[WRIST] = xy[elbow] + 3 * (xy[WRIST] - xy[elbow])
    person = one(
        made.lift(
            Keypoints2D(
                message.stamp, WIDTH, HEIGHT, (Person2D(1, xy, p.score, p.presence, p.world, None, p.reliability),)
            )
        )
    ).people[0]
    assert person.state[POSE_WRIST] == INFERRED and person.reliability[POSE_WRIST] < 0.5
    assert one(made.lift(seen(11))).people[0].state[POSE_WRIST] == OBSERVED


def test_several_people_do_not_disturb_each_other():
    alone, together = lifter(), lifter()
    for i in range(20):
        single = one(alone.lift(seen(i))).people[0]
        pair = one(together.lift(seen(i, ids=(4, 1) if i > 5 else (1,)))).people
        same = next(p for p in pair if p.id == 1)
        assert np.abs(single.xyz - same.xyz).max() < 1e-5


def test_what_is_done_beforehand_changes_no_answer():
    rests, works = lifter(), lifter()
    for i in range(30):
        hidden = (WRIST,) if 10 < i < 20 else ()
        message = seen(i, hidden, ids=(1, 2) if i > 3 else (1,), shift=0.5 if i == 7 else 0.02 * i)
        expected, found = one(works.lift(message)), one(rests.lift(message))
        rests.rest()
        for a, b in zip(expected.people, found.people, strict=True):
            assert a.xyz.tobytes() == b.xyz.tobytes() and a.reliability.tobytes() == b.reliability.tobytes()
            assert a.state.tobytes() == b.state.tobytes()
    resized = replace(seen(30), width=WIDTH * 2)  # another camera model: what was expected of the first one is void
    assert one(works.lift(resized)).people[0].xyz.tobytes() == one(rests.lift(resized)).people[0].xyz.tobytes()


def test_a_given_height_scales_the_person_and_with_intrinsics_makes_him_metric():
    camera = CameraConfig(fov_deg=60.0, height_m=1.2)
    made = lifter(camera)
    person = one(made.lift(seen(0, camera=camera))).people[0]
    plain = one(lifter().lift(seen(0))).people[0]
    legs = [np.linalg.norm(p.xyz[3] - p.xyz[2]) for p in (person, plain)]
    assert person.metric and legs[0] < 0.85 * legs[1]


def test_what_is_hidden_is_shown_where_the_pose_puts_it():
    made = lifter()
    for i in range(5):
        one(made.lift(seen(i)))
    message = seen(5, (WRIST,))
    message.people[0].xy[WRIST] += 200
    shown = one(made.lift(message)).people[0].xy[POSE_WRIST]
    assert np.linalg.norm(shown - seen(5).people[0].xy[WRIST]) < 60


def test_thresholds_of_different_sources_meet():
    bent = same_threshold(np.array([0, 0.15, 0.3, 0.65, 1], np.float32), 0.3, 0.5)
    assert bent == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_an_engine_that_answers_nonsense_ends_the_stage():
    made = lifter()
    made.engine.run = lambda *a, **k: {
        "xyz": np.full((4, 17, 3), np.nan, np.float32),
        "log_sigma": np.zeros((4, 17), np.float32),
    }
    with pytest.raises(FloatingPointError, match="hold"):
        made.lift(seen(0))
