"""Each of the five papers by name: a command trains it, one exports it, it runs live, a stream equals the clip."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.store import open_engine
from realtime.config.schema import CameraConfig, LiftConfig
from realtime.lift.lifter import Lifter
from tests.realtime.lift.test_lifter import seen
from tests.support.networks.trying import motion_folder, tensors, there_and_back, trial
from trainers.cli import main
from trainers.deploy.load_trained import load_trained
from trainers.deploy.run_engine import lift

PAPERS = {  # recipe -> settings of a small one that answers now, or waits for so many ticks
    "pavllo": ("variant: symmetric\nlayers: 2\nchannels: 16", 4),
    "pavllo_semi": ("variant: causal\nlayers: 2\nchannels: 16\nwarm_up: 0", 0),
    "cheng2019": ("channels: 8\nahead: 3", 3),
    "cheng2020": ("strides: [1]\nembedding: 8\nchannels: 8\nrun: 3\nanswered: 60", 3),
    "zhang2021": ("blocks: 1\nchannels: 8", 0),
    "roy2024": ("target: 28\nwarm_up: 1\nlead: 4", 2),
}
COMMON = "batch: 4\nvalidation_clips: 2\nloop:\n  steps: 2\n"
NEAR_M = 1e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return motion_folder(tmp_path_factory.mktemp("people"), ("01", "02", "05"))


@pytest.fixture(scope="module", params=PAPERS)
def paper(request, folder, tmp_path_factory):
    """(name, the run's folder, the exported one)."""
    out = tmp_path_factory.mktemp(request.param)
    config, run, made = out / "tiny.yaml", out / "run", out / "made"
    config.write_text(f"recipe: {request.param}\n{PAPERS[request.param][0]}\n{COMMON}")
    assert main(["train", str(config), "--data", folder, "--out", str(run)]) == 0
    assert main(["export", str(run), "--out", str(made)]) == 0
    return request.param, run, made


def test_the_exported_stream_equals_the_trained_clip(paper):
    name, run, made = paper
    engine, one, ahead = open_engine(made, "cpu", 1), trial(), PAPERS[name][1]
    ((xyz, sigma),) = lift(engine, [one])
    model, _, _ = load_trained(str(run))
    with torch.no_grad():
        whole, log_sigma = model.eval().clip(*there_and_back(one), tensors(one)[2])
    answered = slice(len(one.x) - ahead)  # a stream ends before its last answers have their future
    assert engine.contract.look_ahead == ahead and len(xyz) == len(one.x)
    assert np.abs(xyz - whole[0].numpy())[answered].max() < NEAR_M
    assert np.abs(sigma - log_sigma[0].exp().numpy())[answered].max() < NEAR_M


def test_it_runs_live_with_its_look_ahead(paper):
    name, _, made = paper
    live = Lifter(open_engine(made, "cpu", 1), LiftConfig(), CameraConfig(), ("learned", 0.5))
    answers = [pose for i in range(20) for pose in live.lift(seen(i))] + live.flush()
    assert live.look_ahead_ms == pytest.approx(PAPERS[name][1] * 1000 / 30, abs=0.1)
    assert len(answers) == 20 and all(np.isfinite(a.people[0].xyz).all() for a in answers)
