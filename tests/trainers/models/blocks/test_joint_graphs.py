"""Graphs over joints: who is nearest, what the ends of a window hear, no jumps."""

from __future__ import annotations

import pytest
import torch

from engines.skeleton import H36M_17
from trainers.models.blocks import joint_graphs as graphs

J = H36M_17.index


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, 17, 8, generator=torch.Generator().manual_seed(seed))


def test_hops_are_bones_between_joints():
    hops = graphs.hops()
    assert hops[J("left_wrist"), J("left_elbow")].floor() == 1 and hops[J("left_wrist"), J("right_ankle")].floor() == 8
    assert (hops.diagonal() == 0).all() and (hops[~torch.eye(17, dtype=torch.bool)] >= 1).all()


@pytest.mark.parametrize("count", [1, 3, 7, 17])
def test_the_nearest_are_those_of_a_plain_search(count):
    x = features(2, 3).double()
    found = graphs.nearest(x, count, 1e-9 * graphs.hops(), 1e-6, torch.zeros(()))
    chosen = torch.cdist(x, x).topk(count, largest=False).indices
    expected = torch.zeros(2, 3, 17, 17).double().scatter(-1, chosen, 1 / count)
    assert (found - expected).abs().max() < 1e-3


def test_nobody_moves_and_bones_decide():
    still = torch.zeros(1, 17, 8)
    found = graphs.nearest(still, 3, graphs.TIE * graphs.hops(), 0.3, torch.zeros(()))[0]
    around = found[J("left_elbow")]
    assert around[[J("left_elbow"), J("left_shoulder"), J("left_wrist")]].min() > 0.2
    assert around[J("right_ankle")] == 0


def test_a_neighbour_fades_and_never_jumps():
    x = torch.zeros(1, 17, 8)
    x[0, :, 0] = torch.arange(17.0) ** 1.1
    walk = torch.stack([x[0].index_add(0, torch.tensor([5]), torch.full((1, 8), 0.01 * k)) for k in range(800)])
    found = graphs.nearest(walk, 3, graphs.TIE * graphs.hops(), 0.3, torch.tensor(0.5))
    assert found.diff(dim=0).abs().max() < 0.05 and (found[0] - found[-1]).abs().max() > 0.2


@pytest.mark.parametrize("style", graphs.STYLES)
@pytest.mark.parametrize("over_time", [False, True])
def test_every_style_gives_rows_that_sum_to_one(style, over_time):
    torch.manual_seed(0)
    found = graphs.Neighbours(style, 4, 0.3, over_time)(features(2, 4), features(2, 4)[..., :2])
    assert found.shape == (2, 3 if over_time else 4, 17, 17)
    assert (found.sum(-1) - 1).abs().max() < 1e-5 and found.min() >= 0


def test_fixed_symmetry_and_precomputed_are_what_they_are_called():
    x, pose = features(1, 1), features(1, 1, seed=1)[..., :2]
    fixed = graphs.Neighbours("fixed", 3, 0.3, False)(x, pose)[0, 0] > 0
    assert torch.equal(fixed, (graphs.skeleton() + torch.eye(17)) > 0)
    mirror = graphs.Neighbours("symmetry", 3, 0.3, True)(features(1, 2), None)[0, 0]
    assert mirror[J("left_knee"), J("right_knee")] == 0.5 and mirror[0, 0] == 1
    first = graphs.Neighbours("precomputed", 3, 0.3, False)
    assert torch.equal(first(x, pose), first(features(1, 1, seed=9), pose))


def test_importance_is_a_layer_on_both_joints():
    layer, x = graphs.Importance(8, "connected"), features(1, 1)
    found = layer(x, x, torch.ones(17, 17))[0, 0, 2, 5]
    expected = torch.sigmoid(layer.mine(x[0, 0, 2]) + layer.theirs(x[0, 0, 5]))
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    assert sum(p.numel() for p in layer.parameters()) == 2 * 8 + 1
    gaussian = graphs.Importance(8, "gaussian")(x, x, torch.ones(17, 17))
    assert (gaussian.sum(-1) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("layer", ["fixed", "dynamic"])
def test_at_a_windows_ends_the_missing_frame_is_left_out(layer):
    """The first frame hears itself and the second, the last one itself and the one before; frame 0 never hears 2."""
    torch.manual_seed(0)
    unit = graphs.FixedTemporal(8) if layer == "fixed" else graphs.DynamicTemporal(8, "full", 3, 0.3, "none")
    x = features(1, 3)
    whole, alone = unit(x, x[..., :2]), unit(x[:, :2], x[:, :2, :, :2])
    assert torch.allclose(whole[:, 0], alone[:, 0], atol=1e-6)
    assert (whole[:, 1] - alone[:, 1]).abs().max() > 1e-2
    assert torch.allclose(unit(x[:, :1], x[:, :1, :, :2]), unit.own(x[:, :1]))


def test_unknown_styles_and_counts_are_refused():
    with pytest.raises(ValueError, match="known: dynamic"):
        graphs.Neighbours("nearest", 3, 0.3, False)
    with pytest.raises(ValueError, match="18 neighbours"):
        graphs.Neighbours("dynamic", 18, 0.3, False)
    with pytest.raises(ValueError, match="known: connected"):
        graphs.Importance(8, "heavy")
