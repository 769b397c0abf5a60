"""Sigma by joint and age: interpolated, calibrated, the same step by step."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from trainers.models.blocks.front_end import AGE_MAX
from trainers.models.blocks.sigma_by_age import KNOTS, UNKNOWN, SigmaTable, age_clip, age_step


def test_ages_step_by_step_are_those_of_the_clip():
    seen, dt = torch.rand(2, 60, 17) > 0.7, torch.rand(2, 60) * 0.2
    whole = age_clip(seen, dt.cumsum(1))
    age = torch.full((2, 17), 7.0)
    for t in range(60):
        age = age_step(age, seen[:, t], dt[:, t], torch.full((2,), t == 0))
        assert torch.allclose(age, whole[:, t], atol=1e-5)
    assert whole.max() == AGE_MAX or seen[:, 0].any()


def test_sigma_is_linear_between_the_knots():
    table = SigmaTable()
    for knot, metres in zip(KNOTS, UNKNOWN):
        assert table(torch.full((17,), knot)).exp().tolist() == pytest.approx([metres] * 17)
    middle = table(torch.full((17,), 0.75)).exp()
    assert middle[3] == pytest.approx((UNKNOWN[3] + UNKNOWN[4]) / 2)
    assert torch.equal(table(torch.full((17,), 99.0)), table(torch.full((17,), AGE_MAX)))


def test_calibrated_68_percent_lie_within_sigma_at_every_age():
    g = torch.Generator().manual_seed(0)
    age = torch.rand(20000, 17, generator=g) * AGE_MAX * (torch.rand(20000, 17, generator=g) > 0.5)
    spread = 0.02 + 0.05 * age
    error = torch.randn(20000, 17, 3, generator=g) * spread[..., None]
    table = SigmaTable()
    table.fit(error, torch.zeros_like(error), age)
    sigma = table(age).exp()
    for where in (age == 0, (age > 0.4) & (age < 1), age > 2):
        inside = (error.abs() <= sigma[..., None])[:, 1:][where[:, 1:]].float().mean()
        assert inside == pytest.approx(0.6827, abs=0.05)
    assert (table.metres.diff(dim=1) >= 0).all()


def test_ages_without_data_take_the_younger_ones_sigma():
    table = SigmaTable()
    error = torch.full((1000, 17, 3), 0.03)
    table.fit(error, torch.zeros_like(error), torch.zeros(1000, 17))
    assert table.metres[1:].unique().tolist() == pytest.approx([0.03])
