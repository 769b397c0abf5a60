"""Hidden keypoints of the made-up detector stray as the real one's do: more the longer they are hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.support.networks.trying import motion_folder
from tests.support.people.walkers import walkers
from trainers import cli
from trainers.augmentation.detector_noise import NoiseRange, astray
from trainers.data import bank as banks
from trainers.data.motion import MotionSegment, MotionSet
from trainers.evaluation.hidden_error import by_age, hidden_for, made_up


@pytest.fixture(scope="module")
def people() -> banks.Bank:
    return banks.bank(
        MotionSet(tuple(MotionSegment(x.numpy(), 30.0, f"{k}", f"{k}") for k, x in enumerate(walkers(4, 300))))
    )


@pytest.mark.slow
def test_made_up_keypoints_stray_by_a_tenth_of_the_body_after_a_second_and_half_of_that_at_first(people):
    """Before, they were as wrong in their first frame as after a second, and zeroing them looked bad."""
    first, _, _, second, long, _, _ = by_age(made_up(people, NoiseRange()))
    assert 0.03 < first < 0.065 and 0.08 < second < 0.11 and 0.09 < long < 0.12
    flat = by_age(made_up(people, replace(NoiseRange(), invented_first=1.0)))
    assert flat[0] > 1.5 * first


def test_it_begins_anew_whenever_a_keypoint_is_hidden_again():
    hidden = torch.zeros(1, 40, 1, dtype=torch.bool)
    hidden[0, 5:20] = hidden[0, 25:] = True
    far = astray(hidden, NoiseRange())[0, :, 0]
    assert far[5] == far[25] and (far[6:20].diff() > 0).all() and 0.4 < far[5] < 0.5 and far[39] < 0.9
    np.testing.assert_allclose(hidden_for(hidden[0].numpy(), 30.0)[[4, 5, 19, 24, 26], 0] * 30, [0, 1, 15, 0, 2])


def test_the_command_wants_something_to_measure_and_prints_shares(tmp_path, capsys):
    assert cli.main(["hidden-error"]) == 2 and "--boards DIR" in capsys.readouterr().err
    assert cli.main(["hidden-error", "--data", motion_folder(tmp_path)]) == 0
    assert "the made-up one" in capsys.readouterr().out
