"""Eq. 2 to the letter, and every further cue: it lowers what it should, and nothing once it is switched off."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from realtime.config.schema import CueConfig
from realtime.occlude.rule_based import BACK_SIGMA, JERK_SIGMA, Evidence, reliability

NONE = CueConfig(**{f.name: False for f in fields(CueConfig)})
EQ2 = replace(NONE, confidence=True, flow=True)


def evidence(**values):
    """Three joints of which nothing speaks against, but for what is given."""
    plain = {"score": 1, "presence": 1, "residual": 0, "back_error": 0, "acceleration": 0, "border": 0.2}
    return Evidence(**{k: np.full(3, values.get(k, v), np.float32) for k, v in plain.items()})


@pytest.mark.parametrize(
    ("score", "residual", "sigma"), [(0.9, 0.0, 0.1), (0.9, 0.1, 0.1), (0.5, 0.25, 0.1), (0.8, 0.1, 0.05)]
)
def test_confidence_times_flow_consistency(score, residual, sigma):
    expected = score * np.exp(-(residual**2) / (2 * sigma**2))
    found = reliability(evidence(score=score, residual=residual, back_error=0.5, acceleration=9.0), EQ2, sigma)
    assert np.allclose(found, expected, rtol=1e-5)


def test_where_pixels_could_not_be_traced_the_confidence_remains():
    assert np.allclose(reliability(evidence(score=0.7, residual=-1), EQ2, 0.1), 0.7)


@pytest.mark.parametrize(
    ("cue", "values"),
    [
        ("confidence", {"score": 0.2}),
        ("presence", {"presence": 0.2}),
        ("flow", {"residual": 0.2}),
        ("acceleration", {"acceleration": 0.5, "residual": -1}),
        ("out_of_frame", {"border": -0.01}),
    ],
)
def test_each_cue_lowers_and_can_be_switched_off(cue, values):
    spoken = evidence(**values)
    assert (reliability(spoken, replace(NONE, **{cue: True}), 0.1) < 0.3).all()
    assert (reliability(spoken, CueConfig(), 0.1) < 0.3).all()
    assert (reliability(spoken, replace(CueConfig(), **{cue: False}), 0.1) > 0.9).all()


def test_flow_that_does_not_come_back_says_little():
    astray = evidence(residual=0.3, back_error=3 * BACK_SIGMA)
    assert (reliability(astray, replace(EQ2, forward_backward=True), 0.1) > 0.9).all()
    assert (reliability(astray, EQ2, 0.1) < 0.05).all()


def test_acceleration_that_the_pixels_shared_is_motion():
    jump = replace(NONE, acceleration=True)
    assert (reliability(evidence(acceleration=4 * JERK_SIGMA, residual=0.01), jump, 0.1) > 0.99).all()
    assert (reliability(evidence(acceleration=4 * JERK_SIGMA, residual=4 * JERK_SIGMA), jump, 0.1) < 0.01).all()


UNIT, LENGTH = st.floats(0, 1, width=32), st.floats(0, 1000, width=32)


@given(arrays(np.float32, (2, 5), elements=UNIT), arrays(np.float32, (4, 5), elements=LENGTH), st.floats(0.001, 10))
def test_always_between_zero_and_one(units, lengths, sigma):
    found = reliability(Evidence(*units, *lengths), CueConfig(), sigma)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
