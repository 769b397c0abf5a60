"""Rotations: each function against its definition, on random and on awkward input."""

import numpy as np
import pytest

from realtime import rotations as rot

RNG = np.random.default_rng(3)


def some_rotations(n=50):
    return rot.from_euler_zxy(RNG.uniform(-3, 3, (n, 3)))


def test_swing_carries_start_to_end_and_turns_no_further():
    a, b = RNG.normal(size=(100, 3)), RNG.normal(size=(100, 3))
    r = rot.swing(a, b)
    assert np.allclose(np.einsum("nij,nj->ni", r, rot.unit(a)), rot.unit(b), atol=1e-9)
    angle = np.arccos(np.clip((np.trace(r, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert np.allclose(angle, np.arccos((rot.unit(a) * rot.unit(b)).sum(-1)), atol=1e-6)


@pytest.mark.parametrize("axis", np.eye(3))
def test_swing_between_opposed_directions_is_a_half_turn(axis):
    r = rot.swing(axis, -axis)
    assert np.allclose(r @ axis, -axis) and np.isclose(np.linalg.det(r), 1) and np.allclose(r @ r.T, np.eye(3))


def test_best_rotation_finds_the_true_one_and_never_mirrors():
    points, true = RNG.normal(size=(50, 5, 3)), some_rotations()
    moved = np.einsum("nij,nkj->nki", true, points)
    assert np.allclose(rot.best_rotation(points, moved), true, atol=1e-9)
    assert np.allclose(np.linalg.det(rot.best_rotation(points, -moved)), 1)


def test_best_rotation_ignores_vectors_of_no_weight():
    points, true = RNG.normal(size=(1, 5, 3)), some_rotations(1)
    moved = np.einsum("nij,nkj->nki", true, points)
    moved[0, 0] += 9
    assert np.allclose(rot.best_rotation(points, moved, np.array([[0, 1, 1, 1, 1.0]])), true, atol=1e-9)


def test_euler_angles_and_quaternions_come_back():
    r = some_rotations(200)
    assert np.allclose(rot.from_euler_zxy(rot.euler_zxy(r)), r, atol=1e-9)
    assert np.allclose(rot.from_quaternion(rot.to_quaternion(r)), r, atol=1e-7)


def test_a_quaternion_of_a_known_turn():
    q = rot.to_quaternion(rot.about(np.array(np.pi / 2), 1))
    assert np.allclose(q, [0, np.sqrt(0.5), 0, np.sqrt(0.5)])


def test_half_turns_keep_unit_quaternions():
    q = rot.to_quaternion(np.stack([np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])]))
    assert np.allclose(np.linalg.norm(q, axis=-1), 1) and np.allclose(np.abs(q[:, :3]), np.eye(3))


@pytest.mark.parametrize("up", [(0, -1, 0), (0, -0.9, -0.4), (0.3, -0.9, 0.1), (1, 0, 0)])
def test_y_up_is_a_rotation_that_stands_upright(up):
    r = rot.y_up(np.array(up, float))
    assert np.allclose(r @ r.T, np.eye(3)) and np.isclose(np.linalg.det(r), 1)
    assert np.allclose(r @ rot.unit(np.array(up, float)), [0, 1, 0])


def test_y_up_of_a_level_camera_keeps_right_and_looks_back_at_it():
    assert np.allclose(rot.y_up(np.array([0.0, -1, 0])) @ np.array([1.0, 2, 3]), [1, -2, -3])


def test_frame_is_square_and_right_handed():
    r = rot.frame(RNG.normal(size=(20, 3)), RNG.normal(size=(20, 3)))
    assert np.allclose(r @ np.swapaxes(r, -1, -2), np.eye(3)) and np.allclose(np.linalg.det(r), 1)
