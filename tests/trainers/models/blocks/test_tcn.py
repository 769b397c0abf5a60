"""Pavllo's network: Table 5's figures, and three ways of running one set of weights that agree."""

from __future__ import annotations

import pytest
import torch

from trainers.models.blocks.tcn import TCN


def small(causal: bool = True, widths: tuple[int, ...] = (3, 3, 3), dense: bool = False) -> TCN:
    torch.manual_seed(3)
    model = TCN(6, 9, widths, channels=16, causal=causal, dense=dense)
    model.train()
    model(torch.randn(8, model.receptive_field() + 5, 6))  # batch-norm statistics unlike their start
    return model.eval()


@pytest.mark.parametrize(
    ("widths", "dense", "parameters", "flops"),
    [
        ((3, 3, 3), False, 8.56, 17.09),
        ((3, 3, 3, 3), False, 12.75, 25.48),
        ((3, 3, 3, 3, 3), False, 16.95, 33.87),
        ((3, 3, 3), True, 29.53, 59.03),
    ],
)
@pytest.mark.parametrize("causal", [True, False])
def test_table_5(widths, dense, parameters, flops, causal):
    model = TCN(17 * 2, 17 * 3, widths, causal=causal, dense=dense)
    assert model.receptive_field() == 3 ** len(widths)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == parameters
    assert round(model.flops() / 1e6, 2) == flops


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("widths", [(3, 3, 3), (3, 5, 3), (1, 1, 1)])
def test_the_strided_form_gives_the_same_answer(causal, widths):
    model = small(causal, widths)
    x = torch.randn(5, model.receptive_field(), 6)
    with torch.no_grad():
        assert (model.strided(x) - model(x)).abs().max() < 1e-5


@pytest.mark.parametrize("causal", [True, False])
def test_the_strided_form_trains_the_same_weights(causal):
    model = small(causal)
    x = torch.randn(5, model.receptive_field(), 6)
    gradients = []
    for run in (model, model.strided):
        model.zero_grad()
        run(x).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients))


@pytest.mark.parametrize("dense", [False, True])
def test_causal_answers_do_not_depend_on_the_future_and_reach_the_whole_past(dense):
    model = small(dense=dense)
    x = torch.randn(1, 60, 6)
    changed = x.clone()
    changed[:, 30] += 1.0
    with torch.no_grad():
        moved = (model.clip(x) - model.clip(changed)).abs().amax((0, 2)) > 1e-7
    assert moved.nonzero().flatten().tolist() == list(range(30, 30 + model.receptive_field()))


def test_symmetric_answers_see_half_their_field_ahead():
    model = small(causal=False)
    x = torch.randn(1, 60, 6)
    changed = x.clone()
    changed[:, 30] += 1.0
    with torch.no_grad():
        moved = (model.clip(x) - model.clip(changed)).abs().amax((0, 2)) > 1e-7
    assert moved.nonzero().flatten().tolist() == list(range(30 - 13, 30 + 14)) and model.look_ahead() == 13


def stream(model: TCN, x: torch.Tensor, resets: set[int]) -> torch.Tensor:
    state = [torch.randn(len(x), *shape) for shape in model.state_shapes()]  # rubbish: the reset must clear it
    answers = []
    with torch.no_grad():
        for t in range(x.shape[1]):
            answer, state = model.step(x[:, t], torch.full((len(x),), float(t in resets)), state)
            answers.append(answer)
    return torch.stack(answers, 1)


@pytest.mark.parametrize("dense", [False, True])
def test_steps_equal_the_whole_clip_padded_with_its_first_frame(dense):
    model = small(dense=dense)
    x = torch.randn(3, 70, 6)
    with torch.no_grad():
        whole = model.clip(x)
    assert (stream(model, x, {0}) - whole).abs().max() < 1e-5


def test_a_reset_in_the_middle_starts_a_new_clip():
    model = small()
    x = torch.randn(2, 50, 6)
    with torch.no_grad():
        parts = torch.cat([model.clip(x[:, :20]), model.clip(x[:, 20:])], 1)
    assert (stream(model, x, {0, 20}) - parts).abs().max() < 1e-5


def test_reset_is_per_slot():
    model = small()
    x = torch.randn(2, 30, 6)
    state = [torch.zeros(2, *shape) for shape in model.state_shapes()]
    with torch.no_grad():
        for t in range(30):
            reset = torch.tensor([float(t == 0), float(t in (0, 15))])
            answer, state = model.step(x[:, t], reset, state)
        assert (answer[0] - model.clip(x[:1])[0, -1]).abs().max() < 1e-5
        assert (answer[1] - model.clip(x[1:, 15:])[0, -1]).abs().max() < 1e-5


def test_symmetric_steps_answer_late_but_right():
    model = small(causal=False)
    x, late = torch.randn(2, 70, 6), model.look_ahead()
    with torch.no_grad():
        whole = model.clip(x)
    assert (stream(model, x, {0})[:, late:] - whole[:, :-late]).abs().max() < 1e-5


def test_even_kernels_are_refused_and_momentum_is_set():
    with pytest.raises(ValueError, match="odd"):
        TCN(4, 4, (3, 2))
    model = small()
    model.set_momentum(0.001)
    assert {m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)} == {0.001}
