"""Root from 3D and rays, stature, gravity."""

import numpy as np
import pytest

from engines.contract import H36M_17
from realtime.messages import INFERRED, Person3D
from realtime.root import Gravity, Stature, fit_root, stature, up_of_tilt
from tests.fakes.engine import MAN

ROOT = np.array([0.4, -0.2, 3.5], np.float32)
SECOND = 1_000_000_000


def rays_of(xyz):
    return (xyz[:, :2] / xyz[:, 2:]).astype(np.float32)


def person(xyz, state=None):
    ones = np.ones(17, np.float32)
    return Person3D(1, "TRACKED", xyz, ones, np.zeros(17, np.uint8) if state is None else state, ones, ones,
                    np.zeros((17, 2), np.float32))  # fmt: skip


def turned(xyz, deg):
    """Camera looks down by deg: the world turns up."""
    a = np.radians(deg)
    r = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    return (xyz @ r.T).astype(np.float32)


def test_exact_data_give_the_exact_root():
    assert fit_root(MAN, rays_of(MAN + ROOT), np.ones(17, np.float32)) == pytest.approx(ROOT, abs=1e-3)


def test_keypoints_without_weight_do_not_count():
    rays, weights = rays_of(MAN + ROOT), np.ones(17, np.float32)
    rays[5] += 3.0
    weights[5] = 0.0
    assert fit_root(MAN, rays, weights) == pytest.approx(ROOT, abs=1e-3)


def test_the_root_lies_before_the_camera_whatever_the_rays_say():
    rng = np.random.default_rng(0)
    for _ in range(100):
        root = fit_root(MAN, rng.normal(0, 1, (17, 2)).astype(np.float32), np.ones(17, np.float32))
        assert np.isfinite(root).all() and root[2] > 0


def test_nobody_seen_is_finite():
    assert np.isfinite(fit_root(MAN, rays_of(MAN + ROOT), np.zeros(17, np.float32))).all()


def test_a_given_height_is_reached():
    keeper = Stature(1.5)
    scale = keeper.update(MAN, np.ones(17, bool), H36M_17)
    assert scale * stature(MAN, H36M_17) == pytest.approx(1.5)
    assert Stature(None).update(MAN, np.ones(17, bool), H36M_17) == 1.0


def test_a_given_tilt_is_up():
    up, source = Gravity(20.0).update(0, [], H36M_17)
    assert source == "given" and up == pytest.approx((0, -0.9397, -0.3420), abs=1e-4)
    assert up_of_tilt(0) == pytest.approx((0, -1, 0))


@pytest.mark.parametrize("deg", [-15, 0, 25])
def test_gravity_is_learned_from_somebody_who_stands(deg):
    gravity, standing = Gravity(None), person(turned(MAN, deg))
    answers = [gravity.update(i * SECOND // 30, [standing], H36M_17) for i in range(90)]
    assert answers[0][1] == "assumed" and answers[-1][1] == "estimated"
    off = np.degrees(np.arccos(np.clip(np.dot(answers[-1][0], turned(np.array([[0, -1.0, 0]]), deg)[0]), -1, 1)))
    assert off < 3


def test_who_sits_or_is_half_hidden_says_nothing_about_gravity():
    sitting = MAN.copy()
    for side in ("left", "right"):
        knee = H36M_17.index(f"{side}_knee")
        sitting[knee] = sitting[H36M_17.index(f"{side}_hip")] + (0, 0, -0.42)
        sitting[H36M_17.index(f"{side}_ankle")] = sitting[knee] + (0, 0.42, 0)
    hidden = np.full(17, INFERRED, np.uint8)
    gravity = Gravity(None)
    for i in range(90):
        answer = gravity.update(i * SECOND // 30, [person(sitting), person(turned(MAN, 30), hidden)], H36M_17)
    assert answer == ((0.0, -1.0, 0.0), "assumed")
