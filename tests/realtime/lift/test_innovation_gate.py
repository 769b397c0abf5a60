"""The innovation gate: impossible claims are doubted, fast limbs and lasting changes are not."""

import numpy as np

from engines.skeleton import H36M_17
from realtime.lift.innovation_gate import InnovationGate

MS = 1_000_000
HEIGHT = 300.0  # px
LIMBS = np.array([H36M_17.index(n) for n in ("left_elbow", "left_wrist", "right_wrist", "left_ankle")])
WRIST = H36M_17.index("left_wrist")
NO_BONES = np.zeros(17, np.float32)


def person():
    return np.random.default_rng(0).uniform(100, 400, (17, 2)).astype(np.float32)


def started(tolerance: float = 1.0):
    gate, xy = InnovationGate(H36M_17, LIMBS, tolerance), person()
    gate.accept(0, xy, np.ones(17, bool))
    return gate, xy


def test_a_leap_of_half_a_body_in_one_frame_is_doubted():
    gate, xy = started()
    xy[WRIST] += (150, 0)
    doubt = gate.is_outlier(33 * MS, xy, np.ones(17, bool), HEIGHT, NO_BONES)
    assert np.flatnonzero(doubt).tolist() == [WRIST]


def test_a_fast_wrist_is_believed():
    gate, xy = started()
    xy[WRIST] += (50, 0)  # 9 m/s
    assert not gate.is_outlier(33 * MS, xy, np.ones(17, bool), HEIGHT, NO_BONES).any()


def test_a_leap_that_lasts_is_believed_in_the_end():
    gate, xy = started()
    moved = xy.copy()
    moved[WRIST] += (150, 0)
    seen = np.ones(17, bool)
    answers = []
    for t in range(33, 400, 33):
        doubt = gate.is_outlier(t * MS, moved, seen, HEIGHT, NO_BONES)
        gate.accept(t * MS, moved, seen & ~doubt)
        answers.append(bool(doubt[WRIST]))
    assert answers[0] and not answers[-1] and sum(answers) <= 4


def test_a_bone_three_times_too_long_is_doubted():
    gate, xy = started()
    bones = np.full(17, 40.0, np.float32)
    xy[H36M_17.index("left_elbow")] = (200, 200)
    xy[WRIST] = (240, 200)
    assert not gate.is_outlier(2000 * MS, xy, np.ones(17, bool), HEIGHT, bones)[WRIST]
    xy[WRIST] = (320, 200)
    assert gate.is_outlier(2000 * MS, xy, np.ones(17, bool), HEIGHT, bones)[WRIST]


def test_it_only_judges_reliable_limbs_and_can_be_switched_off():
    gate, xy = started()
    xy += 500
    nothing = gate.is_outlier(33 * MS, xy, np.zeros(17, bool), HEIGHT, NO_BONES)
    limbs = gate.is_outlier(33 * MS, xy, np.ones(17, bool), HEIGHT, NO_BONES)
    assert not nothing.any() and set(np.flatnonzero(limbs)) == set(LIMBS)
    off, _ = started(0.0)
    assert not off.is_outlier(33 * MS, xy, np.ones(17, bool), HEIGHT, NO_BONES).any()
