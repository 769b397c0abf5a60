"""Roy's own test and Zhang's: the true distance given, LNet alone; what has no such test says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.support.networks.trying import motion_folder, trial
from trainers import cli
from trainers.errors import UserError
from trainers.evaluation.true_distance import clip, lifted
from trainers.models.papers.roy2024 import Roy2024
from trainers.models.papers.zhang2021 import DGNet, Zhang2021


def known(frames: int = 40):
    one = trial(frames)
    return replace(one, root=np.full(frames, 4.5, np.float32))


def test_the_distance_and_the_refinement_are_given_or_left_out_as_asked():
    torch.manual_seed(0)
    model = Roy2024(target=30, joints_in="h36m17").eval()
    torch.nn.init.normal_(model.rnet.fusion.weight, 0, 0.01)
    answers = {(a, b): clip(model, known(), a, b)[0] for a in (True, False) for b in (True, False)}
    assert len({xyz.tobytes() for xyz in answers.values()}) == 4
    far = clip(model, replace(known(), root=np.full(40, 9.0, np.float32)), True, True)[0]
    assert not np.allclose(far, answers[True, True])
    assert np.array_equal(
        clip(model, replace(known(), root=np.full(40, 9.0, np.float32)), False, True)[0], answers[False, True]
    )


def test_the_flip_is_the_mean_with_the_mirror_image_mirrored_back():
    torch.manual_seed(0)
    model = Zhang2021(DGNet(blocks=1, channels=8), joints_in="h36m17").eval()
    ((_, (plain, _)),) = lifted(model, [known()], True, False, False)
    ((_, (both, sigma)),) = lifted(model, [known()], True, False, True)
    assert both.shape == plain.shape and not np.allclose(both, plain) and sigma.shape == (40, 17)


def test_frames_of_another_rate_are_no_ticks():
    with pytest.raises(UserError, match="--native"):
        clip(Roy2024(joints_in="h36m17"), replace(known(), fps=50.0), True, True)


@pytest.mark.parametrize(
    ("flag", "says"), [("--lifted-only", "no lifting network"), ("--true-root", "needs no distance")]
)
def test_other_lifters_have_no_such_test(tmp_path, capsys, flag, says):
    data = motion_folder(tmp_path)
    config = tmp_path / "tiny.yaml"
    config.write_text("recipe: pavllo\nlayers: 1\nchannels: 8\nbatch: 4\nvalidation_clips: 2\nloop: {steps: 1}\n")
    assert cli.main(["train", str(config), "--data", data, "--out", str(tmp_path / "run")]) == 0
    assert cli.main(["evaluate", str(tmp_path / "run"), "--data", data, flag]) == 2
    assert says in capsys.readouterr().err
