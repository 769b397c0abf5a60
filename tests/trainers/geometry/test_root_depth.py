"""Distance from a bone of known length: closed form, smoothing, what is unseen says nothing."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.support.people.walkers import walkers
from trainers.geometry.root_depth import KEEP, REFERENCES, USUAL_M, RootDepth, from_bone
from trainers.models.blocks.inputs import facing


def scene(at: tuple[float, float, float] = (0.4, -0.2, 4.0), focal: float = 1.0):
    """Rays and depths of walkers as a camera sees them that looks at the pelvis, and their true distance."""
    pose = walkers(3, 20)
    pose = (pose - pose[:, :, :1]) * torch.tensor([1.0, -1, -1])
    xyz = pose + torch.tensor(at)
    rays, rotation = facing(focal * xyz[..., :2] / xyz[..., 2:])
    return rays, (pose @ rotation)[..., 2], torch.full((3, 20), torch.tensor(at).norm().item()), pose


@pytest.mark.parametrize("bone", REFERENCES)
def test_true_depths_give_the_true_distance(bone):
    rays, depth, root, pose = scene()
    near, far = REFERENCES[bone]
    length = (pose[:, :, near] - pose[:, :, far]).norm(dim=-1)
    found, weight = from_bone(rays, depth, REFERENCES[bone], length)
    good = weight > 1e-4  # a bone along the line of sight shows no distance
    assert good.float().mean() > 0.5 and ((found - root).abs()[good] < 1e-2).all()


def test_gradient_agrees_with_finite_differences():
    rays, depth, _, _ = scene()
    rays, depth = rays[0, :1].double(), depth[0, :1].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda d: from_bone(rays, d, REFERENCES["trunk"], 0.5)[0], depth)


def test_a_guessed_focal_length_scales_the_distance():
    true, guessed = (RootDepth().clip(*scene(focal=f)[:2], torch.ones(3, 20, 17)) for f in (1.0, 0.8))
    assert (guessed / true).mean() == pytest.approx(1 / 0.8, rel=0.08)


def test_steps_equal_the_clip_and_a_reset_forgets():
    rays, depth, _, _ = scene()
    model, seen = RootDepth(("trunk", "shoulders")), (torch.rand(3, 20, 17) > 0.3).float()
    whole = model.clip(rays, depth, seen)
    state = torch.full((3, 2), 9.0)
    for t in range(20):
        now, state = model.step(rays[:, t], depth[:, t], seen[:, t], state, torch.full((3,), t == 0))
        assert torch.allclose(now, whole[:, t], atol=1e-4)


def test_nothing_seen_is_the_usual_distance_and_later_the_last_one():
    rays, depth, _, _ = scene()
    model, seen = RootDepth(), torch.zeros(3, 20, 17)
    assert torch.allclose(model.clip(rays, depth, seen), torch.full((3, 20), USUAL_M))
    seen[:, 0] = 1
    found = model.clip(rays, depth, seen)
    assert (found[:, -1] - found[:, 0]).abs().max() < 0.01 and 0.9 < KEEP < 1


def test_lengths_are_measured_on_people():
    model = RootDepth(("trunk", "left_thigh"))
    model.measure(walkers(2, 5).flatten(0, 1))
    assert model.length.tolist() == pytest.approx([0.48, 0.43], abs=0.01)
