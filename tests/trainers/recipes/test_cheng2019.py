"""Cheng 2019: windows streamed as trained, what is hidden stays out, losses, schedule, learning."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.func import functional_call

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
from trainers.geometry.self_occlusion import visible
from trainers.geometry.virtual_cameras import CameraRange, sample_views, tick_times
from trainers.losses import symmetry
from trainers.models.blocks.hold_hidden import hold_clip
from trainers.models.papers.cheng2019 import WINDOW, Cheng2019, Discriminator, TwinTCN, filled
from trainers.recipes import cheng2019
from trainers.recipes.cheng2019_losses import explained, fooled, judged, per_pose, projected
from trainers.recipes.virtual_people import detected
from trainers.test_clips.from_motion import facing as turned_to

CONFIG = "configs/train/cheng2019.yaml"


def lifter(*about, **changes) -> Cheng2019:
    torch.manual_seed(2)
    model = Cheng2019(*about, **({"channels": 16} | changes)).eval()
    for network in (model.smooth, model.lift):
        if network is not None:
            torch.nn.init.normal_(network.last.weight, 0, 0.05)
    return model


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """(model, exported folder): five frames late."""
    model, out = lifter(5), tmp_path_factory.mktemp("cheng") / "cheng"
    export(model, out, {}, {})
    return model, out


def test_exported_and_streamed_it_answers_as_in_training(shipped):
    (model, out), one = shipped, doubted()
    engine = open_engine(out, "cpu", 1)
    ((xyz, sigma),) = lift(engine, [one])
    x, sure = there_and_back(one)
    with torch.no_grad():
        whole, log_sigma = model.clip(x, sure)
    assert (engine.contract.kind, engine.contract.window, engine.contract.look_ahead) == ("window", WINDOW, 5)
    assert np.abs(xyz - whole[0].numpy()).max() < 1e-4 and np.abs(sigma - log_sigma[0].exp().numpy()).max() < 1e-4


def test_it_lifts_live_with_its_look_ahead_published(shipped):
    live = Lifter(open_engine(shipped[1], "cpu", 1), LiftConfig(), CameraConfig(), ("learned", 0.5))
    answers = [pose for i in range(20) for pose in live.lift(keypoints(i))] + live.flush()
    assert live.look_ahead_ms == pytest.approx(166.7, abs=0.1)
    assert [a.stamp.seq for a in answers] == list(range(20)) and all(
        np.isfinite(a.people[0].xyz).all() for a in answers
    )


def test_both_networks_differ_in_their_output_alone():
    model = Cheng2019(channels=32)
    sizes = [{k: tuple(v.shape) for k, v in network.state_dict().items()} for network in (model.smooth, model.lift)]
    assert {k for k in sizes[0] if sizes[0][k] != sizes[1][k]} == {"last.weight", "last.bias"}
    assert model.smooth.last.out_channels == 34 and model.lift.last.out_channels == 51
    kernels = {c.kernel_size for c in model.lift.modules() if isinstance(c, torch.nn.Conv1d | torch.nn.ConvTranspose1d)}
    assert kernels == {(5,), (1,)}


def test_time_scales_meet_and_frames_far_apart_are_connected():
    network = TwinTCN(51, 8, 0.0).double().eval()
    x = torch.randn(1, WINDOW, 34, dtype=torch.double, requires_grad=True)
    out = network(x)
    assert out.shape == (1, WINDOW, 51)
    reached = torch.autograd.grad(out[0, 64].sum(), x)[0].abs().sum(-1)[0].nonzero().flatten()
    assert 64 - reached.min() >= 40 and reached.max() - 64 >= 40


def test_unreliable_keypoints_reach_neither_network_and_only_then_when_not_aware():
    x, sure = torch.randn(2, WINDOW, 17, 2) * 0.1, torch.ones(2, WINDOW, 17)
    sure[:, 40:80, 11:] = 0
    wild = torch.where(sure[..., None] > 0, x, x + 3)
    for aware, same in ((True, True), (False, False)):
        model = lifter(aware=aware)
        first, second = (
            model.clip(x, sure, frames=torch.tensor([70])),
            model.clip(wild, sure, frames=torch.tensor([70])),
        )
        assert torch.equal(first[0], second[0]) is same
    model = lifter()
    seen = model.observed(sure)
    smoothed, _ = model.poses(model.normalised(x, seen)[0], seen)
    assert smoothed[:, 40:80, 11:].abs().max() == 0 and smoothed[:, 40:80, :11].abs().min() > 0


def test_gaps_are_filled_with_the_last_known_then_the_next():
    values, known = torch.randn(3, WINDOW, 2), (torch.rand(3, WINDOW) > 0.9).float()
    known[2] = 0
    found = filled(values, known)
    for b in range(2):
        places = known[b].nonzero().flatten().tolist()
        for t in range(WINDOW):
            past = [p for p in places if p <= t]
            assert torch.equal(found[b, t], values[b, past[-1] if past else places[0]])
    assert found[2].abs().max() == 0


def test_the_pelvis_is_where_holding_puts_it():
    x, seen = torch.randn(1, WINDOW, 17, 2), torch.rand(1, WINDOW, 17) > 0.4
    seen[:, 0] = True
    held = hold_clip(x, seen)[:, :, 0]
    assert torch.allclose(Cheng2019._centre(x, seen.float()), held, atol=1e-6)


def test_the_persons_place_and_size_do_not_matter():
    pose = walkers(1, WINDOW)
    pose = (pose - pose[:, :, :1]) * torch.tensor([1.0, -1, -1])
    model, seen, found = lifter(), torch.ones(1, WINDOW, 17), []
    for at in ((0.0, 0.0, 5.0), (0.0, 0.0, 9.0)):
        xyz = pose + torch.tensor(at)
        found.append(model.normalised(xyz[..., :2] / xyz[..., 2:], seen)[0])
    assert (found[0] - found[1]).abs().max() < 0.12 and found[0].abs().mean() > 0.2


@pytest.mark.parametrize("case", ["nothing seen", "one frame", "nan", "batch of zero", "appears and vanishes"])
def test_bad_clips_have_a_finite_answer(case):
    model = lifter(3)
    frames, clips = (1, 2) if case == "one frame" else (12, 0 if case == "batch of zero" else 2)
    x, sure = torch.randn(clips, frames, 17, 2) * 0.2, torch.ones(clips, frames, 17)
    if case == "nothing seen":
        sure[:] = 0
    if case == "nan":
        x[:, 3], x[:, 5, 2], sure[:, 6] = math.nan, math.inf, math.nan
    if case == "appears and vanishes":
        sure[:, :4], sure[:, 8:] = 0, 0
    with torch.no_grad():
        xyz, log_sigma = model.clip(x, sure)
    assert xyz.shape == (clips, frames, 17, 3) and torch.isfinite(xyz).all() and torch.isfinite(log_sigma).all()


def test_wrong_joints_and_frames_outside_the_window_are_refused():
    with pytest.raises(ValueError, match=r"33.*expected .*17.*h36m17"):
        lifter().clip(torch.zeros(1, 4, 33, 2), torch.zeros(1, 4, 33))
    with pytest.raises(ValueError, match="ahead 128 frames, expected 0 to 127"):
        Cheng2019(128)


# --- losses and training ----------------------------------------------------------------------------------------------


def poses(seed: int, *shape: int) -> torch.Tensor:  # type: ignore[name-defined]
    return torch.randn(*shape, 17, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


JUDGE = Discriminator(8).double()
SEEN = (poses(4, 2, 16)[..., 0] > 0).double()
TERMS = {
    "pose": lambda p: per_pose((p - poses(1, 2, 16)).square().sum(-1), torch.tensor([1.0, 0.0])),
    "keypoints": lambda p: per_pose(SEEN * (p[..., :2] - poses(1, 2, 16)[..., :2]).square().sum(-1)),
    "fooled": lambda p: fooled(JUDGE, p),
    "symmetry": symmetry,
    "explained": lambda p: explained(0.3 * p, SEEN, torch.tensor([1.0, 1.0])),
}


@pytest.mark.parametrize("name", TERMS)
def test_gradients_agree_with_finite_differences(name):
    assert torch.autograd.gradcheck(TERMS[name], poses(0, 2, 16).requires_grad_(), eps=1e-6, atol=1e-5)


def test_the_judges_gradient_agrees_with_finite_differences():
    real, made = poses(1, 2, 8), poses(2, 2, 8)

    def loss(weight):
        return judged(lambda pose: functional_call(JUDGE, {"judge.weight": weight}, (pose,)), real, made)

    weight = JUDGE.judge.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, weight)
    value = judged(JUDGE, real, made)
    assert value.item() == pytest.approx(2 * math.log(2), abs=0.2)


def test_projection_s_gradient_is_that_of_a_fixed_scale_and_never_shrinks_the_pose():
    keypoints = poses(1, 2, 4)[..., :2]
    pose = (1.4 * poses(1, 2, 4) + 0.1 * poses(2, 2, 4)).requires_grad_()
    seen = torch.ones(2, 4, 17, dtype=torch.float64)
    projected(pose, keypoints, seen).sum().backward()
    inward = (pose.grad * (pose - pose.mean(-2, keepdim=True)))[..., :2].sum()
    assert pose.grad[..., 2].abs().max() == 0 and inward.abs() < 1e-3 * pose.grad.abs().sum()
    step = (pose - 0.05 * pose.grad).detach()
    assert projected(step, keypoints, seen).sum() < projected(pose, keypoints, seen).sum()


def test_projection_asks_only_for_shape_and_only_of_what_is_seen():
    pose = poses(0, 2, 4)
    seen = torch.ones(2, 4, 17, dtype=torch.float64)
    keypoints = 0.7 * pose[..., :2] + torch.tensor([3.0, -1.0])
    assert projected(pose, keypoints, seen).max() < 1e-9
    seen[..., 5], keypoints[..., 5, :] = 0, 99
    assert projected(pose, keypoints, seen).max() < 1e-9


def test_only_unreliable_joints_of_unlabelled_windows_must_be_hidden():
    pose, seen = poses(0, 2, 16), torch.ones(2, 16, 17, dtype=torch.float64)
    zeta = torch.tensor([1.0, 0.0])
    assert explained(pose, seen, 1 - zeta) == 0
    seen[0] = 0
    assert explained(pose, seen, 1 - zeta) == 0
    seen[1, :, 3] = 0
    assert 0 < explained(pose, seen, 1 - zeta) <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("walkers")
    for subject, clip in zip(("01", "02", "03", "05", "06"), walkers(5, 200)):
        motion.save(place, subject, [MotionSegment(clip.numpy(), 30.0, f"{subject}_01", subject)])
    return place


def made(folder, **changes) -> cheng2019.Cheng2019Recipe:
    keys = {"batch": 8, "channels": 16, "validation_clips": 2, "dropout": 0.0}
    return cheng2019.recipe(cheng2019.Cheng2019Settings(**(keys | changes)), [str(folder)], "cpu", 130)


def drawn(recipe, seed: int = 1):
    return recipe.batch(0, torch.Generator().manual_seed(seed))


def test_people_without_3d_show_keypoints_alone(folder):
    recipe = made(folder)
    batch = drawn(recipe)
    assert batch.labelled.tolist() == [True] * 6 + [False] * 2
    assert batch.pose[6:].abs().max() == 0 and batch.rays[6:].abs().max() > 0
    assert made(folder, withheld=0).other is None and made(folder, labelled=("01",)).bank.bank.length.tolist() == [200]


def test_zeta_switches_between_pose_and_projection(folder):
    recipe = made(folder)
    batch = drawn(recipe)
    everything = recipe.losses(batch, 0)
    assert set(everything) == {"pose", "projection", "keypoints", "symmetry", "adversarial", "regularisation"}
    labelled = cheng2019.PaddedWindows(*(v[:6] for v in vars(batch).values()))
    found = recipe.losses(labelled, 0)
    assert found["projection"] == found["regularisation"] == 0 and found["pose"] > 0
    others = cheng2019.PaddedWindows(*(v[6:] for v in vars(batch).values()))
    found = recipe.losses(others, 0)
    assert found["pose"] == 0 and found["projection"] > 0 and found["regularisation"] > 0


def test_the_judge_learns_and_the_lifter_does_not_learn_in_its_turn(folder):
    recipe = made(folder)
    batch = drawn(recipe)
    recipe.losses(batch, 1)["discriminator"].backward()
    assert recipe.judge.judge.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in recipe.export.parameters())
    assert len(recipe.optimizers()) == 2 and len(made(folder, adversarial=0.0).optimizers()) == 1


def test_the_schedule_is_the_papers(folder):
    recipe = made(folder)
    assert [recipe.learning_rate(s) for s in (0, 99, 100, 129)] == [1.0, 1.0, 0.1, 0.1]
    assert recipe.optimizers()[0].defaults["lr"] == 1e-3


def test_some_windows_begin_inside(folder):
    at = cheng2019.begun(4000, 0.25, torch.Generator().manual_seed(0))
    assert (at[:, 0] > 0).float().mean() == pytest.approx(0.25, abs=0.03) and (at[:, -1] == WINDOW - 1).all()


def test_without_augmentation_nothing_is_masked(folder):
    view = sample_views(walkers(8, 60), CameraRange(), torch.Generator().manual_seed(0))
    times = tick_times(*view.pose.shape[:2], torch.Generator().manual_seed(1))
    recipes = [made(folder, augmented=augmented) for augmented in (False, True)]
    plain, whole = (
        detected(view, times, recipe.settings, torch.Generator().manual_seed(1), recipe.watching).hidden
        for recipe in recipes
    )  # fmt: skip
    assert torch.equal(plain, ~view.inside) and whole.float().mean() > plain.float().mean() + 0.05
    behind = ~visible(turned_to(view))
    assert whole[behind].all() and not plain[behind].all()


def test_it_learns_ten_windows_by_heart(folder):
    recipe = made(folder, batch=10, withheld=0, adversarial=0.0, channels=64)
    batch = drawn(recipe)
    optimizer = torch.optim.Adam(recipe.model.parameters(), 3e-3)
    recipe.model.train()
    errors = []
    for _ in range(110):
        optimizer.zero_grad()
        found = recipe.losses(batch, 0)
        sum(found.values()).backward()
        optimizer.step()
        errors.append((found["pose"].item() / 17) ** 0.5)
    assert errors[-1] < 0.1 and errors[-1] < 0.25 * errors[0]


def test_validation_and_the_run_that_would_ship(folder, tmp_path):
    config, run = tmp_path / "cheng-tiny.yaml", tmp_path / "run"
    config.write_text("recipe: cheng2019\nchannels: 8\nahead: 7\nbatch: 4\nvalidation_clips: 2\nloop:\n  steps: 2\n")
    assert main(["train", str(config), "--data", str(folder), "--out", str(run)]) == 0
    model, _, figures = load_trained(str(run))
    assert set(figures) == {"open", "hidden", "within sigma"} and all(math.isfinite(v) for v in figures.values())
    assert model.contract().look_ahead == 7 and not any("judge" in name for name in model.state_dict())


def test_the_shipped_config_pins_what_the_figure_hides():
    settings = load(CONFIG).settings
    weights = (settings.pose_weight, settings.symmetry, settings.adversarial, settings.regularisation)
    assert weights == (1.0, 0.2, 0.1, 0.1) and (settings.channels, settings.ahead) == (192, 0)
    model = cheng2019.network(vars(settings))
    assert model.contract().causal and model.contract().window == 128
    blocks = (model.lift.first, model.lift.second)
    assert [(b.down[0].stride, b.wide[0].dilation) for b in blocks] == [((2,), (2,)), ((2,), (4,))]
    assert [b.up.stride for b in (model.lift.third, model.lift.fourth)] == [(2,), (2,)]
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == 2.31
    assert [layer.out_channels for layer in Discriminator().layers] == [64, 64, 64]


def test_every_row_of_the_config_is_complete_and_table_2_grows_row_by_row():
    from realtime.config.yaml_file import read_yaml

    rows = read_yaml(CONFIG).values["variants"]
    table = ("lift-only", "with-2d", "with-awareness", "with-symmetry", "with-adversary", "with-regularisation", "")
    found = [load(CONFIG, row).settings for row in table]
    parts = [(s.two_d, s.aware, s.symmetry > 0, s.adversarial > 0, s.regularisation > 0, s.augmented) for s in found]
    assert [sum(p) for p in parts] == [0, 1, 2, 3, 4, 5, 6]
    assert set(table) - {""} <= set(rows) and all(load(CONFIG, row).settings.ahead < WINDOW for row in rows)
