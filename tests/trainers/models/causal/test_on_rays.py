"""Believed joints lie on their rays at depths that fit their bones; doubted ones and strays stay where they were."""

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import H36M_17
from trainers.models.causal.on_rays import MOST_M, PARENTS, place_on_rays

WRIST, KNEE = H36M_17.index("left_wrist"), H36M_17.index("right_knee")
FREE = [H36M_17.index(name) for name in ("pelvis", "spine", "thorax", "head")]
DISTANCE = 3.0


@pytest.fixture
def person():
    """Return a pose (1, 17, 3), where a camera sees it, full trust, its bones' lengths."""
    g = torch.Generator().manual_seed(4)
    pose = torch.randn(1, 17, 3, generator=g) * 0.3
    pose = pose - pose[:, :1]
    length = (pose[:, 1:] - pose[:, PARENTS]).norm(dim=-1)
    return pose, seen(pose), torch.ones(1, 17), length


def seen(pose):
    return pose[..., :2] / (DISTANCE + pose[..., 2:])


def moved(pose, joint, by):
    other = pose.clone()
    other[:, joint] += torch.tensor(by)
    return other


def off(pose, truth, joint):
    return float((pose - truth)[0, joint].norm())


def test_what_agrees_with_its_keypoints_and_lengths_stays(person):
    pose, rays, trust, length = person
    assert (place_on_rays(pose, rays, trust, length, 0.5) - pose).abs().max() < 1e-3


def test_a_believed_joint_moves_onto_its_ray_and_a_doubted_one_stays(person):
    pose, rays, trust, length = person
    aside = moved(pose, WRIST, (0.02, 0.0, 0.0))
    assert off(place_on_rays(aside, rays, trust, length, 0.5), pose, WRIST) < 0.01
    trust[:, WRIST] = 0.4
    assert abs(off(place_on_rays(aside, rays, trust, length, 0.5), pose, WRIST) - 0.02) < 2e-3


def test_a_keypoint_far_from_where_it_is_expected_moves_little(person):
    pose, rays, trust, length = person
    far = rays.clone()
    far[:, KNEE] += torch.tensor((0.5 / DISTANCE, 0.0))  # half a metre beside the person
    assert off(place_on_rays(pose, far, trust, length, 0.5), pose, KNEE) < 0.1


def test_a_depth_that_makes_a_bone_too_long_comes_nearer(person):
    pose, rays, trust, length = person
    parent = PARENTS[WRIST - 1]
    pose = pose.clone()
    pose[:, WRIST] = pose[:, parent] + torch.tensor((0.05, 0.05, 0.2))  # the forearm points along the line of sight
    rays, length = seen(pose), (pose[:, 1:] - pose[:, PARENTS]).norm(dim=-1)
    farther = moved(pose, WRIST, (0.0, 0.0, 0.08))
    found = place_on_rays(farther, rays, trust, length, 0.5)
    assert off(found, pose, WRIST) < 0.65 * 0.08
    much = place_on_rays(farther, rays, trust, length * 10, 0.5)[0, :, 2] - farther[0, :, 2]
    assert much[WRIST].abs() < 17 * MOST_M  # bounded, bone by bone


def test_what_hangs_on_a_joint_follows_its_depth():
    elbow = PARENTS[WRIST - 1]
    shoulder = PARENTS[elbow - 1]
    pose = torch.zeros(1, 17, 3)
    pose[..., 0] = torch.arange(17) * 0.1 - 0.8
    pose[:, 0] = 0
    pose[:, elbow] = pose[:, shoulder] + torch.tensor((0.0, 0.0, 0.25))
    pose[:, WRIST] = pose[:, elbow] + torch.tensor((0.0, 0.25, 0.0))
    rays, trust = seen(pose), torch.zeros(1, 17)
    trust[:, elbow] = 1.0
    length = (pose[:, 1:] - pose[:, PARENTS]).norm(dim=-1)
    length[:, elbow - 1] += 0.04
    found = place_on_rays(pose, rays, trust, length, 0.5)
    assert found[0, elbow, 2] - pose[0, elbow, 2] > 0.01
    assert torch.allclose(found[0, WRIST, 2] - pose[0, WRIST, 2], found[0, elbow, 2] - pose[0, elbow, 2], atol=1e-5)


def test_joints_that_are_no_point_keep_their_place_in_the_picture(person):
    pose, rays, trust, length = person
    found = place_on_rays(
        pose, rays + 0.02 * torch.randn(rays.shape, generator=torch.Generator().manual_seed(5)), trust, length, 0.5
    )
    assert (found - pose)[0, FREE, :2].abs().max() < 1e-6 and (found - pose)[..., :2].abs().max() > 1e-3
