"""Eq. 7 against an independent ray-cast of its rectangles and against true cylinders; gradients; simple bodies."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engines.skeleton import H36M_17
from tests.support.paths import DATA
from tests.support.people.walkers import standing_bones
from trainers.data.mocap.asf_amc import read_amc, read_asf
from trainers.data.mocap.bvh import read_bvh
from trainers.geometry import self_occlusion as cm
from trainers.geometry.virtual_cameras import rotation
from trainers.skeleton.bones import joints

MOTION = DATA / "motion"
J = H36M_17.index
JUDGED = ("elbow", "wrist", "knee", "ankle", "nose", "head")


@pytest.fixture(scope="module")
def poses() -> torch.Tensor:
    """(1500, 17, 3): a jump and a walk from all sides, pitch and roll to 0.2 pi."""
    jump = read_amc(MOTION / "118_01.amc", read_asf(MOTION / "118.asf"))[0]
    walk = read_bvh(MOTION / "03_01.bvh")[0]
    xyz = torch.from_numpy(np.concatenate([jump, walk]))[torch.arange(1500) * 792 // 1500]
    generator = torch.Generator().manual_seed(0)
    angles = (torch.rand(3, 1500, generator=generator) * 2 - 1) * math.pi * torch.tensor([[1.0], [0.2], [0.2]])
    return (xyz - xyz[:, :1]) @ rotation(*angles).mT


def hits(origin: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """Rays (N, 3) towards -z against triangles (N, 3, 3), after Moller and Trumbore."""
    sight = np.array([0.0, 0, -1])
    first, second = triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]
    crossed = np.cross(sight, second)
    determinant = (first * crossed).sum(-1)
    inverse = 1 / np.where(np.abs(determinant) < 1e-12, np.inf, determinant)
    offset = origin - triangle[:, 0]
    u = (offset * crossed).sum(-1) * inverse
    turned = np.cross(offset, first)
    v = (turned @ sight) * inverse
    return (u >= 0) & (v >= 0) & (u + v <= 1) & ((second * turned).sum(-1) * inverse > 0) & (determinant != 0)


def test_equation_7_is_exactly_a_ray_cast_of_the_rectangles(poses):
    corners = cm.rectangles(poses).corners().double().numpy()
    seen = np.ones((len(poses), 17), bool)
    for k, part in enumerate(cm.PARTS):
        for j in set(range(17)) - set(part.own):
            place = poses[:, j].double().numpy()
            a, b, c, d = corners[:, k].transpose(1, 0, 2)
            seen[:, j] &= ~(hits(place, np.stack([a, b, c], 1)) | hits(place, np.stack([a, c, d], 1)))
    assert 0.1 < 1 - seen.mean() < 0.5
    inside, behind = cm.depths(poses)
    close = (inside.abs() < 1e-5) | (behind.abs() < 1e-5)  # float32 cannot tell
    tie = (close & cm.others(poses.device)).any(-1).numpy()
    assert tie.mean() < 0.01 and np.array_equal(cm.visible(poses).numpy()[~tie], seen[~tie])


def behind_a_cylinder(place: torch.Tensor, near: torch.Tensor, far: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """(N,) bool: the way from place towards -z meets the solid cylinder."""
    axis, sight = torch.nn.functional.normalize(far - near, dim=-1), torch.tensor([0.0, 0, -1])
    offset, steep = place - near, axis @ sight
    level = (offset * axis).sum(-1)
    flat_sight, flat = sight - steep[:, None] * axis, offset - level[:, None] * axis
    a, b, c = flat_sight.square().sum(-1), (flat_sight * flat).sum(-1), flat.square().sum(-1) - radius**2
    root = (b * b - a * c).clamp_min(0).sqrt()
    ends = torch.stack([-level, (far - near).norm(dim=-1) - level]) / torch.where(steep.abs() < 1e-9, 1e-9, steep)
    enter, leave = torch.maximum((-b - root) / a, ends.amin(0)), torch.minimum((-b + root) / a, ends.amax(0))
    return (b * b > a * c) & (leave > enter.clamp_min(0))


def true_visibility(poses: torch.Tensor, skin: float) -> torch.Tensor:
    """What solid cylinders leave in sight of a point `skin` metres before each joint."""
    radius, seen = cm.radii(poses), torch.ones(poses.shape[:2], dtype=torch.bool)
    for k, part in enumerate(cm.PARTS):
        for j in set(range(17)) - set(part.own):
            place = poses[:, j] - torch.tensor([0, 0, skin])
            seen[:, j] &= ~behind_a_cylinder(place, poses[:, part.near], poses[:, part.far], radius[:, k])
    return seen


def test_it_agrees_with_true_cylinders(poses):
    """A joint is the middle of a limb: it is in sight where the limb's own skin, 5 cm before it, is."""
    same = (cm.visible(poses) == true_visibility(poses, cm.LIMB_M)).float().mean(0)
    for j, name in enumerate(H36M_17.joints):
        if any(word in name for word in JUDGED):
            assert same[j] >= 0.95, f"{name} {same[j]:.3f}"


