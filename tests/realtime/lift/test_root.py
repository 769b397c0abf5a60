"""The root from exact projections is exact; stature and gravity are what the skeleton says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.skeleton import H36M_17
from realtime.lift.root import (
    ENOUGH_S,
    FOOT_AND_CROWN,
    NEAREST_M,
    Gravity,
    Stature,
    fit_root,
    standing_axis,
    stature,
    up_of_tilt,
)  # fmt: skip
from realtime.wire.messages import INFERRED, OBSERVED, Person3D
from tests.support.fakes.engine import MAN

ONES = np.ones(17, np.float32)


def rays(xyz, root):
    placed = xyz + root
    return (placed[:, :2] / placed[:, 2:]).astype(np.float32)


def person(xyz, hidden=()):
    state = np.full(17, OBSERVED, np.uint8)
    state[[H36M_17.index(name) for name in hidden]] = INFERRED
    return Person3D(1, "TRACKED", xyz.astype("f4"), ONES, state, ONES, ONES, np.zeros((17, 2), "f4"))


def turned(xyz, axis, degrees):
    """Rotated about a camera axis."""
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
    return xyz @ matrix.T


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3), st.floats(-2, 2), st.floats(1.2, 15), st.integers(0, 9999))
def test_exact_rays_give_the_exact_root(x, y, z, seed):
    root = np.array([x, y, z])
    xyz = MAN + np.random.default_rng(seed).normal(0, 0.1, MAN.shape)
    weights = np.random.default_rng(seed).uniform(0.1, 1, 17).astype("f4")
    assert np.allclose(fit_root(xyz.astype("f4"), rays(xyz, root), weights), root, atol=2e-3 * z)


def test_joints_without_weight_do_not_count():
    root, weights = np.array([0.3, -0.2, 4.0]), ONES.copy()
    seen = rays(MAN, root)
    seen[[3, 13, 16]] += 0.5
    weights[[3, 13, 16]] = 0
    assert np.allclose(fit_root(MAN, seen, weights), root, atol=1e-3)
    assert not np.allclose(fit_root(MAN, seen, ONES), root, atol=1e-1)


def test_the_fit_is_the_least_of_weighted_squares():
    """No step away from it makes the sum smaller."""
    rng = np.random.default_rng(4)
    seen = rays(MAN, np.array([0.1, 0.2, 3.0])) + rng.normal(0, 0.01, (17, 2)).astype("f4")
    weights = rng.uniform(0, 1, 17).astype("f4")

    def cost(root):
        placed = MAN.astype(float) + root
        return (weights[:, None] * (placed[:, :2] - seen * placed[:, 2:]) ** 2).sum()

    best = fit_root(MAN, seen, weights).astype(float)
    for step in 0.01 * np.vstack([np.eye(3), -np.eye(3)]):
        assert cost(best) < cost(best + step)


@pytest.mark.parametrize("weights", [np.zeros(17, np.float32), np.eye(17, dtype=np.float32)[0]])
def test_too_little_seen_still_gives_a_place_before_the_camera(weights):
    root = fit_root(MAN, rays(MAN, np.array([0.0, 0.0, 3.0])), weights)
    assert np.isfinite(root).all() and root[2] >= NEAREST_M


def test_nobody_stands_behind_the_camera():
    """Mirrored rays ask for a negative depth."""
    assert fit_root(MAN, -rays(MAN, np.array([0.2, 0.1, 3.0])), ONES)[2] >= NEAREST_M


def test_stature_is_legs_trunk_head_and_foot():
    trunk = 0.25 + 0.25 + math.hypot(0.12, 0.08) + math.hypot(0.13, 0.08)
    legs = math.hypot(0.01, 0.42) + math.hypot(0.43, 0.02)
    assert stature(MAN, H36M_17) == pytest.approx(legs + 0.95 * trunk + FOOT_AND_CROWN, abs=1e-4)
    assert stature(2 * MAN, H36M_17) - FOOT_AND_CROWN == pytest.approx(2 * (stature(MAN, H36M_17) - FOOT_AND_CROWN))


def test_a_given_height_scales_and_a_bent_pose_changes_nothing():
    everything = np.ones(17, bool)
    measured = Stature(1.9)
    factor = measured.update(MAN, everything, H36M_17)
    assert stature(MAN, H36M_17) * factor == pytest.approx(1.9)
    sitting = MAN.copy()
    sitting[[2, 3, 5, 6]] = [(-0.13, 0.0, -0.42), (-0.13, 0.43, -0.42), (0.13, 0.0, -0.42), (0.13, 0.43, -0.42)]
    assert measured.update(sitting, everything, H36M_17) == pytest.approx(factor, rel=0.01)
    assert Stature(None).update(MAN, everything, H36M_17) == 1.0


def test_hidden_joints_do_not_change_a_measured_stature():
    measured, seen = Stature(1.8), np.ones(17, bool)
    factor = measured.update(MAN, seen, H36M_17)
    seen[3] = False
    assert measured.update(MAN * 1.5, seen, H36M_17) == factor


@pytest.mark.parametrize(("tilt", "expected"), [(0, (0, -1, 0)), (90, (0, 0, -1)), (30, (0, -0.866, -0.5))])
def test_a_camera_that_looks_down_has_up_behind_it(tilt, expected):
    assert np.allclose(up_of_tilt(tilt), expected, atol=1e-3)
    assert Gravity(tilt).update(0, [], H36M_17) == (up_of_tilt(tilt), "given")


def stand(gravity, xyz, seconds, start_s=0.0, hz=30, hidden=()):
    for i in range(round(seconds * hz)):
        told = gravity.update(round((start_s + i / hz) * 1e9), [person(xyz, hidden)], H36M_17)
    return told


@pytest.mark.parametrize("tilt", [-20, 0, 35])
def test_people_who_stand_tell_where_up_is(tilt):
    """Seen by a camera that looks down by `tilt`, a standing man leans towards it."""
    tilted = turned(MAN - MAN[0], axis=0, degrees=tilt)
    gravity = Gravity(None)
    assert stand(gravity, tilted, 0.5)[1] == "assumed"
    up, source = stand(gravity, tilted, ENOUGH_S + 1, start_s=0.5)
    assert source == "estimated"
    assert np.degrees(np.arccos(np.dot(up, up_of_tilt(tilt)))) < 3


def test_gravity_changes_slowly():
    gravity = Gravity(None)
    before, _ = stand(gravity, MAN, 5)
    leaning = turned(MAN, axis=2, degrees=15)
    after, _ = stand(gravity, leaning, 0.5, start_s=5)
    assert np.degrees(np.arccos(np.dot(before, after))) < 3


@pytest.mark.parametrize("hidden", ["left_ankle", "thorax"])
def test_people_half_seen_or_seated_say_nothing(hidden):
    assert standing_axis(person(MAN, [hidden]), H36M_17) is None
    assert stand(Gravity(None), MAN, 3, hidden=[hidden])[1] == "assumed"
    sitting = MAN.copy()
    sitting[[2, 5]] += (0, -0.4, -0.4)
    sitting[[3, 6]] += (0, -0.4, -0.4)
    assert standing_axis(person(sitting), H36M_17) is None


def test_a_pause_of_the_stream_is_no_time_spent_standing():
    gravity = Gravity(None)
    for t_s in (0, 100, 200, 300):
        assert gravity.update(t_s * 10**9, [person(MAN)], H36M_17)[1] == "assumed"


@pytest.mark.parametrize("seed", range(20))
def test_the_closed_form_is_the_least_squares_solution(seed):
    draw = np.random.default_rng(seed)
    xyz = draw.normal(0, 0.5, (17, 3)).astype(np.float32)
    rays = ((xyz + (0.3, -0.2, 3.0))[:, :2] / (xyz[:, 2:] + 3.0) + draw.normal(0, 0.01, (17, 2))).astype(np.float32)
    weights = draw.random(17).astype(np.float32)
    rows = np.zeros((17, 2, 3))
    rows[:, 0, 0] = rows[:, 1, 1] = 1
    rows[:, :, 2] = -rays
    root = np.sqrt(weights.astype(np.float64))[:, None]
    wanted = (rays * xyz[:, 2:] - xyz[:, :2]) * root
    solved = np.linalg.lstsq((rows * root[..., None]).reshape(-1, 3), wanted.ravel(), rcond=None)[0]
    assert fit_root(xyz, rays, weights) == pytest.approx(solved, abs=1e-5)


def test_rays_that_are_one_ray_place_nobody_behind_the_camera():
    xyz = np.zeros((17, 3), np.float32)
    found = fit_root(xyz, np.full((17, 2), 0.1, np.float32), np.ones(17, np.float32))
    assert np.isfinite(found).all() and found[2] > 0
