"""Augmented motion keeps bodies whole, feet down and hinges within their limits."""

from __future__ import annotations

import pytest
import torch

from engines.skeleton import H36M_17
from tests.support.people.walkers import walkers
from trainers.augmentation import motion as aug
from trainers.data.bank import Bank, catmull_rom, gather, reflect, sample
from trainers.skeleton import body_variation
from trainers.skeleton.bones import ANKLES, L_ARM, L_LEG, R_ARM, R_LEG, bones, chest_frame, heading_frame, joints, unit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lengths(xyz: torch.Tensor) -> torch.Tensor:
    return bones(xyz)[..., 1:, :].norm(dim=-1)


def flexion(xyz: torch.Tensor, limb: tuple[int, ...]) -> torch.Tensor:
    bone = unit(bones(xyz))
    return torch.rad2deg(torch.acos((bone[..., limb[0], :] * bone[..., limb[1], :]).sum(-1).clamp(-1, 1)))


def test_bones_and_joints_are_inverse():
    xyz = walkers()
    assert (joints(bones(xyz)) - xyz).abs().max() < 1e-5


@pytest.mark.parametrize(
    "exchange", [lambda x, g: aug.exchange_arm(x, L_ARM, 1.0, g), lambda x, g: aug.exchange_halves(x, 1.0, g)]
)
def test_exchange_keeps_bones_and_everything_below(exchange):
    xyz = walkers()
    mixed = exchange(xyz, generator())
    assert (lengths(mixed) - lengths(xyz)).abs().max() < 1e-4
    assert torch.allclose(mixed[..., :7, :], xyz[..., :7, :], atol=1e-6)
    assert (mixed - xyz).abs().amax((1, 2, 3)).gt(0.01).sum() >= 4


def test_an_exchanged_arm_moves_as_it_did_on_the_other_chest():
    xyz = walkers(2)
    seed = next(s for s in range(20) if torch.randperm(2, generator=generator(s)).tolist() == [1, 0])
    mixed = aug.exchange_arm(xyz, L_ARM, 1.0, generator(seed))
    local = lambda x: (chest_frame(x).mT @ bones(x)[..., list(L_ARM), :].mT).mT  # noqa: E731
    assert (local(mixed) - local(xyz).flip(0)).abs().max() < 1e-4
    assert (bones(mixed)[..., R_ARM[0], :] - bones(xyz)[..., R_ARM[0], :]).abs().max() < 1e-5


def test_exchanged_halves_face_the_way_the_legs_go():
    mixed = aug.exchange_halves(walkers(), 1.0, generator())
    ahead = (chest_frame(mixed)[..., 2] * heading_frame(mixed)[..., 2]).sum(-1)
    assert ahead.min() > 0.9


def test_an_arm_never_enters_the_trunk():
    xyz = walkers(2)
    through = bones(xyz)
    through[1, :, L_ARM[0]] = torch.tensor([-0.3, 0.0, 0.0]) * 0.6  # points into the body
    through[1, :, L_ARM[1]] = torch.tensor([0.0, -0.2, 0.0])
    xyz[1] = joints(through)[1]
    swapped = next(s for s in range(20) if torch.randperm(2, generator=generator(s)).tolist() == [1, 0])
    mixed = aug.exchange_arm(xyz, L_ARM, 1.0, generator(swapped))
    assert aug._trunk_distance(mixed[:1]).min() >= min(aug.TRUNK_RADIUS_M, float(aug._trunk_distance(xyz[:1]).min()))


def test_perturbed_angles_keep_bones_limits_and_stance():
    xyz = walkers(16)
    changed = aug.perturb_angles(xyz, 15.0, 8.0, generator())
    assert (lengths(changed) - lengths(xyz)).abs().max() < 1e-4
    assert (changed - xyz).abs().mean() > 0.005
    for limb in (L_ARM, R_ARM, L_LEG, R_LEG):
        assert flexion(changed, limb).max() < 152
    assert changed[..., list(ANKLES), 1].amin(2).sub(0.08).abs().max() < 0.06
    both = [x[..., list(ANKLES), :] for x in (changed, xyz)]
    clear = (both[1][..., 1] - both[1][..., 1].flip(-1)) < -0.08  # this foot alone carries the body
    assert clear.any() and (both[0] - both[1]).norm(dim=-1)[clear].max() < 0.02


