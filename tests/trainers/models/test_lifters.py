"""What all lifters promise, whatever network they are: shapes, finite answers, memory of one person alone, one answer
whether a clip is streamed or seen whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import JOINT_SETS
from tests.support.networks.trying import bad_steps
from tests.trainers.models.causal.test_causal_lifter import shaken
from trainers.models.causal.causal_lifter import LiveLifter
from trainers.models.causal.corrected_lifter import CorrectedLifter
from trainers.models.causal.corrector import Corrector
from trainers.models.causal.hold import HoldLifter
from trainers.models.papers.cheng2019 import Cheng2019
from trainers.models.papers.cheng2020 import Cheng2020
from trainers.models.papers.pavllo import PavlloLifter
from trainers.models.papers.roy2024 import Roy2024
from trainers.models.papers.zhang2021 import DGNet, Zhang2021

PEOPLE, TICKS, RESET = 2, 24, 12
NEAR_M = 1e-3  # forms that add in another order

LIFTERS: dict[str, Callable[[], Any]] = {
    "hold": HoldLifter,
    "causal-small": lambda: LiveLifter(16, 2),
    "causal-37": lambda: CorrectedLifter(Corrector(32, 1), LiveLifter(16, 2)),
    "pavllo-causal": lambda: PavlloLifter("causal", (3, 3), 16),
    "pavllo-symmetric": lambda: PavlloLifter("symmetric", (3, 3), 16),
    "pavllo-replicated": lambda: PavlloLifter("replicated", (3, 3), 16),
    "pavllo-single": lambda: PavlloLifter("single", (3, 3), 16),
    "cheng2019": lambda: Cheng2019(channels=16),
    "cheng2020": lambda: Cheng2020(embedding=16, channels=16, answered=63),
    "roy2024": Roy2024,
    "zhang2021": lambda: Zhang2021(DGNet(blocks=1, channels=8)),
}
TRUSTING = ("causal-small", "causal-37", "pavllo-causal", "pavllo-symmetric", "pavllo-replicated", "pavllo-single")
NOW = ("hold", "causal-small", "causal-37", "pavllo-causal")  # a clip's answer at t needs nothing behind t


@pytest.fixture(params=LIFTERS, scope="module")
def lifter(request):
    torch.manual_seed(3)
    return request.param, shaken(LIFTERS[request.param]())


def inputs(model: Any, seed: int = 0, ticks: int = TICKS) -> list[dict[str, Any]]:
    """Of every tick: two people who differ, some of whose joints are not believed."""
    contract, g = model.contract(), torch.Generator().manual_seed(seed)
    shapes = {n: s for n, s in contract.inputs(PEOPLE).items() if not n.startswith("state_")}
    still = {n: torch.rand(s, generator=g) for n, s in shapes.items()}
    given = []
    for t in range(ticks):
        now = {n: v + 0.02 * torch.randn(v.shape, generator=g) for n, v in still.items()}
        now["reliability"] = now["reliability"].clamp(0, 1)
        if "world" in now:
            now["world"] = (now["world"] - 0.5) * 0.6
        now["dt"] = torch.full(shapes["dt"], 1 / 30)
        given.append(now | ({"reset": torch.full((PEOPLE,), float(t == 0))} if "reset" in shapes else {}))
    return given


def streamed(model: Any, given: list[dict[str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    state = {n: torch.zeros(len(given[0]["x"]), *shape) for n, shape in model.contract().state}
    answers = []
    with torch.no_grad():
        for now in given:
            answer, state = model.run(now, state)
            answers.append(answer)
    return answers, state


def far(one: Any, other: Any) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(one, other))


def test_answers_and_state_have_the_contracts_shapes(lifter):
    _, model = lifter
    joints = len(JOINT_SETS[model.contract().joints_out])
    answers, state = streamed(model, inputs(model, ticks=3))
    for xyz, log_sigma in answers:
        assert xyz.shape == (PEOPLE, joints, 3) and log_sigma.shape == (PEOPLE, joints)
        assert torch.isfinite(xyz).all() and torch.isfinite(log_sigma).all()
    assert {n: tuple(v.shape[1:]) for n, v in state.items()} == dict(model.contract().state)


def test_the_pelvis_is_the_origin(lifter):
    _, model = lifter
    assert all(xyz[:, 0].abs().max() < 1e-5 for (xyz, _) in streamed(model, inputs(model, ticks=3))[0])


@pytest.mark.parametrize("kind", ["nothing seen", "nan", "far away"])
def test_whatever_a_detector_says_the_answer_is_finite_and_so_is_what_is_remembered(lifter, kind):
    name, model = lifter
    if kind == "nan" and name in TRUSTING:
        pytest.skip("what is not finite is taken out before it (tests/faults/test_f_poses.py, F3)")
    bad = {n: v for n, v in bad_steps(model.contract())[kind].items() if not n.startswith("state_")}
    for xyz, log_sigma in streamed(model, [bad, bad])[0]:
        assert torch.isfinite(xyz).all() and torch.isfinite(log_sigma).all()
    assert all(torch.isfinite(v).all() for v in streamed(model, [bad])[1].values())


def test_the_same_stream_has_the_same_answers(lifter):
    _, model = lifter
    given = inputs(model, ticks=6)
    assert all(far(a, b) == 0 for a, b in zip(streamed(model, given)[0], streamed(model, given)[0]))


def test_a_reset_forgets_everything_before_it(lifter):
    _, model = lifter
    given = inputs(model)
    given[RESET] = given[RESET] | {"reset": torch.ones(PEOPLE)} if "reset" in given[RESET] else given[RESET]
    whole, fresh = streamed(model, given)[0][RESET:], streamed(model, given[RESET:])[0]
    assert max(far(a, b) for a, b in zip(whole, fresh)) < 1e-5


def test_people_in_one_batch_know_nothing_of_each_other(lifter):
    _, model = lifter
    given = inputs(model, ticks=8)
    alone = [{n: v[1:] for n, v in now.items()} for now in given]
    together, single = streamed(model, given)[0], streamed(model, alone)[0]
    assert max(far([v[1:] for v in a], b) for a, b in zip(together, single)) < 1e-5


def whole(model: Any, given: list[dict[str, Any]]) -> tuple[Any, Any]:
    """The same ticks as one clip; networks that map joints inside their streamed form alone are given 17."""
    clip = {n: torch.stack([now[n] for now in given], 1) for n in given[0]}
    time = clip["dt"].cumsum(1)
    if isinstance(model, CorrectedLifter):
        return model.clip(clip["x"], clip["reliability"], time, clip["world"])
    to = model.joint_map
    x, reliability = to.points(clip["x"]), to.reliability(clip["reliability"])
    world = (to.points(clip["world"]),) if "world" in clip else ()
    return model.clip(x, reliability, time, *world)


@pytest.mark.parametrize("name", [*NOW, "zhang2021", "cheng2020"])
def test_a_stream_equals_the_clip(name):
    torch.manual_seed(3)
    model = shaken(LIFTERS[name]())
    given = inputs(model)
    with torch.no_grad():
        xyz, log_sigma = whole(model, given)
    answers = streamed(model, given)[0]
    for t, answer in enumerate(answers):
        assert far(answer, (xyz[:, t], log_sigma[:, t])) < NEAR_M, t


@pytest.mark.parametrize("name", NOW)
def test_what_comes_later_changes_no_answer(name):
    torch.manual_seed(3)
    model = shaken(LIFTERS[name]())
    given, other = inputs(model), inputs(model, seed=1)
    with torch.no_grad():
        one, another = whole(model, given), whole(model, given[:RESET] + other[RESET:])
    before = far([v[:, :RESET] for v in one], [v[:, :RESET] for v in another])
    behind = far([v[:, RESET:] for v in one], [v[:, RESET:] for v in another])
    assert before < 1e-5 < behind
