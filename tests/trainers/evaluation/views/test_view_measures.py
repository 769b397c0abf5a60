"""Measures against a reference: exact on what is exact, and each sees its own kind of error."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.support.people.two_cameras import JOINTS
from trainers.evaluation.views.view_measures import flags, length_variation, mean, measure, root

T = 12
J = JOINTS.index


@pytest.fixture
def truth():
    """A person who stands and sways, metres before a camera."""
    half = [(-0.5, 0.2), (-0.2, 0.25), (0.1, 0.3), (0.0, 0.1), (0.45, 0.12), (0.9, 0.14)]
    stand = np.array([(x, y, 0.05 * k) for k, (y, wide) in enumerate(half) for x in (wide, -wide)])
    sway = 0.1 * np.sin(np.arange(T) / 3)[:, None, None] * (1, 0, 0.5)
    return stand + sway * np.linspace(1, 2, len(JOINTS))[:, None] + (0, 0, 3)


def test_the_reference_itself_is_without_error(truth):
    errors = measure(truth + (5, 0, 0), truth, JOINTS)
    for values in (errors.unaligned, errors.aligned, errors.velocity[1:]):
        np.testing.assert_allclose(values, 0, atol=1e-6)
    assert np.nanmax(errors.degrees) < 1e-4 and mean(errors.swapped) == 0
    assert errors.bones[0] == ("left upper arm", J("left_shoulder"), J("left_elbow")) and len(errors.bones) == 8


def test_size_and_turn_are_forgiven_only_after_alignment(truth):
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    errors = measure(1.2 * truth @ turn.T, truth, JOINTS)
    assert mean(errors.unaligned) > 100 and mean(errors.aligned) < 1e-6 and mean(errors.degrees) < 1e-4


def test_one_wrong_joint(truth):
    pose = truth.copy()
    pose[:, J("left_wrist"), 2] += 0.2
    errors = measure(pose, truth, JOINTS)
    np.testing.assert_allclose(errors.unaligned[:, J("left_wrist")], 200, atol=1e-6)
    assert np.delete(errors.unaligned, J("left_wrist"), 1).max() < 1e-6
    assert np.argmax(mean_over_frames(errors.degrees)) == [name for name, _, _ in errors.bones].index("left forearm")


def mean_over_frames(values):
    return np.nanmean(values, 0)


def test_velocity_sees_trembling_and_nothing_constant(truth):
    pose = truth + np.linspace(0, 0.3, len(JOINTS))[:, None]
    assert np.nanmax(measure(pose, truth, JOINTS).velocity) < 1e-6
    pose[::2, J("right_ankle"), 0] += 0.01
    np.testing.assert_allclose(measure(pose, truth, JOINTS).velocity[1:, J("right_ankle")], 10, atol=1e-6)


def test_swapped_sides_are_seen(truth):
    order = [JOINTS.index(j.replace("left", "x").replace("right", "left").replace("x", "right")) for j in JOINTS]
    pose = truth.copy()
    pose[:5] = pose[:5, order]
    assert measure(pose, truth, JOINTS).swapped.tolist() == [1] * 5 + [0] * (T - 5)


def test_unknown_reference_joints_do_not_count(truth):
    holes = truth.copy()
    holes[:, J("left_wrist")] = np.nan
    holes[3, 2:] = np.nan  # two joints are left: nothing can be aligned
    pose = truth.copy()
    pose[:, J("left_wrist")] += 9
    errors = measure(pose, holes, JOINTS)
    assert mean(errors.aligned) < 1e-6 and mean(errors.unaligned) < 1e-6
    assert np.isnan(errors.aligned[3]).all() and np.isnan(errors.swapped[3])


def test_without_hips_the_shoulders_are_the_root(truth):
    arms = [k for k, joint in enumerate(JOINTS) if joint.split("_")[1] in ("shoulder", "elbow", "wrist")]
    joints = tuple(JOINTS[k] for k in arms)
    middle = root(truth[:, arms], truth[:, arms], joints)
    np.testing.assert_allclose(middle[:, 0], truth[:, [J("left_shoulder"), J("right_shoulder")]].mean(1))
    assert len(measure(truth[:, arms], truth[:, arms], joints).bones) == 4
    with pytest.raises(ValueError, match="neither hips nor shoulders"):
        root(truth[:, [4]], truth[:, [4]], ("left_wrist",))


def test_length_variation_is_relative(truth):
    assert length_variation(np.array([[90.0, np.nan], [110, np.nan]])) == pytest.approx(0.1)


def test_flags_of_a_known_table():
    said, occluded = np.array([0.1, 0.2, 0.3, 0.9]), np.array([True, False, True, False])
    found = flags(said, occluded, 0.5)
    assert found["precision"] == pytest.approx(2 / 3) and found["recall"] == 1 and found["area"] == pytest.approx(0.75)
