"""Correct, carry, fuse: bones keep their length, nobody's believed pose is worse for it, a reset starts anew."""

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import BLAZEPOSE_33, BODY_37
from tests.trainers.models.causal.test_causal_lifter import shaken
from trainers.models.causal.bone_lengths import (
    BONE_ENDS,
    BONE_PARENTS,
    LENGTH_S,
    probable_lengths,
    remember_lengths,
    typical_lengths,
    with_lengths,
)
from trainers.models.causal.causal_lifter import LiveLifter
from trainers.models.causal.corrected_lifter import CorrectedLifter, follow
from trainers.models.causal.corrector import Corrector

TICKS, CLIPS = 40, 2
POINTS = [BODY_37.index(name) for name in BLAZEPOSE_33.joints]


def given(seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    pose = torch.randn(CLIPS, 37, 3, generator=g)
    still = with_lengths(pose, typical_lengths(pose))[:, None, POINTS]
    world = still + 0.03 * torch.randn(CLIPS, TICKS, 33, 3, generator=g)
    x = world[..., :2] / (3 + world[..., 2:])
    reliability = torch.rand(CLIPS, TICKS, 33, generator=g).clamp_min(0.3)
    return {"x": x, "reliability": reliability, "dt": torch.full((CLIPS, TICKS), 1 / 30), "world": world}


def stepped(model, clip, first=0, resets=(0,), last=TICKS):
    state = {name: torch.zeros(CLIPS, *shape) for name, shape in model.contract().state}
    found = []
    for t in range(first, last):
        now = {name: values[:, t] for name, values in clip.items()}
        now["reset"] = torch.full((CLIPS,), float(t in resets))
        with torch.no_grad():
            answer, state = model.run(now, state)
        assert {name: tuple(v.shape[1:]) for name, v in state.items()} == dict(model.contract().state)
        found.append(answer)
    return [torch.stack(values, 1) for values in zip(*found)]


@pytest.fixture
def model():
    return shaken(CorrectedLifter(Corrector(32, 1), LiveLifter(24, 2)))


def test_37_joints_with_lengths_that_settle(model):
    xyz, sigma = stepped(model, given())
    assert xyz.shape == (CLIPS, TICKS, 37, 3) and sigma.shape == (CLIPS, TICKS, 37)
    assert model.contract().joints_out == BODY_37.name
    length = (xyz[:, :, BONE_ENDS] - xyz[:, :, BONE_PARENTS]).norm(dim=-1)[:, TICKS // 2 :]
    assert (length.std(1) / length.mean(1)).max() < 0.12  # a second after the first frame
    assert torch.isfinite(xyz).all() and torch.isfinite(sigma).all()


def test_a_reset_in_the_middle_starts_anew(model):
    clip = given(1)
    whole = stepped(model, clip, resets=(0, 20))
    fresh = stepped(model, clip, first=20, resets=(20,))
    assert all((a[:, 20:] - b).abs().max() < 1e-5 for a, b in zip(whole, fresh))


def test_where_nothing_is_believed_the_carrying_lifter_answers_alone(model):
    clip = given(2)
    clip["reliability"] = torch.zeros_like(clip["reliability"])
    found, _ = stepped(model, clip, last=1)
    state = {name: torch.zeros(CLIPS, *shape) for name, shape in model.carry.contract().state}
    now = {name: values[:, 0] for name, values in clip.items()} | {"reset": torch.ones(CLIPS)}
    with torch.no_grad():
        (alone, _), _ = model.carry.run(now, state)
    ends, parents = list(range(1, 17)), BONE_PARENTS[:16]
    one, other = (pose[:, ends] - pose[:, parents] for pose in (found[:, 0], alone))
    assert torch.nn.functional.cosine_similarity(one, other, dim=-1).min() > 1 - 1e-5  # of its own lengths


def test_the_surer_answer_counts_more(model):
    trust = torch.ones(CLIPS, 37)
    sure, unsure = torch.full((CLIPS, 37), -4.0), torch.full((CLIPS, 17), -2.0)
    share, sigma = model._weigh(sure, unsure, trust)
    assert (share > 0.9).all() and (sigma < -4.0 + 1e-3).all()
    share, _ = model._weigh(sure, unsure, trust * 0.0)
    assert (share == 0).all()


def test_what_is_followed_is_reached_by_belief_and_kept_without():
    wanted, last = torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
    trust = torch.tensor([[1.0, 0.0]])
    found = follow(wanted, last, trust, torch.tensor([10.0]), torch.tensor([False]), 0.15)
    assert (found[0, 0] > 0.99).all() and (found[0, 1] == 0).all()
    assert (follow(wanted, last, trust, torch.tensor([0.03]), torch.tensor([True]), 0.15) == 1).all()


def hold_lengths(pose, *rest):
    length, known = remember_lengths(pose, *rest)
    return with_lengths(pose, length), length, known


def alike(pose):
    """The pose with bones as long on one side as on the other: the mean of both."""
    return hold_lengths(
        pose, torch.ones(1, 37), torch.tensor([0.5]), torch.tensor([True]), torch.zeros(1, 36), torch.zeros(1, 36)
    )[0]


def bones(pose):
    return pose[:, BONE_ENDS] - pose[:, BONE_PARENTS]


def test_bones_take_the_mean_length_and_keep_their_direction():
    pose = alike(torch.randn(1, 37, 3, generator=torch.Generator().manual_seed(0)))
    args = torch.ones(1, 37), torch.tensor([0.5])
    first, length, known = hold_lengths(pose, *args, torch.tensor([True]), torch.zeros(1, 36), torch.zeros(1, 36))
    assert (first - pose).abs().max() < 1e-4
    second, _, _ = hold_lengths(pose * 1.2, *args, torch.tensor([False]), length, known)
    ratio = bones(second).norm(dim=-1) / bones(first).norm(dim=-1)
    assert ((ratio > 1.05) & (ratio < 1.12)).all()
    assert torch.nn.functional.cosine_similarity(bones(first), bones(second), dim=-1).min() > 0.9999


def test_both_sides_have_one_length_that_of_the_side_that_is_believed():
    pose = alike(torch.randn(1, 37, 3, generator=torch.Generator().manual_seed(1)))
    knee, ankle = (BODY_37.index(f"left_{name}") for name in ("knee", "ankle"))
    shin, other = ankle - 1, BODY_37.index("right_ankle") - 1
    longer = pose.clone()
    longer[:, ankle] += pose[:, ankle] - pose[:, knee]
    lengths = {}
    for name, believed in (("both", 1.0), ("the other", 0.0)):
        trust = torch.ones(1, 37)
        trust[:, ankle] = believed
        args = trust, torch.tensor([0.1]), torch.tensor([True]), torch.zeros(1, 36), torch.zeros(1, 36)
        held = bones(hold_lengths(longer, *args)[0]).norm(dim=-1)[0]
        assert abs(held[shin] - held[other]) < 1e-4
        lengths[name] = float(held[shin] / bones(pose).norm(dim=-1)[0, other])
    assert abs(lengths["both"] - 1.5) < 1e-2 and abs(lengths["the other"] - 1.0) < 1e-2


def test_a_body_that_is_not_known_yet_is_an_adults():
    typical = typical_lengths(torch.zeros(()))
    assert (typical > 0.03).all() and abs(typical[BODY_37.index("left_knee") - 1] - 0.43) < 0.01
    anything = torch.rand(1, 36, generator=torch.Generator().manual_seed(2)) + 0.1
    assert torch.allclose(probable_lengths(anything, torch.zeros(1, 36))[0], typical)


def test_a_body_that_is_known_keeps_its_own_lengths():
    own = typical_lengths(torch.zeros(()))[None] * torch.linspace(0.7, 1.3, 36)
    kept = probable_lengths(own, torch.full((1, 36), LENGTH_S))
    assert ((kept / own - 1).abs() < 0.04).all()  # an adult's, with two seconds of 22, are up to a third away


def test_what_is_hidden_has_the_size_of_what_is_seen():
    child = 0.6 * typical_lengths(torch.zeros(()))[None]
    known, shin = torch.full((1, 36), LENGTH_S), BODY_37.index("left_ankle") - 1
    known[:, shin] = 0.0
    wrong = child.clone()
    wrong[:, shin] = 1.0
    assert abs(probable_lengths(wrong, known)[0, shin] / child[0, shin] - 1) < 0.03


def test_one_bad_first_pose_hardly_shortens_a_body():
    """Somebody who comes into the picture is at first seen in part, and his limbs look a third of their length."""
    pose = torch.randn(1, 37, 3, generator=torch.Generator().manual_seed(3))
    typical = typical_lengths(pose)[None]
    short, args = with_lengths(pose, typical / 3), (torch.ones(1, 37), torch.tensor([1 / 30]))
    length, known = remember_lengths(short, *args, torch.tensor([True]), torch.zeros(1, 36), torch.zeros(1, 36))
    assert (probable_lengths(length, known) / typical).min() > 0.94
    for _ in range(60):
        length, known = remember_lengths(with_lengths(pose, typical), *args, torch.tensor([False]), length, known)
    assert (probable_lengths(length, known) / typical).min() > 0.98
