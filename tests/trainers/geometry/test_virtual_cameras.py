"""Virtual cameras and what a detector makes of them."""

import math

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import H36M_17
from tests.support.fakes.engine import MAN
from trainers.augmentation.detector_noise import (
    Detections,
    NoiseRange,
    degrade_reliability,
    observe,
    stretches,
    swap_sides,
)
from trainers.geometry.virtual_cameras import CameraRange, mirrored, rotation, sample_views, tick_times

CLIPS, TICKS = 200, 20


def motion():
    world = torch.from_numpy(MAN) * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0.0, 0.9, 0.0])
    drift = torch.linspace(0, 1, TICKS)[:, None, None] * torch.tensor([0.5, 0.0, 0.3])
    return (world[None] + drift)[None].expand(CLIPS, -1, -1, -1)


def views(**limits):
    return sample_views(motion(), CameraRange(**limits), torch.Generator().manual_seed(3))


def test_a_level_camera_keeps_up_up():
    zero = torch.zeros(1)
    up = rotation(torch.tensor([1.0]), zero, zero)[0] @ torch.tensor([0.0, 1.0, 0.0])
    assert torch.allclose(up, torch.tensor([0.0, -1.0, 0.0]), atol=1e-6)


def test_looking_down_tilts_up_towards_the_lens():
    zero = torch.zeros(1)
    up = rotation(zero, torch.tensor([0.3]), zero)[0] @ torch.tensor([0.0, 1.0, 0.0])
    assert torch.allclose(up, torch.tensor([0.0, -math.cos(0.3), -math.sin(0.3)]), atol=1e-6)


def test_bones_keep_their_length_and_everybody_stands_before_the_lens():
    view = views()
    length = (view.pose[:, :, 13] - view.pose[:, :, 12]).norm(dim=-1)
    assert torch.allclose(length, length[0, 0].expand_as(length), atol=1e-4)
    assert view.xyz[..., 2].min() >= 0.5 - 1e-4


def test_all_sides_are_seen_and_some_people_leave_the_picture():
    view = views()
    facing = torch.linalg.cross(view.pose[:, 0, 11] - view.pose[:, 0, 14], view.pose[:, 0, 8])[:, 2]
    assert 0.3 < (facing > 0).float().mean() < 0.7
    assert 0.5 < view.inside.float().mean() < 0.99


def test_known_cameras_give_exact_rays_and_guessed_ones_a_common_factor():
    exact = views(known=1.0)
    assert torch.allclose(exact.rays, exact.xyz[..., :2] / exact.xyz[..., 2:], atol=1e-5)
    guessed = views(known=0.0, distortion=0.0)
    factor = guessed.rays / (guessed.xyz[..., :2] / guessed.xyz[..., 2:])
    assert torch.allclose(factor, factor[:, :1, :1, :1].expand_as(factor), rtol=1e-3)


def test_a_mirror_exchanges_names_and_sides():
    view = views()
    twice = mirrored(mirrored(view, torch.ones(CLIPS, dtype=torch.bool)), torch.ones(CLIPS, dtype=torch.bool))
    once = mirrored(view, torch.ones(CLIPS, dtype=torch.bool))
    assert torch.equal(twice.xyz, view.xyz)
    left, right = H36M_17.index("left_wrist"), H36M_17.index("right_wrist")
    assert torch.equal(once.rays[:, :, left, 0], -view.rays[:, :, right, 0])


def test_ticks_rise_and_keep_their_rate():
    times = tick_times(50, 60, torch.Generator().manual_seed(0))
    assert (times.diff(dim=1) > 0).all()
    assert times[:, -1].mean() == pytest.approx(59 / 30, rel=0.02)
    assert (times.diff(dim=1) - 1 / 30).abs().max() < 1 / 30


def test_hidden_joints_are_invented_and_mostly_doubted():
    view = views(known=1.0)
    hidden = torch.rand(CLIPS, TICKS, 17, generator=torch.Generator().manual_seed(1)) < 0.3
    order = torch.from_numpy(H36M_17.mirror())
    g = torch.Generator().manual_seed(2)
    found = observe(view, hidden, NoiseRange(swap=0, swapping=0), order, g)
    error = (found.x - view.rays).norm(dim=-1) / view.metres[..., None]
    assert error[hidden].mean() > 2 * error[~hidden].mean()
    assert (found.reliability[hidden] < 0.5).float().mean() > 0.6
    assert (found.reliability[~hidden] >= 0.5).float().mean() > 0.85
    assert all(torch.isfinite(v).all() for v in (found.x, found.reliability, found.world))


def test_sides_are_exchanged_in_2d_and_3d_and_some_clips_have_it_often():
    order, g = torch.from_numpy(H36M_17.mirror()), torch.Generator().manual_seed(4)
    named = torch.arange(17.0).view(1, 1, 17, 1).expand(400, 90, 17, 1)
    world = torch.cat([named, named, torch.ones_like(named)], -1)
    found = swap_sides(Detections(named.expand(-1, -1, -1, 2), named[..., 0], world), order, NoiseRange(), g)
    swapped = found.x[:, :, 1, 0] != 1
    assert torch.equal(swapped, found.reliability[:, :, 1] != 1) and torch.equal(swapped, found.world[:, :, 1, 0] != 1)
    share = swapped.float().mean(1)
    assert (share > 0.1).float().mean() == pytest.approx(0.13, abs=0.05) and (share < 0.02).float().mean() > 0.7
    backwards = found.world[..., 2] < 0
    assert not (backwards.all(-1) & ~swapped).any() and backwards.any() and (swapped & ~backwards.any(-1)).any()


def test_a_judge_errs_more_on_people_it_never_saw():
    g = torch.Generator().manual_seed(5)
    hidden, more = (torch.rand(200, 90, 17, generator=g) < share for share in (0.2, 0.1))
    worse = degrade_reliability(torch.where(hidden, 0.1, 0.9), hidden, more, NoiseRange(), g)
    believed = worse >= 0.5
    assert 0.05 < believed[hidden & ~more].float().mean() < 0.2
    assert believed[more].float().mean() < 0.35 and 0.85 < believed[~hidden & ~more].float().mean() < 0.97


def test_a_share_of_stretches_is_what_was_asked():
    g = torch.Generator().manual_seed(0)
    for share in (0.05, 0.25):
        assert float(stretches((400, 100), share, 6.0, g).float().mean()) == pytest.approx(share, abs=0.03)


def test_the_same_seed_gives_the_same_views():
    assert torch.equal(views().rays, views().rays)
