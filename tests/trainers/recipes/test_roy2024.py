"""Roy 2024: exact sizes, streamed as trained, masks, distances, triangulated labels, learning."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.store import open_engine
from realtime.config.schema import CameraConfig, LiftConfig
from realtime.lift.lifter import Lifter
from tests.realtime.lift.test_lifter import seen as keypoints
from tests.support.networks.trying import doubted, there_and_back
from tests.support.people.walkers import walkers
from trainers.cli import main
from trainers.config import load
from trainers.data import motion
from trainers.data.motion import MotionSegment
from trainers.deploy.export import export
from trainers.deploy.load_trained import load_trained
from trainers.deploy.run_engine import lift
from trainers.geometry.person_frame import PELVIS
from trainers.models.papers.roy2024 import Roy2024
from trainers.models.papers.roy2024_nets import FRAMES, RNet, spatial, temporal
from trainers.recipes import roy2024, virtual_people

CONFIG = "configs/train/roy2024.yaml"


def lifter(*about, **changes) -> Roy2024:
    torch.manual_seed(2)
    model = Roy2024(*about, **changes).eval()
    torch.nn.init.normal_(model.rnet.fusion.weight, 0, 0.01)
    return model


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_the_papers():
    model = Roy2024()
    assert count(model.lnet) == 4_302_865
    assert sum(count(r) for r in model.rnet.relations) == 13_440 and len(model.rnet.relations) == 5
    assert count(model.rnet.fusion) == 573_393
    assert count(model) == 4_302_865 + 13_440 + 573_393


@pytest.mark.parametrize(("target", "hold"), [(30, True), (15, False), (0, True)])
def test_e13_steps_equal_the_clip_within_a_tenth_of_a_millimetre(target, hold):
    model, frames = lifter(target, hold=hold), 110
    x, sure = torch.randn(2, frames, 17, 2).cumsum(1) * 0.02, torch.rand(2, frames, 17)
    sure[:, 2:, 16] *= 0.4
    dt = torch.full((2, frames), 1 / 30)
    state = {name: torch.zeros(2, *shape) for name, shape in model.contract().state}
    found = []
    with torch.no_grad():
        whole, _ = model.clip(x, sure, dt.cumsum(1))
        for k in range(frames + model.look_ahead):
            at = min(k, frames - 1)
            xyz, _, state = model.step(x[:, at], sure[:, at], dt[:, at], torch.full((2,), float(k == 0)), state)
            found.append(xyz)
    assert (torch.stack(found, 1)[:, model.look_ahead :] - whole).abs().max() < 1e-4


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """(model, exported folder): ten ticks late, holding."""
    model, out = lifter(20, hold=True), tmp_path_factory.mktemp("roy") / "roy"
    export(model, out, {}, {})
    return model, out


def test_exported_and_streamed_it_answers_as_in_training(shipped):
    (model, out), one = shipped, doubted(45)
    engine = open_engine(out, "cpu", 1)
    ((xyz, sigma),) = lift(engine, [one])
    x, sure = there_and_back(one)
    with torch.no_grad():
        whole, log_sigma = model.clip(x, sure, torch.arange(x.shape[1])[None] / 30)
    assert engine.contract.look_ahead == 10 and np.abs(xyz - whole[0].numpy()).max() < 1e-4
    assert np.abs(sigma - log_sigma[0].exp().numpy())[:-10].max() < 1e-4


def test_it_lifts_live_with_its_look_ahead_published(shipped):
    live = Lifter(open_engine(shipped[1], "cpu", 1), LiftConfig(), CameraConfig(), "learned")
    answers = [pose for i in range(40) for pose in live.lift(keypoints(i))] + live.flush()
    assert live.look_ahead_ms == pytest.approx(333.3, abs=0.1)
    assert [a.stamp.seq for a in answers] == list(range(40)) and all(
        np.isfinite(a.people[0].xyz).all() for a in answers
    )


def test_relations_average_neighbours_of_one_kind():
    three = temporal(3)
    assert torch.allclose(three.sum(1), torch.ones(FRAMES)) and three[10, 11] == 0
    assert (three[15] > 0).nonzero()[:, 0].tolist() == list(range(0, 31, 3))  # all neighbours, 15 frames either way
    assert (three[0] > 0).nonzero()[:, 0].tolist() == [0, 3, 6, 9, 12, 15] and three[0, 3] == pytest.approx(1 / 6)
    assert (temporal(1)[15] > 0).all() and (temporal(11)[15] > 0).nonzero()[:, 0].tolist() == [4, 15, 26]
    bones = spatial()
    assert bones[1, 2] > 0 and bones[2, 5] == 0
    net = RNet(())
    torch.nn.init.normal_(net.fusion.weight)
    depth = torch.randn(1, FRAMES, 17)
    assert len(net.relations) == 1 and net(depth).shape == (1, 17)


def test_a_masked_node_says_nothing_and_the_target_keeps_its_own_depth():
    model = lifter(15)
    depth, kept = torch.randn(1, FRAMES, 17), torch.ones(1, FRAMES, 17)
    kept[0, 3, 5] = 0
    other = depth.clone()
    other[0, 3, 5] += 1
    assert torch.equal(model.refine(depth, kept), model.refine(other, kept))
    kept[0, 3, 5] = 1
    assert not torch.equal(model.refine(depth, kept), model.refine(other, kept))
    other = depth.clone()
    other[0, 15, 5] += 1
    nothing = torch.zeros_like(kept)
    moved = (model.refine(other, nothing) - model.refine(depth, nothing)).detach()
    assert moved[0, 5] == pytest.approx(1, abs=1e-5) and moved[0, 6] == 0


def test_only_with_the_gate_hidden_nodes_are_masked():
    seen = torch.tensor([[True, False]])
    assert lifter(30)._kept(seen).tolist() == [[1, 0]] and lifter(30, gate=False)._kept(seen).tolist() == [[1, 1]]


def test_true_depths_give_the_true_pose_back():
    pose = torch.randn(2, 5, 17, 3) * 0.3
    pose = pose - pose[:, :, :1]
    place = torch.tensor([0.5, -0.4, 4.0])
    xyz = pose + place
    model = lifter(30)
    rays, rotation, _ = model.watched(xyz[..., :2] / xyz[..., 2:], torch.ones(2, 5, 17))
    depth, root = (pose @ rotation)[..., 2], place.norm().expand(2, 5)
    assert depth[..., PELVIS].abs().max() < 1e-6
    assert torch.allclose(model.place(rays, depth, root, rotation), pose, atol=1e-5)


def test_only_what_was_seen_lately_is_held():
    model, x, sure = lifter(30, hold=True), torch.randn(1, 120, 17, 2) * 0.2, torch.ones(1, 120, 17)
    sure[0, 5:, 16], sure[0, :, 13] = 0, 0
    plain, held = (m.watched(x, sure)[0] for m in (lifter(30), model))
    assert torch.equal(plain[:, :, 13], held[:, :, 13])  # never seen: the detector's claim
    assert not torch.isclose(plain[0, 6:94, 16], held[0, 6:94, 16]).all(-1).any()
    assert torch.equal(plain[0, 94:, 16], held[0, 94:, 16])  # seen three seconds ago


@pytest.mark.parametrize("case", ["nothing seen", "one frame", "nan", "batch of zero", "appears and vanishes"])
def test_bad_clips_have_a_finite_answer(case):
    model = lifter(20, hold=True)
    frames, clips = (1, 2) if case == "one frame" else (12, 0 if case == "batch of zero" else 2)
    x, sure = torch.randn(clips, frames, 17, 2) * 0.2, torch.ones(clips, frames, 17)
    if case == "nothing seen":
        sure[:] = 0
    if case == "nan":
        x[:, 3], x[:, 5, 2], sure[:, 6] = math.nan, math.inf, math.nan
    if case == "appears and vanishes":
        sure[:, :4], sure[:, 8:] = 0, 0
    with torch.no_grad():
        xyz, log_sigma = model.clip(x, sure, (torch.arange(frames) / 30).expand(clips, -1))
    assert xyz.shape == (clips, frames, 17, 3) and torch.isfinite(xyz).all() and torch.isfinite(log_sigma).all()


def test_what_is_not_finite_is_what_nobody_saw(tmp_path):
    model = Roy2024(30).eval()
    state = {name: torch.zeros(1, *shape) for name, shape in model.contract().state}
    given = {
        "x": torch.randn(1, 33, 2) * 0.1,
        "reliability": torch.ones(1, 33),
        "dt": torch.zeros(1),
        "reset": torch.ones(1),
    }
    hidden = {**given, "x": given["x"].clone(), "reliability": given["reliability"].clone()}
    hidden["x"][0, 15], hidden["reliability"][0, 15] = 0, 0
    given["x"][0, 15] = math.nan
    with torch.no_grad():
        assert torch.equal(model.run(given, state)[0][0], model.run(hidden, state)[0][0])


@pytest.mark.parametrize(
    ("x", "sure", "said"),
    [
        (torch.zeros(1, 4, 33, 2), torch.zeros(1, 4, 33), "33.*expected .*17.*h36m17"),
        (torch.zeros(1, 4, 17, 2), torch.zeros(1, 5, 17), "expected"),
        (torch.zeros(1, 0, 17, 2), torch.zeros(1, 0, 17), "no frames"),
    ],
)
def test_wrong_shapes_are_refused_with_both_sides(x, sure, said):
    with pytest.raises(ValueError, match=said):
        lifter(30).clip(x, sure, torch.zeros(1, 4))


def test_targets_strides_and_references_out_of_range_are_refused():
    for wrong in ({"target": 31}, {"strides": (0,)}, {"references": ("nose",)}):
        with pytest.raises(ValueError, match=r"within a window of 31|known: trunk"):
            Roy2024(**wrong)


# --- training -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("walkers")
    for subject, clip in zip(("01", "02", "05", "06"), walkers(4, 150)):
        motion.save(place, subject, [MotionSegment(clip.numpy(), 30.0, f"{subject}_01", subject)])
    return place


def made(folder, **changes) -> roy2024.RoyRecipe:
    keys = {"batch": 8, "validation_clips": 2, "warm_up": 3, "target": 30}
    return roy2024.recipe(roy2024.Roy2024Settings(**(keys | changes)), [str(folder)], "cpu", 10)


def drawn(recipe, step: int, seed: int = 1):
    return recipe.batch(step, torch.Generator().manual_seed(seed))


def test_the_schedule_is_the_papers(folder):
    recipe = made(folder, warm_up=1000)
    (optimizer,) = recipe.optimizers()
    lifting, refining = optimizer.param_groups
    assert (lifting["lr"], refining["lr"]) == (5e-5, 1e-4)
    assert recipe.learning_rate(999) * lifting["lr"] == pytest.approx(1e-4) and recipe.learning_rate(1000) == 1
    assert drawn(recipe, 999).warm and not drawn(recipe, 1000).warm


def test_in_its_warm_up_lnet_learns_alone(folder):
    recipe = made(folder)
    for step, terms, learns in ((0, {"lifted"}, False), (3, {"refined"}, True)):
        recipe.model.zero_grad()
        found = recipe.losses(drawn(recipe, step), 0)
        sum(found.values()).backward()
        assert set(found) == terms and recipe.model.lnet[0].weight.grad.abs().max() > 0
        assert (recipe.model.rnet.fusion.bias.grad is not None) is learns


@pytest.mark.parametrize(
    ("changes", "share"),
    [({}, 292 / 527), ({"mask": "dropout"}, 0.7), ({"mask": "none"}, 1.0), ({"alpha": 2.5}, 210 / 527)],
)
def test_masks_keep_the_share_they_should(folder, changes, share):
    kept = drawn(made(folder, **changes), 5).mask
    assert kept.shape == (8, FRAMES, 17) and kept.mean() == pytest.approx(share, abs=0.02)


def test_the_reliability_can_be_the_mask_of_training_too(folder):
    batch = drawn(made(folder, mask="reliability"), 5)
    assert torch.equal(batch.mask, (batch.reliability[:, -FRAMES:] >= 0.5).float())


@pytest.mark.parametrize("warm", [True, False])
def test_gradients_of_both_losses_agree_with_finite_differences(folder, warm):
    recipe = made(folder, batch=2, lead=0)
    recipe.model.double().eval()
    torch.nn.init.normal_(recipe.model.rnet.fusion.weight, 0, 0.01)
    batch = drawn(recipe, 0 if warm else 5)
    batch = roy2024.GraphWindows(*(v.double() for v in vars(batch).values() if isinstance(v, torch.Tensor)), warm)
    last = recipe.model.lnet[-1]

    def loss(bias):
        last.bias = torch.nn.Parameter(torch.zeros_like(bias))
        del last.bias
        last.bias = bias
        return sum(recipe.losses(batch, 0).values())

    del last._parameters["bias"]
    assert torch.autograd.gradcheck(loss, torch.zeros(17, dtype=torch.float64, requires_grad=True), eps=1e-5, atol=1e-6)


def test_it_learns_ten_windows_by_heart(folder):
    recipe = made(folder, batch=10, lead=0, dropout=0.0)
    batch = drawn(recipe, 5)
    # what was really seen: the true keypoints, so that the depths decide
    optimizer = torch.optim.Adam([{"params": recipe.model.lnet.parameters(), "lr": 3e-4},
                                  {"params": recipe.model.rnet.parameters(), "lr": 1e-5}])  # fmt: skip
    recipe.model.train()
    depth = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = recipe.losses(batch, 0)["refined"]
        loss.backward()
        optimizer.step()
        depth.append(loss.item())
    assert depth[-1] < 0.45 * depth[0]
    rays, rotation, seen = (v[:, -FRAMES:] for v in recipe.model.watched(batch.x, batch.reliability))
    best = recipe.model.refine(recipe.model.depths(rays, seen), batch.mask)
    truth = (batch.pose[:, 30] @ rotation[:, 30])[..., 2]
    assert (best - truth).abs().mean() < 0.03


def test_people_without_3d_are_labelled_by_triangulation(folder):
    recipe = made(folder, labelled=("01",), views=4, batch=16)
    assert recipe.bank.bank.length.tolist() == [150] and recipe.other.bank.length.tolist() == [150]
    x, _, pose, root = recipe._triangulated(2, torch.Generator().manual_seed(1))
    assert x.shape == (8, 61, 17, 2) and root.min() > 1
    assert pose[:, :, PELVIS].abs().max() == 0
    torch.manual_seed(0)
    batch = drawn(recipe, 5)
    assert len(batch.x) == 16 and torch.isfinite(recipe.losses(batch, 0)["refined"])


def test_without_noise_triangulated_labels_are_the_truth(folder):
    from trainers.data.clips import Clips
    from trainers.geometry.virtual_cameras import CameraRange, sample_views

    people = walkers(3, 20)
    view = sample_views(
        people.repeat(4, 1, 1, 1), CameraRange(known=1.0, distortion=0.0), torch.Generator().manual_seed(0)
    )
    flat = torch.ones(12, 20)
    seen = Clips(view.rays, torch.ones(12, 20, 17), view.xyz, flat, view.pose, view.inside, flat > 0)
    centre = virtual_people.standing(view, people)
    assert (roy2024.pseudo_labels(seen, view.rotation, centre, 4) - view.xyz).abs().max() < 1e-3


def test_validation_reports_lnet_and_both_distances(folder):
    recipe = made(folder)
    with torch.no_grad():
        recipe.model.eval()
        found = recipe.validate()
    cases = {
        f"{part}{name}{root}" for part in ("open", "hidden") for name in ("", ", LNet") for root in ("", ", true root")
    }
    assert set(found) == cases | {"within sigma"} and all(math.isfinite(v) for v in found.values())
    assert next(iter(found)) == "open" and found["within sigma"] > 0.3


def test_the_config_trains_and_the_run_is_what_would_ship(folder, tmp_path):
    config, run = tmp_path / "roy-tiny.yaml", tmp_path / "run"
    config.write_text("recipe: roy2024\ntarget: 15\nbatch: 2\nwarm_up: 1\nvalidation_clips: 2\nloop:\n  steps: 2\n")
    assert main(["train", str(config), "--data", str(folder), "--out", str(run)]) == 0
    model, provenance, figures = load_trained(str(run))
    assert provenance["steps"] == 2 and "open" in figures
    assert (model.contract().receptive_field, model.contract().look_ahead, model.contract().sigma) == (31, 15, True)


def test_the_shipped_config_pins_what_the_paper_leaves_open():
    settings = load(CONFIG).settings
    assert (settings.target, settings.strides, settings.mask) == (15, (1, 3, 5, 7), "structured")
    assert (settings.masks_count, settings.alpha, settings.dropout, settings.warm_up) == (32, 1.8, 0.1, 1000)
    assert settings.rates == (5e-5, 1e-4) and settings.references == ("trunk",) and not settings.hold
    model = roy2024.network(vars(settings))
    assert model.rnet.fusion.weight.abs().max() == 0
    x = torch.randn(1, 17, 2) * 3
    sizes = []
    model.lnet.register_forward_pre_hook(lambda _, given: sizes.append(float(given[0].abs().max())))
    model.depths(x, torch.ones(1, 17) > 0)
    assert sizes == [pytest.approx(1.0)]


def test_every_row_of_the_config_builds_its_network():
    from realtime.config.yaml_file import read_yaml

    rows = read_yaml(CONFIG).values["variants"]
    assert {"strides-none", "strides-1", "target-30", "mask-none", "dropout-0.3", "alpha-1.2", "alpha-2.5"} <= set(rows)
    for row in rows:
        settings = load(CONFIG, row).settings
        assert 0 <= settings.target < FRAMES and settings.mask in ("structured", "dropout", "none", "reliability")
    live = load(CONFIG, "live").settings
    assert roy2024.network(vars(live)).contract().causal and live.hold
