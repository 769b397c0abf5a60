"""A flicker of left and right is put right; insisting, crossing and turning are left alone."""

import numpy as np
import pytest

from engines.skeleton import BLAZEPOSE_33, COCO_17, HALPE_26
from realtime.occlude.features import JointObservation, remembered
from realtime.occlude.left_right_swaps import SwapRepair, groups
from tests.support.fakes.detector import STANDING

MIRROR = BLAZEPOSE_33.mirror()
ARMS, LEGS = groups(BLAZEPOSE_33)
DT = 1 / 30


def seen(i, swapped=(), xy=None):
    """A person who walks to the right; each value carries its joint's number, so that exchanges can be seen."""
    order = np.arange(33)
    for group in swapped:
        order[group] = MIRROR[group]
    where = STANDING * 240 + (200 + 3 * i, 250) if xy is None else xy
    number = np.arange(33, dtype="f4") / 33
    return JointObservation(
        where[order].astype("f4"), number[order], number[order], np.tile(number[order, None], 3), 640, 480
    )


def run(frames):
    repair, past, answers = SwapRepair(BLAZEPOSE_33), None, []
    for frame in frames:
        answers.append(repair.repair(past, frame, DT))
        past = remembered(past, answers[-1], DT)
    return answers


@pytest.mark.parametrize("swapped", [(ARMS,), (LEGS,), (ARMS, LEGS)], ids=["arms", "legs", "both"])
@pytest.mark.parametrize("frames", [1, 2])
def test_a_flicker_is_put_right_with_all_that_belongs_to_it(swapped, frames):
    answers = run([seen(i, swapped if 10 <= i < 10 + frames else ()) for i in range(20)])
    for i, answer in enumerate(answers):
        right = seen(i)
        for name in ("xy", "score", "presence", "world"):
            assert np.array_equal(getattr(answer, name), getattr(right, name)), (i, name)


def test_a_detector_that_insists_is_believed():
    answers = run([seen(i, (LEGS,) if i >= 10 else ()) for i in range(20)])
    assert np.array_equal(answers[11].xy, seen(11).xy)
    assert np.array_equal(answers[13].xy, seen(13, (LEGS,)).xy)
    assert np.array_equal(answers[19].xy, seen(19, (LEGS,)).xy)


def test_legs_that_cross_in_profile_are_not_exchanged():
    def profile(i):
        xy = STANDING * (40, 240) + (300, 250)
        stride = 45 * np.sin(2 * np.pi * 1.2 * i * DT)  # px, left ahead, then right
        for side, sign in ((BLAZEPOSE_33.left, 1), (BLAZEPOSE_33.right, -1)):
            legs = [j for j in side if j in LEGS]
            xy[legs, 0] += sign * stride * (STANDING[legs, 1] / 0.5)
        return xy

    for i, answer in enumerate(run([seen(i, xy=profile(i)) for i in range(90)])):
        assert np.array_equal(answer.xy, profile(i).astype("f4"))


def test_a_person_who_turns_around_is_not_exchanged():
    frames = [seen(i, xy=STANDING * (240 * np.cos(i / 15), 240) + (320, 250)) for i in range(60)]
    for frame, answer in zip(frames, run(frames)):
        assert answer is frame


@pytest.mark.parametrize("joints", [BLAZEPOSE_33, COCO_17, HALPE_26], ids=lambda j: j.name)
def test_groups_hold_each_limb_once_with_its_other_side(joints):
    arms, legs = groups(joints)
    assert not set(arms) & set(legs)
    for group in (arms, legs):
        assert set(joints.mirror()[group]) == set(group)
    names = {joints.joints[i] for i in legs}
    assert {"left_hip", "right_ankle"} <= names and "left_wrist" not in names and "left_eye" not in names