def test_perturbation_is_slow():
    xyz = walkers(16)
    jerk = lambda x: x.diff(n=2, dim=1).norm(dim=-1).mean()  # noqa: E731
    assert jerk(aug.perturb_angles(xyz, 10.0, 4.0, generator())) < 1.5 * jerk(xyz)


def test_bodies_vary_alike_on_both_sides_and_stay_on_the_floor():
    xyz = walkers(64)
    varied = body_variation.vary_body(xyz, 0.1, 0.15, (1.5, 1.9), generator())
    length = lengths(varied)[:, 0]
    left, right = (torch.tensor([j - 1 for j in side]) for side in (H36M_17.left, H36M_17.right))
    assert torch.allclose(length[:, left], length[:, right], atol=1e-3)
    tall = body_variation.stature(bones(varied))
    assert 1.49 < tall.min() < 1.6 and 1.8 < tall.max() < 1.91
    assert (length / length.sum(1, keepdim=True)).std(0).min() > 0.002
    assert varied[..., list(ANKLES), 1].amin(2).min() > 0.05
    assert (lengths(varied) - lengths(varied)[:, :1]).abs().max() < 1e-3


def test_mirror_twice_is_the_same_and_swaps_sides():
    xyz = walkers(3)
    flags = torch.tensor([True, False, True])
    once = body_variation.mirror(xyz, flags)
    assert torch.equal(once[1], xyz[1]) and not torch.equal(once[0], xyz[0])
    assert torch.allclose(once[0, :, 1], xyz[0, :, 4] * torch.tensor([-1.0, 1, 1]))
    assert torch.equal(body_variation.mirror(once, flags), xyz)


def test_a_seed_gives_the_same_motion_and_zero_gives_the_motion_itself():
    xyz = walkers()
    how = aug.Augmentation()
    assert torch.equal(aug.augment(xyz, how, generator(4)), aug.augment(xyz, how, generator(4)))
    nothing = aug.Augmentation(0, 0, 0, 0, 0, 0, mirror=0)
    assert torch.equal(aug.augment(xyz, nothing, generator()), xyz)


def test_warped_times_rise_within_the_tempo():
    times = aug.warped_times(50, 60, 30.0, 0.8, 1.25, generator())
    steps = times.diff(dim=1) * 30
    assert steps.min() > 0.8 * 0.89 and steps.max() < 1.25 * 1.11
    assert steps.mean(1).std() > 0.05 and (times[:, 0] == 0).all()


def ramp_bank() -> Bank:
    """Two segments, 30 and 20 frames at 10 and 20 Hz; every coordinate is the time in seconds, the second from 100."""
    values = torch.cat([torch.arange(30) / 10, 100 + torch.arange(20) / 20])
    return Bank(
        values[:, None, None].expand(50, 17, 3),
        torch.tensor([0, 30]),
        torch.tensor([30, 20]),
        torch.tensor([10.0, 20.0]),
    )


def test_windows_run_at_the_asked_rate_whatever_the_recording():
    times = (torch.arange(20) / 40).expand(200, 20)
    window = sample(ramp_bank(), times, generator())[..., 0, 0]
    steps = window.diff(dim=1)[:, 1:-1]
    assert (steps - 1 / 40).abs().max() < 0.013  # only the ends of a segment bend the cubic
    share = (window[:, 0] > 50).float().mean()
    assert 0.15 < share < 0.35  # 1 s of 4 s


def test_a_window_longer_than_its_segment_turns_back_without_a_jump():
    window = sample(ramp_bank(), (torch.arange(200) / 20).expand(50, 200), generator())[..., 0, 0]
    assert window.diff(dim=1).abs().max() < 0.08
    assert torch.allclose(reflect(torch.tensor([0.0, 4, 5, 9, 11]), torch.tensor(5.0)), torch.tensor([0.0, 4, 5, 1, 1]))


def test_interpolation_hits_frames_and_is_exact_on_a_parabola():
    bank = ramp_bank()
    exact = gather(bank, torch.tensor([0]), torch.tensor([[3.0, 7.0]]))
    assert torch.allclose(exact[0, :, 0, 0], torch.tensor([0.3, 0.7]))
    f = lambda t: torch.tensor(t * t)  # noqa: E731
    assert catmull_rom(f(1.0), f(2.0), f(3.0), f(4.0), torch.tensor(0.4)) == pytest.approx(2.4**2)
