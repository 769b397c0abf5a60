"""`hold`: whom it believes, what it holds, and sigma measured on rendered people."""

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import H36M_17
from tests.trainers.test_clips.test_from_detections import clip
from trainers.data.shards.clip_shards import write_shard
from trainers.deploy.calibrate_hold import hold_lifter
from trainers.errors import UserError
from trainers.models.blocks.sigma_by_age import UNKNOWN
from trainers.models.causal.hold import HoldLifter

WRIST, ELBOW, HIP = (H36M_17.index(j) for j in ("left_wrist", "left_elbow", "left_hip"))


def answers(reliability_of: dict[int, float]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # type: ignore[name-defined]
    """(poses (2, 17, 3), the detector's, sigma (2, 17)): a person ahead moves, in the second frame some are doubted."""
    g = torch.Generator().manual_seed(0)
    x, world = torch.zeros(1, 2, 17, 2), 0.3 * torch.randn(1, 2, 17, 3, generator=g)
    world = world - world[:, :, :1]
    reliability = torch.ones(1, 2, 17)
    for joint, value in reliability_of.items():
        reliability[0, 1, joint] = value
    xyz, log_sigma = HoldLifter().clip(x, reliability, torch.tensor([[0.0, 1 / 30]]), world)
    return xyz[0], world[0], log_sigma[0].exp()


def test_what_is_believed_is_the_detectors_own():
    xyz, world, sigma = answers({})
    assert torch.allclose(xyz, world, atol=1e-6) and bool((sigma == sigma[0, 0]).all())


def test_a_hidden_joint_is_held_and_a_half_believed_one_is_a_mean_of_both():
    held, world, sigma = answers({WRIST: 0.0})
    assert torch.allclose(held[1, WRIST], world[1, ELBOW] + world[0, WRIST] - world[0, ELBOW], atol=1e-6)
    assert sigma[1, WRIST] > sigma[1, ELBOW]
    half, _, _ = answers({WRIST: 0.25})
    assert torch.allclose(half[1, WRIST], (held[1, WRIST] + world[1, WRIST]) / 2, atol=1e-6)
    assert torch.allclose(half[1, ELBOW], world[1, ELBOW], atol=1e-6)


def test_the_trunk_is_held_only_when_it_is_hardly_believed():
    doubted, world, _ = answers({HIP: 0.3})
    assert torch.allclose(doubted[1], world[1], atol=1e-6)
    held, world, _ = answers({HIP: 0.0})
    assert torch.allclose(held[1, HIP], world[0, HIP], atol=1e-6)


def test_of_what_was_never_seen_the_detectors_claim_is_all_there_is():
    g = torch.Generator().manual_seed(1)
    world = 0.3 * torch.randn(1, 1, 17, 3, generator=g)
    reliability = torch.ones(1, 1, 17)
    reliability[0, 0, WRIST] = 0.1
    xyz, _ = HoldLifter().clip(torch.zeros(1, 1, 17, 2), reliability, torch.zeros(1, 1), world)
    assert torch.allclose(xyz, world - world[:, :, :1], atol=1e-6)


def test_sigma_is_measured_on_rendered_people_who_calibrate(tmp_path):
    for name, subject in (("theirs", "05"), ("others", "01")):
        (tmp_path / name).mkdir()
        write_shard(tmp_path / name, 0, [clip(frames=240, subject=subject)])
    seen = hold_lifter([str(tmp_path / "theirs")]).sigma.metres[1:, 0]
    assert bool((seen < 0.01).all()) and UNKNOWN[0] > 0.01  # the detector's own 3D is the truth in this shard
    with pytest.raises(UserError, match="nobody of 05, 07, 32, 124"):
        hold_lifter([str(tmp_path / "others")])
