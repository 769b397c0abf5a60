"""Two calibrated cameras before one man: better than either, hidden joints recovered, one camera where it is alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.calibration.errors import CalibrationError
from realtime.fusion.fuser import FUSED, JUDGED_FRAMES, Fuser
from realtime.fusion.synchrony import FRAMES
from realtime.wire.messages import ABSENT, INFERRED, OBSERVED, Pose3D, Stamp, decode, encode
from tests.support.people.room import FPS, cameras, error_mm, man, person, pose

LEFT, RIGHT = cameras("left", "right")
ARM = ("right_elbow", "right_wrist")
LEG = ("left_knee", "left_ankle")


def stamp(t: float, seq: int) -> Stamp:
    return Stamp(FUSED, 1, seq, round(t * 1e9), round(t * 1e9))


def run(frames: int, of=lambda k, t, rng: {}, fuser: Fuser | None = None, seed: int = 0):
    """Frame by frame: moment, fused pose, truth.  `of` says what a frame has beside the man seen by both."""
    fuser, rng = fuser or Fuser([LEFT, RIGHT], H36M_17), np.random.default_rng(seed)
    for k in range(frames):
        t = k / FPS
        truth = man(t)
        seen = {0: (person(LEFT, truth, rng, 4),), 1: (person(RIGHT, truth, rng, 9),)} | of(k, t, rng)
        moment = {
            n: pose(f"cam{n}", (LEFT, RIGHT)[n], t, people, k) for n, people in seen.items() if people is not None
        }
        yield moment, fuser.fuse(moment, stamp(t, k))[0], truth


def hidden(k: int, t: float, rng: np.random.Generator) -> dict:
    truth = man(t)
    return {0: (person(LEFT, truth, rng, 4, ARM),), 1: (person(RIGHT, truth, rng, 9, LEG),)}


def test_fused_is_at_most_half_as_wrong_as_the_better_camera_and_hidden_joints_are_recovered():
    errors, recovered = [], []
    for moment, fused, truth in run(60, hidden):
        (one,) = fused.people
        single = [error_mm(moment[n].people[0], camera, truth) for n, camera in enumerate((LEFT, RIGHT))]
        errors.append((error_mm(one, LEFT, truth), *single))
        recovered.append((error_mm(one, LEFT, truth, ARM), error_mm(moment[0].people[0], LEFT, truth, ARM)))
        assert (one.state == OBSERVED).all() and one.metric and fused.stamp.source == FUSED
    fused_mm, left_mm, right_mm = np.mean(errors, 0)
    assert fused_mm < 40 and fused_mm <= 0.5 * min(left_mm, right_mm)
    assert np.mean(recovered, 0)[0] < 0.4 * np.mean(recovered, 0)[1]


def test_sigma_covers_what_it_says():
    off, sigma = [], []
    for _, fused, truth in run(60, hidden):
        one = fused.people[0]
        off.append(np.abs(one.xyz + one.root_cam - LEFT.to_camera(truth)))
        sigma.append(one.sigma)
    within = (np.stack(off) <= 1.96 * np.stack(sigma)[..., None]).mean()
    assert within > 0.85 and np.median(sigma) < 0.05


def test_a_joint_that_nobody_sees_is_inferred_and_unsure():
    def both(k, t, rng):
        return {0: (person(LEFT, man(t), rng, 4, ARM),), 1: (person(RIGHT, man(t), rng, 9, ARM),)}

    off = []
    for _, fused, truth in run(30, both):
        one = fused.people[0]
        off.append(error_mm(one, LEFT, truth, ARM))
        at = [H36M_17.index(joint) for joint in ARM]
        assert (one.state[at] == INFERRED).all() and one.sigma[at].min() > one.sigma[[0, 1, 2, 3]].max()
    assert np.mean(off) < 220, "as far off as either camera's guess"


def test_one_camera_alone_goes_on_with_the_scale_that_both_found():
    """After a second the right camera sees nobody, later not even frames come."""

    def gone(k, t, rng):
        return {} if k < 30 else {1: () if k < 45 else None}

    errors = {True: [], False: []}
    for moment, fused, truth in run(60, gone):
        (one,) = fused.people
        errors[len(moment.get(1, moment[0]).people) == 1 and 1 in moment].append(error_mm(one, LEFT, truth))
        alone = error_mm(moment[0].people[0], LEFT, truth)
    assert one.id == 1 and np.mean(errors[True]) < 40 and len(errors[False]) == 30
    assert errors[False][-1] < 0.75 * alone, "without the learned scale he would be 10 % too far away"


def test_the_lead_may_be_the_one_that_is_gone():
    *_, (_, fused, truth) = run(40, lambda k, t, rng: {} if k < 20 else {0: None})
    (one,) = fused.people
    assert one.id == 1 and error_mm(one, LEFT, truth) < 250 and fused.width == 640


def test_left_and_right_exchanged_in_one_camera_for_a_while():
    def swapped(k: int, t: float, rng: np.random.Generator) -> dict:
        one = person(RIGHT, man(t), rng, 9)
        order = H36M_17.mirror()
        arrays = {name: getattr(one, name)[order] for name in ("xyz", "xy", "state", "reliability", "sigma")}
        return {1: (replace(one, **arrays),)} if 20 <= k < 30 else {}

    errors = [error_mm(fused.people[0], LEFT, truth) for _, fused, truth in run(40, swapped)]
    assert max(errors[20:30]) < 60


def test_two_people_stay_two_and_keep_their_ids():
    def two(k: int, t: float, rng: np.random.Generator) -> dict:
        other = man(t + 0.4, (0.9, 0.0, -0.5))
        pair = [(person(LEFT, man(t), rng, 4), person(LEFT, other, rng, 5))]
        pair.append((person(RIGHT, other, rng, 2), person(RIGHT, man(t), rng, 9)))
        return dict(enumerate(pair))

    ids = set()
    for _, fused, truth in run(40, two):
        assert len(fused.people) == 2
        near = min(fused.people, key=lambda one: error_mm(one, LEFT, truth))
        ids.add(near.id)
        assert error_mm(near, LEFT, truth) < 60
    assert len(ids) == 1


def test_who_is_seen_by_one_camera_first_is_the_same_person_later():
    def late(k, t, rng):
        return {1: ()} if k < 20 else {}

    ids = [tuple(one.id for one in fused.people) for _, fused, _ in run(30, late)]
    assert ids[0] == (1,) and ids[-1] == (1,)


def elsewhere(where):
    return lambda k, t, rng: {1: (person(RIGHT, where(t), rng, 9),)}


def test_cameras_that_do_not_see_the_same_person_are_told():
    fuser = Fuser([LEFT, RIGHT], H36M_17)
    for _, fused, _ in run(JUDGED_FRAMES, elsewhere(lambda t: man(t, (1.4, 0.3, 0.9))), fuser):
        assert len(fused.people) == 2
    told = fuser.disagreement(["a.mp4", "b.mp4"])
    assert told.startswith("a.mp4, b.mp4: ") and "check --cameras A,B, cut the films alike" in told and "\n" not in told


@pytest.mark.parametrize(("delay", "said"), [(0.3, "b.mp4: shows everything 0.30 s later than a.mp4; cut the films"),
                                         (-0.5, "b.mp4: shows everything 0.50 s earlier than a.mp4")])  # fmt: skip
def test_cameras_that_are_not_synchronised_are_told_by_how_much(delay, said):
    fuser = Fuser([LEFT, RIGHT], H36M_17)
    list(run(FRAMES, elsewhere(lambda t: man(t - delay)), fuser))
    assert fuser.disagreement(["a.mp4", "b.mp4"]).startswith(said)


def test_cameras_that_agree_are_not():
    fuser = Fuser([LEFT, RIGHT], H36M_17)
    list(run(FRAMES + 5, hidden, fuser))
    assert fuser.delays == {1: 0} and fuser.compared > JUDGED_FRAMES and fuser.disagreement(["a", "b"]) == ""


def test_pictures_of_another_shape_than_the_calibration():
    rng = np.random.default_rng(0)
    turned = replace(pose("cam1", RIGHT, 0.0, (person(RIGHT, man(0), rng),)), width=480, height=640)
    with pytest.raises(CalibrationError, match=r"camera right: its film is 480x640 px.*calibrate at the size you run"):
        Fuser([LEFT, RIGHT], H36M_17).fuse({1: turned}, stamp(0, 0))


def test_what_leaves_is_a_message_even_where_nothing_is_known():
    rng = np.random.default_rng(0)
    one = person(LEFT, man(0), rng)
    nothing = replace(one, state=np.full(17, ABSENT, np.uint8), root_cam=None)
    found, became = Fuser([LEFT, RIGHT], H36M_17).fuse({0: pose("cam0", LEFT, 0, (nothing,))}, stamp(0, 0))
    again = decode(Pose3D, encode("pose3d", FUSED, found))
    assert again.people[0].status == "OCCLUDED" and (again.people[0].sigma == 1).all() and became == {(0, 1): 1}
    empty, _ = Fuser([LEFT, RIGHT], H36M_17).fuse({}, stamp(0, 0))
    assert empty.status == "NO_PERSON"
