"""Clips of both sources, their mirror images and turned cameras."""

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import H36M_17
from trainers.data.clips import Clips, Footage, varied

CLIPS, TICKS = 64, 12


def exact() -> Clips:
    """A camera that sees everybody exactly, the detector's own 3D is the truth."""
    g = torch.Generator().manual_seed(0)
    pose = torch.randn(CLIPS, TICKS, 17, 3, generator=g) * 0.3
    pose = pose - pose[:, :, :1]
    place = pose + torch.tensor([0.2, -0.1, 4.0])
    ones = torch.ones(CLIPS, TICKS, 17)
    time = torch.arange(TICKS).float().expand(CLIPS, -1) / 30
    return Clips(place[..., :2] / place[..., 2:], ones, pose, time, pose, ones < 0, torch.ones(CLIPS, TICKS) > 0)


def test_a_varied_clip_is_still_what_a_camera_sees():
    clips, g = exact(), torch.Generator().manual_seed(1)
    new = varied(clips, g, zoom=0.0)
    assert torch.allclose(new.pose, new.world, atol=1e-6)
    direction = (new.x[:, :, 0] ** 2).sum(-1)
    assert torch.allclose(direction, (clips.x[:, :, 0] ** 2).sum(-1), atol=1e-6)
    # a joint's ray is the root's ray moved by its offset at its own depth
    depth = 4.0 + new.pose[..., 2]
    seen = (new.x[:, :, :1] * 4.0 + new.pose[..., :2]) / depth[..., None]
    assert torch.allclose(seen, new.x, atol=1e-5)


def test_half_of_the_clips_are_mirrored_with_their_names():
    clips = exact()
    new = varied(clips, torch.Generator().manual_seed(2), roll=0.0, zoom=0.0)
    left, right = H36M_17.index("left_knee"), H36M_17.index("right_knee")
    flipped = torch.isclose(new.x[:, 0, left, 0], -clips.x[:, 0, right, 0])
    assert 0.25 < flipped.float().mean() < 0.75
    assert torch.equal(new.x[~flipped], clips.x[~flipped])


def test_windows_that_outlast_their_clip_do_not_count_at_the_end():
    ticks = torch.arange(30).float()
    spread = ticks[:, None, None].expand(-1, 17, 3).contiguous()
    flat = torch.ones(30, 17)
    footage = Footage(
        spread[..., :2],
        flat,
        spread,
        spread,
        flat < 0,
        spread[:, 0] + 4,
        flat[:, 0],
        torch.tensor([0, 10]),
        torch.tensor([10, 20]),
        torch.ones(2) > 0,
    )
    clips = footage.sample(50, 15, torch.Generator().manual_seed(0))
    first = clips.pose[:, 0, 0, 0]
    short = first < 10
    assert bool((clips.valid.sum(1)[short] <= 10).all()) and bool(clips.valid[~short].all())
    assert bool((clips.pose[short][..., 0].amax((1, 2)) <= 9).all())
