"""Smoothing without delay, feet that stand, feet that are held: on real motion capture with a lifter's noise added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.client.one_euro import delay, jitter
from realtime.export.clip import Axis, ExportClip
from realtime.export.smoothing.contact import contact, runs, sliding, without_flicker
from realtime.export.smoothing.foot_lock import correction, locked
from realtime.export.smoothing.local_fit import local_parabola, smoothed_offline
from realtime.export.smoothing.steady import price

read_bvh = pytest.importorskip("trainers.data.mocap.bvh").read_bvh
WALK = Path(__file__).parents[2] / "data" / "motion" / "03_01.bvh"  # over uneven ground, 3.6 s


def clip_of(xyz, sigma=0.02):
    count, shape = len(xyz), xyz.shape[:2]
    return ExportClip(
        H36M_17.joints, H36M_17.parents, "cam0", 1, 0, Axis(np.arange(count) / 30, np.arange(count)), 0, xyz,
        np.full(shape, sigma), np.zeros(shape, np.uint8), np.zeros(shape), np.ones(shape), True, False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def true():
    return clip_of(read_bvh(WALK)[0][::4])


@pytest.fixture(scope="module")
def noisy(true):
    rng = np.random.default_rng(0)
    drift = np.cumsum(rng.normal(0, 0.004, (len(true), 1, 3)), axis=0)
    return clip_of(true.xyz + rng.normal(0, 0.008, true.xyz.shape) + drift)


def test_offline_smoothing_calms_without_delay(true, noisy):
    smooth = smoothed_offline(noisy)
    assert delay(true.xyz, smooth.xyz, 1 / 30) < 0.004
    assert jitter(smooth.xyz) < 0.4 * jitter(noisy.xyz) and jitter(smooth.xyz) < 1.5 * jitter(true.xyz)
    # what noise each joint has of its own, the shared drift apart
    own = [
        np.linalg.norm((c.xyz - true.xyz) - (c.xyz - true.xyz).mean(1, keepdims=True), axis=-1).mean()
        for c in (noisy, smooth)
    ]
    assert own[1] < 0.75 * own[0]


@pytest.mark.parametrize("frames", [slice(None), slice(20, 40)])
def test_who_sits_at_a_desk_is_smoothed_too_where_the_hips_are_never_or_not_always_seen(noisy, frames):
    below = ("pelvis", "hip", "knee", "ankle")
    lower = [k for k, name in enumerate(noisy.joints) if any(word in name for word in below)]
    upper = [k for k in range(len(noisy.joints)) if k not in lower]
    cut = noisy.xyz.copy()
    cut[np.ix_(np.arange(len(cut))[frames], lower)] = np.nan
    smooth = smoothed_offline(replace(noisy, xyz=cut)).xyz
    assert (np.isfinite(smooth) == np.isfinite(cut)).all(), "what is known stays known"
    assert jitter(smooth[:, upper]) < 0.7 * jitter(noisy.xyz[:, upper])
    whole = smoothed_offline(noisy).xyz
    assert np.linalg.norm(smooth - whole, axis=-1)[:, upper].mean() < 0.01


def test_the_delay_of_one_euro_is_told_for_half_a_body_too(noisy):
    late = replace(noisy, xyz=np.concatenate([noisy.xyz[:1], noisy.xyz[:-1]]))
    half = [replace(clip, xyz=np.where(np.arange(17)[:, None] < 7, np.nan, clip.xyz)) for clip in (noisy, late)]
    whole, desk = (float(price(*pair).split(" ms")[0]) for pair in ((noisy, late), half))
    assert whole == pytest.approx(33, abs=8) and desk == pytest.approx(whole, abs=8)


def test_a_parabola_passes_unchanged_and_gaps_stay_gaps():
    times = np.sort(np.random.default_rng(1).uniform(0, 2, 50))
    track = (np.stack([times, 3 - times**2, 0.5 * times**2], -1))[:, None]
    track[20:23] = np.nan
    fitted = local_parabola(times, track, np.full((50, 1), 0.02))
    assert np.isnan(fitted[20:23]).all()
    assert np.nanmax(np.abs(fitted - track)) < 1e-3


def test_what_is_unsure_leans_on_what_is_sure():
    times, track, sigma = np.arange(30) / 30, np.zeros((30, 1, 3)), np.full((30, 1), 0.02)
    track[15], sigma[15] = 0.3, 0.3
    assert np.abs(local_parabola(times, track, sigma)[15]).max() < 0.01
    assert np.abs(local_parabola(times, track, np.full((30, 1), 0.02))[15]).max() > 0.05


def test_standing_feet_alternate_in_walking(true):
    stands = contact(true)
    spans = {side: [(a, b) for a, b in runs(stands[:, i] == 1, True)] for i, side in enumerate(("left", "right"))}
    assert all(len(found) == 2 for found in spans.values())
    swings = ~(stands == 1).any(1)
    assert 0.3 < (stands == 1).any(1).mean() < 0.9 and swings.any()
    order = sorted((a, side) for side, found in spans.items() for a, _ in found)
    assert [side for _, side in order] in (["right", "left"] * 2, ["left", "right"] * 2)


def test_noise_hardly_changes_who_stands(true, noisy):
    assert (contact(smoothed_offline(noisy)) == contact(true)).mean() > 0.93


def test_locked_feet_do_not_slide_and_legs_keep_their_lengths(noisy):
    smooth = smoothed_offline(noisy)
    held, stands = locked(smooth)
    assert sliding(noisy, contact(noisy)) > 0.3
    assert sliding(smooth, stands) > 0.1 > 0.02 > sliding(held, stands)
    j = H36M_17.index
    for a, b in (
        ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"),
    ):
        before, after = (np.linalg.norm(c.xyz[:, j(a)] - c.xyz[:, j(b)], axis=-1) for c in (smooth, held))
        assert np.allclose(before, after, atol=1e-9)
    others = [i for i, name in enumerate(H36M_17.joints) if not name.endswith(("knee", "ankle"))]
    assert np.array_equal(held.xyz[:, others], smooth.xyz[:, others])
    assert jitter(held.xyz) < 1.5 * jitter(smooth.xyz), "feet jump in and out of the lock"


def test_a_lock_fades_in_and_out(true):
    """A foot that drifts by 2 cm a frame while it stands is off by 10 cm at both ends of the lock."""
    xyz = np.tile(true.xyz[:1], (40, 1, 1))
    xyz[..., 0] += 0.02 * np.arange(40)[:, None]
    stands = np.zeros(40)
    stands[10:21] = 1
    by = correction(clip_of(xyz), "left", stands)[:, 0]
    assert by[10] == pytest.approx(0.1) and by[20] == pytest.approx(-0.1) and by[15] == pytest.approx(0, abs=1e-9)
    assert np.abs(np.diff(by)).max() < 0.04 and by[5] == by[25] == 0 and by[9] > 0.05


def test_without_a_place_in_the_room_nothing_is_said_to_stand(true):
    afloat = replace(true, absolute=False)
    assert np.isnan(contact(afloat)).all() and np.array_equal(locked(afloat)[0].xyz, true.xyz)


def test_a_foot_held_up_does_not_stand():
    xyz = np.tile(read_bvh(WALK)[0][:1], (60, 1, 1))
    xyz[:, [H36M_17.index("left_ankle"), H36M_17.index("left_knee")], 1] += 0.4
    stands = contact(clip_of(xyz))
    low = 1 if xyz[0, H36M_17.index("right_ankle"), 1] < xyz[0, H36M_17.index("left_ankle"), 1] else 0
    assert (stands[:, low] == 1).all() and (stands[:, 1 - low] == 0).all()


def test_flicker_is_no_contact():
    times = np.arange(30) / 30
    flags = np.zeros(30, bool)
    flags[5:20], flags[12] = True, False
    flags[25] = True
    assert runs(without_flicker(flags, times), True) == [(5, 20)]


if __name__ == "__main__":  # the figures of docs/export.md
    walk = clip_of(read_bvh(WALK)[0][::4])
    random = np.random.default_rng(0)
    way = np.cumsum(random.normal(0, 0.004, (len(walk), 1, 3)), axis=0)
    raw = clip_of(walk.xyz + random.normal(0, 0.008, walk.xyz.shape) + way)
    calm = smoothed_offline(raw)
    held, by = locked(calm)
    print(f"true {sliding(walk, contact(walk)):.2f}, raw {sliding(raw, contact(raw)):.2f}")
    print(f"smoothed {sliding(calm, by):.2f}")
    print(f"locked {sliding(held, by):.3f} m/s, moved by {100 * np.abs(held.xyz - calm.xyz).max():.0f} cm at most")
