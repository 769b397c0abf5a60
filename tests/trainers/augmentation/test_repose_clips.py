"""Other bodies in other poses, seen with the same errors of the detector."""

import pytest

torch = pytest.importorskip("torch")

from trainers.augmentation.repose_clips import Change, another, followed, rays
from trainers.geometry.person_frame import toward
from trainers.skeleton.body_variation import stature
from trainers.skeleton.bones import bones

CLIPS, TICKS = 40, 20


def people():
    """Somebody upright with bent limbs 4 m away, y down."""
    g = torch.Generator().manual_seed(0)
    up = torch.tensor(
        [[0, 0, 0], [-1, 0, 0], [-1, -4, 1], [-1, -8, 0], [1, 0, 0], [1, -4, 1], [1, -8, 0], [0, 2, 0], [0, 5, 0],
         [0, 6, 1], [0, 7, 0], [2, 5, 0], [3, 3, 0], [3, 2, 2], [-2, 5, 0], [-3, 3, 0], [-3, 2, 2]]
    ) * 0.1  # fmt: skip
    pose = (up + 0.01 * torch.randn(CLIPS, TICKS, 17, 3, generator=g)) * torch.tensor([1.0, -1.0, -1.0])
    pose = pose - pose[:, :, :1]
    return pose, torch.tensor([0.5, -0.2, 4.0]).expand(CLIPS, TICKS, 3)


def test_bodies_and_limbs_change_in_their_share_of_clips():
    pose, _ = people()
    limbs, sized = another(pose, Change(share=0.5), torch.Generator().manual_seed(1))
    moved = (limbs - pose).norm(dim=-1).mean(1)  # (B, 17)
    changed = moved.amax(1) > 1e-6
    assert 0.25 < changed.float().mean() < 0.75 and bool((moved[changed][:, 13] > 0.01).all())
    ratio = sized.norm(dim=-1)[..., 1:] / limbs.norm(dim=-1)[..., 1:]
    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), atol=1e-4)
    assert torch.allclose(stature(bones(limbs)), stature(bones(pose)), atol=0.01)
    assert torch.equal(sized[:, :, 0], torch.zeros_like(sized[:, :, 0]))


def test_exact_keypoints_stay_exact_and_the_detectors_3d_follows():
    pose, root = people()
    how, zoom = Change(share=1.0), torch.full((CLIPS, TICKS), 1.3)
    new = another(pose, how, torch.Generator().manual_seed(2))
    look = toward(root[..., :2] / root[..., 2:])
    x, world = 1.3 * rays(pose, root), pose @ look
    seen = torch.zeros(CLIPS, TICKS, 17) > 0
    x_new, world_new = followed(x, world, seen, pose, new, root, zoom)
    assert torch.allclose(x_new, 1.3 * rays(new[1], root), atol=1e-5)
    assert torch.allclose(world_new, new[0] @ look, atol=1e-5)


def test_what_is_hidden_stays_where_the_detector_put_it_and_errors_are_kept():
    pose, root = people()
    g = torch.Generator().manual_seed(3)
    error = 0.02 * torch.randn(CLIPS, TICKS, 17, 2, generator=g)
    x, world, zoom = rays(pose, root) + error, torch.zeros_like(pose), torch.ones(CLIPS, TICKS)
    hidden = torch.rand(CLIPS, TICKS, 17, generator=g) < 0.3
    new = another(pose, Change(share=1.0), g)
    x_new, world_new = followed(x, world, hidden, pose, new, root, zoom)
    assert torch.equal(x_new[hidden], x[hidden]) and torch.equal(world_new[hidden], world[hidden])
    assert torch.allclose(x_new[~hidden] - rays(new[1], root)[~hidden], error[~hidden], atol=1e-5)


def test_nothing_is_changed_where_nothing_shall_be():
    pose, _ = people()
    still = Change(share=1.0, arms_deg=0.0, legs_deg=0.0, proportions=0.0, size=0.0)
    limbs, sized = another(pose, still, torch.Generator().manual_seed(4))
    assert torch.allclose(sized, pose, atol=2e-3) and torch.allclose(limbs, sized)