def test_limbs_agree_even_where_joints_lie_inside_another_part(poses):
    """Without the skin.  The nose is left out: it lies on the very surface of the head's cylinder."""
    same = (cm.visible(poses) == true_visibility(poses, 0.0)).float().mean(0)
    judged = [j for j, name in enumerate(H36M_17.joints) if any(word in name for word in JUDGED) and name != "nose"]
    assert same[judged].mean() >= 0.95


def standing() -> torch.Tensor:
    return joints(standing_bones()) * torch.tensor([-1.0, -1, -1]) + torch.tensor(
        [0, 1.0, 0]
    )  # facing the camera, y down


def test_a_wrist_behind_the_back_is_hidden_and_in_front_is_not():
    pose = standing()
    middle = (pose[J("thorax")] + pose[J("pelvis")]) / 2
    for depth, seen in ((0.3, False), (-0.3, True)):
        pose[J("left_wrist")] = middle + torch.tensor([0.03, 0, depth])
        assert cm.visible(pose)[J("left_wrist")] == seen


def test_parts_are_the_papers():
    pose = standing()
    assert len(cm.PARTS) == 10
    assert cm.radii(pose).tolist() == pytest.approx([0.10, 0.18, *[0.05] * 8], abs=1e-4)


def test_own_parts_never_hide():
    pose = standing() * torch.tensor([1.0, 1, 0])
    pose[..., 2] = 0
    owned = ~cm.others(pose.device)
    assert owned[J("left_elbow")].sum() == 2 and owned[J("left_wrist")].sum() == 1
    assert owned[J("thorax")].sum() == 2 and not owned[J("nose")].any()


def test_the_differentiable_form_is_the_hard_one_with_soft_edges(poses):
    soft, hard = cm.visibility(poses), cm.visible(poses)
    inside, behind = cm.depths(poses)
    clear = torch.minimum(inside.abs(), behind.abs()).amin(-1) > 0.02
    assert ((soft > 0.5) == hard)[clear].all() and soft.min() >= 0 and soft.max() <= 1
    sharp = cm.visibility(poses, 1e-4)
    assert ((sharp > 0.5) == hard).float().mean() > 0.999


def test_its_gradient_is_right_and_hides_a_visible_joint():
    pose = standing().double()
    middle = (pose[J("thorax")] + pose[J("pelvis")]) / 2
    pose[J("left_wrist")] = middle + torch.tensor([0.005, 0, 0.001])  # at the plane of the trunk
    pose.requires_grad_()
    wrist = lambda x: cm.visibility(x, 0.05)[J("left_wrist")]  # noqa: E731
    assert torch.autograd.gradcheck(wrist, pose, eps=1e-6, atol=1e-4)
    wrist(pose).backward()
    assert pose.grad[J("left_wrist"), 2] < -1.0  # deeper is better hidden


def test_degenerate_bodies_give_finite_answers():
    for pose in (torch.zeros(2, 17, 3), torch.zeros(17, 3) + torch.arange(17.0)[:, None] * torch.tensor([0, 0, 0.1])):
        pose.requires_grad_()
        value = cm.visibility(pose)
        value.sum().backward()
        assert torch.isfinite(value).all() and torch.isfinite(pose.grad).all()
