"""The papers' protocols: trained on what real cameras saw of some people, tested on others."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import H36M_17
from tests.support.people.walkers import walkers
from trainers import cli
from trainers.data import (
    view_bank,
    views,
)
from trainers.data.views import RecordedView, ViewSet, for_papers
from trainers.deploy.load_trained import load_trained
from trainers.errors import UserError
from trainers.recipes import recorded_people, roy2024

EVERYTHING = np.ones(17, bool)
PAVLLO = "recipe: pavllo\nrecorded: true\nlayers: 2\nchannels: 8\nbatch: 4\nvalidation_clips: 2\nloop: {steps: 1}\n"


def view(subject: str, frames: int = 150, gap: int | None = None, turn: float = 0.0) -> RecordedView:
    """From a camera turned about the person by `turn` rad."""
    around = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]], np.float32)
    pose = walkers(1, frames)[0].numpy() * np.array([1, -1, 1], np.float32) @ around
    xyz = pose - pose[:, :1] + np.array([0.3, 0, 4], np.float32)
    xy = xyz[..., :2] / xyz[..., 2:] * 900 + np.array([500, 400], np.float32)
    valid = np.ones(frames, bool)
    if gap is not None:
        valid[gap] = False
    score = np.ones((frames, 17), np.float32)
    return RecordedView(
        xyz,
        xy,
        score,
        valid,
        50.0,
        (1000, 800),
        (900, 900),
        (500, 400),
        f"{subject}/Eat",
        subject,
        "Eat",
        f"{turn:g}",
    )


@pytest.fixture
def folder(tmp_path):
    for subject in ("S1", "S5", "S9", "S11"):
        views.save(tmp_path, subject, [view(subject), view(subject, turn=1.2)], EVERYTHING)
    return tmp_path


def test_windows_hold_the_cameras_own_keypoints_and_the_truth():
    bank = view_bank.bank(view_bank.view_segments(ViewSet((view("S1"),), EVERYTHING)), "cpu")
    times = torch.arange(40)[None].expand(6, -1) / 30.0
    clips, root = view_bank.sample(bank, times, torch.Generator().manual_seed(0), mirrors=False)
    assert clips.x.shape == (6, 40, 17, 2) and (clips.reliability == 1).all() and not clips.hidden.any()
    place = clips.pose + root[:, :, None]
    assert torch.allclose(place[..., :2] / place[..., 2:], clips.x, atol=2e-3)


def test_half_of_the_windows_are_mirrored_and_frames_that_do_not_count_are_never_crossed():
    found = ViewSet((view("S1", 200, gap=100),), EVERYTHING)
    bank, times = view_bank.bank(view_bank.view_segments(found), "cpu"), torch.zeros(200, 1)
    assert bank.points.length.tolist() == [100, 99]
    clips, _ = view_bank.sample(bank, times, torch.Generator().manual_seed(1))
    aside = clips.x[:, 0, 0, 0]
    assert torch.allclose(aside.abs(), torch.tensor(0.075), atol=1e-4) and 0.3 < (aside > 0).float().mean() < 0.7
    with pytest.raises(UserError, match="no camera saw anybody"):
        view_bank.view_segments(ViewSet((view("S1", 10),), EVERYTHING))


def test_two_cameras_see_the_same_moment_in_the_same_mirror():
    found = ViewSet((view("S1", 90), view("S1", 120, gap=60, turn=1.2), view("S5", 90)), EVERYTHING)
    bank = view_bank.bank(view_bank.view_segments(found, 2), "cpu")
    assert bank.points.length.tolist() == [60, 29] and bank.points.xyz.shape[1] == 68
    times = torch.arange(20)[None].expand(50, -1) / 30.0
    (first, _), (second, root) = view_bank.sample_views(bank, times, torch.Generator().manual_seed(2))
    turn = view_bank.between(first.pose, second.pose)
    assert torch.allclose(first.pose @ turn.mT[:, None], second.pose, atol=1e-4)
    angle = torch.atan2(turn[:, 0, 2], turn[:, 0, 0])
    assert torch.allclose(angle.abs(), torch.tensor(1.2), atol=1e-3) and 0.3 < (angle > 0).float().mean() < 0.7
    place = second.pose + root[:, :, None]
    assert torch.allclose(place[..., :2] / place[..., 2:], second.x, atol=2e-3)
    with pytest.raises(UserError, match="no clip that 2 cameras saw"):
        view_bank.view_segments(ViewSet((view("S1"), view("S5")), EVERYTHING), 2)


def test_whom_the_papers_test_on_is_never_trained_on():
    everybody = ViewSet(tuple(view(s, 60) for s in ("S1", "S11", "S5", "S9")), EVERYTHING)
    train, fitted, judged = for_papers(everybody)
    assert [{v.subject for v in part.views} for part in (train, fitted, judged)] == [
        {"S1", "S5"},
        {"S5"},
        {"S9", "S11"},
    ]
    with pytest.raises(UserError, match="only S9"):
        for_papers(ViewSet((view("S9", 60),), EVERYTHING))


def test_real_cameras_triangulate_what_they_saw():
    found = ViewSet(tuple(view("S1", 90, turn=a) for a in (0.0, 1.2, 2.0)), EVERYTHING)
    bank = view_bank.bank(view_bank.view_segments(found, 3), "cpu")
    times = torch.arange(20)[None].expand(8, -1) / 30.0
    views_ = view_bank.sample_views(bank, times, torch.Generator().manual_seed(3))
    seen, rotation, centre = recorded_people.calibrated(views_)
    truth = seen.pose + torch.cat([root for _, root in views_])[:, :, None]
    assert (roy2024.pseudo_labels(seen, rotation, centre, 3) - truth).abs().max() < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        "recipe: zhang2021\nblocks: 1\nchannels: 16\nbatch: 4",
        "recipe: roy2024\nbatch: 4\nwarm_up: 1\nlead: 2\nunlabelled: 0.0",
        "recipe: roy2024\nbatch: 4\nwarm_up: 1\nlead: 2\nviews: 2\nlabelled: [S1]",
        "recipe: cheng2019\nbatch: 4\nchannels: 16\nwithheld: 2",
        "recipe: cheng2020\nbatch: 4\nchannels: 16\nembedding: 16\nwithheld: 0.5",
        "recipe: pavllo_semi\nbatch: 8\nlayers: 2\nchannels: 16\nepoch: 2\nwarm_up: 0",
    ],
)
def test_every_recipe_learns_from_real_cameras(folder, tmp_path, recipe):
    config, run = tmp_path / "paper.yaml", tmp_path / "run"
    config.write_text(f"{recipe}\nvalidation_clips: 2\nrecorded: true\nloop: {{steps: 3}}\n")
    assert cli.main(["train", str(config), "--data", str(folder), "--out", str(run)]) == 0
    _, _, figures = load_trained(str(run))
    assert 0 < figures["open"] < 2000


@pytest.mark.slow
def test_a_run_is_judged_on_the_papers_people(folder, tmp_path):
    config, run = tmp_path / "paper.yaml", tmp_path / "run"
    config.write_text(PAVLLO)
    assert cli.main(["train", str(config), "--data", str(folder), "--out", str(run)]) == 0
    out = ["--out", str(tmp_path / "report"), "--occlusion", "none", "--flip"]
    assert cli.main(["evaluate", str(run), "--data", str(folder), *out]) == 0
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert found["clips"] == 4 and list(found["actions"]) == ["eat"]
    rows = (tmp_path / "report" / "actions.md").read_text().splitlines()
    assert rows[0] == "| mm | Eat | Avg. |" and [r.split(" | ")[0] for r in rows[2:]] == [
        f"| Protocol {n}" for n in (1, 2, 3)
    ]
    assert rows[2].split(" | ")[1] == f"{found['actions']['eat']['mpjpe']:.1f}"


@pytest.mark.parametrize(("lacking", "code"), [("nose", 0), ("left_wrist", 2)])
def test_joints_that_a_set_lacks_are_made_unless_they_are_limbs(tmp_path, capsys, lacking, code):
    known = np.arange(17) != H36M_17.index(lacking)
    for person in ("Train-S1", "Validate-S1"):
        views.save(tmp_path, person, [view(person)], known)
    config = tmp_path / "paper.yaml"
    config.write_text(PAVLLO)
    assert cli.main(["train", str(config), "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == code
    assert ("views of all limbs" in capsys.readouterr().err) == (code == 2)
