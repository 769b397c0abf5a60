"""The corrector: believed joints stay on their rays, a person's distance is found, mirror images and tilts agree."""

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import BLAZEPOSE_33, BODY_37
from trainers.models.blocks import bfloat16
from trainers.models.causal.corrector import HIPS, Corrector, person_view

SIDES = [BODY_37.index(name) for name in ("left_wrist", "right_knee", "left_eye", "right_heel")]


def people(count: int = 5, seed: int = 0):
    """Exact rays and 3D of people who stand 2 to 4 m away, off the axis; (rays, world along the person's ray, xyz)."""
    g = torch.Generator().manual_seed(seed)
    xyz = torch.randn(count, 33, 3, generator=g) * 0.3
    xyz = xyz - xyz[:, HIPS].mean(1, keepdim=True)
    root = torch.tensor([0.6, -0.4, 2.0]) * (1 + torch.rand(count, 1, generator=g))
    placed = xyz + root[:, None]
    rays = placed[..., :2] / placed[..., 2:]
    rotation = person_view(rays, xyz, torch.ones(count, 33)).rotation
    return rays, xyz @ rotation, xyz, root


def shaken(model):
    torch.manual_seed(1)
    for member in model.members:
        torch.nn.init.normal_(member.outer.weight, 0, 0.1)
    return model.eval()


def test_an_untrained_corrector_leaves_an_exact_detector_as_it_is():
    rays, world, xyz, root = people()
    found, sigma = Corrector(16, 1).eval()(rays, world, torch.ones(5, 33))
    view = person_view(rays, world, torch.ones(5, 33))
    nose = xyz[:, BLAZEPOSE_33.index("nose")] - xyz[:, HIPS].mean(1)
    assert (view.distance - root.norm(dim=-1)).abs().max() < 0.15
    assert (found[:, BODY_37.index("nose")] - nose).norm(dim=-1).max() < 0.05
    assert sigma.shape == (5, 37) and (found[:, 0] == 0).all()


def test_believed_joints_stay_on_their_rays_and_others_may_leave_them():
    model = shaken(Corrector(16, 1))
    rays, world, _, _ = people()
    points = [BLAZEPOSE_33.index(BODY_37.joints[j]) for j in SIDES]

    def off_ray(reliability):
        view = person_view(rays, world, reliability)
        xyz, _ = model.correct(view)
        at = view.rays[:, points] - view.rays[:, HIPS].mean(1, keepdim=True)
        depth = view.distance[:, None]  # whatever the distance is, one plane through eye and ray holds the joint
        cross = xyz[:, SIDES, 0] * at[..., 1] - xyz[:, SIDES, 1] * at[..., 0]
        return (cross / depth).abs()

    everything = torch.ones(5, 33)
    doubtful = everything.clone()
    doubtful[:, points] = 0.1
    with torch.no_grad():
        assert off_ray(doubtful).mean() > 3 * off_ray(everything).mean()


def test_the_mean_of_the_members_answers_and_a_share_of_its_residuals_counts():
    model = shaken(Corrector(16, 1, members=3))
    rays, world, _, _ = people()
    view = person_view(rays, world, torch.ones(5, 33))
    with torch.no_grad():
        each = model.answers(view)
        assert len(each) == 3 and not torch.allclose(each[0], each[1])
        whole, sigma = model.correct(view)
        assert torch.allclose(whole, model.placed(view, torch.stack(each).mean(0))[0], atol=1e-6)
        model.restraint.fill_(0.0)
        own, same = model.correct(view)
        model.restraint.fill_(0.5)
        half, _ = model.correct(view)
    depth = [pose[..., 2] for pose in (own, half, whole)]
    assert torch.allclose(depth[1], (depth[0] + depth[2]) / 2, atol=1e-6) and (depth[2] - depth[0]).abs().max() > 1e-3
    assert torch.equal(own[:, :17, 2], (model.weights @ world)[:, :17, 2] - (model.weights @ world)[:, :1, 2])
    assert torch.equal(sigma, same)


def test_doubtful_points_hardly_count_for_the_distance():
    rays, world, _, _ = people()
    reliability = torch.ones(5, 33)
    good = person_view(rays, world, reliability).distance
    rays = rays.clone()
    rays[:, 0] += 1.0
    reliability[:, 0] = 0.0
    doubted = person_view(rays, world, reliability).distance
    believed = person_view(rays, world, torch.ones(5, 33)).distance
    assert (doubted - good).abs().mean() < 0.2 * (believed - good).abs().mean()


def test_the_skeleton_keeps_h36m_in_its_places_and_mirrors():
    from engines.skeleton import H36M_17, mapping

    assert BODY_37.joints[:17] == H36M_17.joints and BODY_37.parents[:17] == H36M_17.parents
    assert set(BLAZEPOSE_33.joints) <= set(BODY_37.joints) and len(set(BODY_37.joints)) == 37
    for a, b in zip(BODY_37.left, BODY_37.right):
        assert BODY_37.joints[a].replace("left", "right") == BODY_37.joints[b]
    weights = mapping("blazepose33", "body37")
    assert (weights[:17] == mapping("blazepose33", "h36m17")).all()
    assert (weights.sum(1) - 1 < 1e-6).all() and (weights[17:].max(1) == 1).all()


@pytest.mark.parametrize("there", [True, False])
def test_products_are_in_bfloat16_only_where_the_processor_has_them(monkeypatch, there):
    seen = []
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: there)
    bfloat16.pays.cache_clear()
    model = Corrector(16, 1, fast=True).train()
    model.members[0].inner.register_forward_hook(lambda module, given, answer: seen.append(answer.dtype))
    model(torch.rand(2, 33, 2), torch.rand(2, 33, 3), torch.ones(2, 33))
    model.eval()(torch.rand(2, 33, 2), torch.rand(2, 33, 3), torch.ones(2, 33))
    bfloat16.pays.cache_clear()
    assert seen == [torch.bfloat16 if there else torch.float32, torch.float32]
