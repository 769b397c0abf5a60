"""The corrector's recipe: it learns what a detector lacks, its export answers alike, wrong data is named."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.contract import TICK_S
from engines.skeleton import BODY_37, mapping
from engines.store import load, locate
from trainers import cli
from trainers.data.shards.burst_bank import open_bursts
from trainers.data.shards.burst_shards import FRAME, write_bursts
from trainers.errors import UserError
from trainers.models.causal.corrector import person_view
from trainers.models.causal.engine_weights import carried_lifter
from trainers.recipes.corrector import RESTRAINTS, CorrectorSettings, as_good, build_for_export, doubted, recipe, turned

SCENES, EACH = 16, 12
PLACES = [BODY_37.index(n) for n in ("left_wrist", "nose")]


def rows(seed: int):
    """People 2.5 m away whose detector is right about everything but depth, which it halves."""
    rng = np.random.default_rng(seed)
    to_37 = mapping("blazepose33", "body37")
    for scene in range(SCENES):
        for burst in range(EACH):
            points = rng.normal(0, 0.25, (33, 3)).astype(np.float32)
            points -= points[[23, 24]].mean(0)
            placed = points + (0, 0, 2.5)
            flat = placed[:, :2] / placed[:, 2:] * 500 + (320, 240)
            nothing = {name: np.zeros(shape) for name, (shape, _, _) in FRAME.items()}
            yield nothing | {
                "scene": scene, "burst": burst, "xy": flat, "world": points * (1, 1, 0.5), "root": (0, 0, 2.5),
                "xyz": to_37 @ points,
            }  # fmt: skip


def folder(path, part="train", model="auto", seed=0):
    path.mkdir()
    heads = {
        "camera": np.tile([640, 480, 500, 320, 240], (SCENES, 1)), "up": np.tile([0, -1, 0], (SCENES, 1)),
        "desk": np.zeros(SCENES),
    }  # fmt: skip
    write_bursts(path, 0, heads, list(rows(seed)))
    (path / "synthesis.json").write_text(json.dumps({"kind": "bursts", "part": part, "model": model}))
    return str(path)


@pytest.fixture(scope="module")
def bursts(tmp_path_factory):
    base = tmp_path_factory.mktemp("bursts")
    return [folder(base / "train"), folder(base / "check", "validation", seed=1)]


def test_it_learns_what_the_detector_lacks_and_its_export_holds_everything(bursts):
    settings = CorrectorSettings(width=48, depth=1, dropout=0.0, members=2, batch=64, rate=1e-2, warm_up=1)
    made = recipe(settings, bursts, "cpu", 40)
    optimizer = made.optimizers()[0]
    before = {name: value.clone() for name, value in made.model.carry.state_dict().items()}
    made.model.eval()
    with torch.no_grad():
        first = made.validate()
    for step in range(40):
        made.model.train()
        losses = made.losses(made.batch(step, torch.Generator().manual_seed(step)), 0)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * made.learning_rate(step)
        optimizer.step()
    made.model.eval()
    with torch.no_grad():
        made.calibrate()
        last = made.validate()
    assert last["corrected inside, aligned"] < 0.97 * first["corrected inside, aligned"]
    assert last["detector inside"] == first["detector inside"]
    assert all(torch.equal(v, before[n]) for n, v in made.model.carry.state_dict().items())
    assert any(abs(float(made.model.corrector.restraint) - r) < 1e-6 for r in RESTRAINTS)
    assert (made.model.gains > 0).all() and not (made.model.gains == 1).all()
    built = build_for_export(vars(settings), made.model.state_dict()).eval()
    given = {"x": made.check.rays[:2], "world": made.check.world[:2], "reliability": torch.ones(2, 33)}
    given |= {"dt": torch.full((2,), TICK_S), "reset": torch.ones(2)}
    state = {name: torch.zeros(2, *shape) for name, shape in built.contract().state}
    with torch.no_grad():
        assert torch.equal(built.run(given, state)[0][0], made.model.run(given, state)[0][0])


TEACHER = """
recipe: corrector
members: 2
width: 24
depth: 1
batch: 32
rate: 0.01
loop: {steps: 4, validate_every: 4}
variants:
  taught: {members: 1, teacher: runs/lesson, taught: 1.0}
  lost: {teacher: runs/nowhere}
"""


def test_a_network_learns_what_a_teacher_says_and_a_missing_teacher_is_named(bursts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lesson.yaml").write_text(TEACHER)
    data = ["--data", bursts[0], "--data", bursts[1]]
    assert cli.main(["train", "lesson.yaml", *data]) == 0
    assert cli.main(["train", "lesson.yaml", "--variant", "lost", *data]) == 2
    assert "runs/nowhere" in (said := capsys.readouterr().err) and "--variant teacher" in said
    settings = CorrectorSettings(width=64, depth=1, dropout=0.0, batch=64, teacher="runs/lesson", taught=1.0)
    made = recipe(settings, bursts, "cpu", 60)
    optimizer = made.optimizers()[0]
    gaps = [gap_to_teacher(made)]
    for step in range(60):
        losses = made.losses(made.batch(step, torch.Generator().manual_seed(step)), 0)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    gaps.append(gap_to_teacher(made))
    assert gaps[1] < 0.7 * gaps[0], gaps


def gap_to_teacher(made) -> float:
    """m between a network and its teacher on people whom neither learns from."""
    view = person_view(made.check.rays, made.check.world, torch.ones(len(made.check), 33))
    with torch.no_grad():
        return float((made.model.corrector.correct(view)[0] - made.teacher.correct(view)[0]).norm(dim=-1).mean())


def test_what_errs_hardly_more_than_the_best_is_as_good():
    assert as_good({0.5: 102.0, 0.7: 100.9, 1.0: 100.0}) == [0.7, 1.0]


def test_scenes_are_held_out_where_nobody_is_for_validation(bursts):
    train, check = open_bursts(bursts[:1])
    assert not set(train.scene.tolist()) & set(check.scene.tolist())
    assert len(train) + len(check) == SCENES * EACH


def test_wrong_data_is_named(bursts, tmp_path):
    with pytest.raises(UserError, match="synthesize bursts"):
        open_bursts([])
    with pytest.raises(UserError, match=r"no synthesis\.json"):
        open_bursts([str(tmp_path)])
    with pytest.raises(UserError, match="validation people only"):
        open_bursts(bursts[1:])
    with pytest.raises(
        UserError, match=r"several detector models: .*train full, .*heavy heavy; train one network for each"
    ):
        open_bursts([*bursts, folder(tmp_path / "heavy", model="heavy")])


def test_a_mirrored_and_tilted_frame_is_one_that_a_camera_could_see(bursts):
    frames = turned(open_bursts(bursts[:1])[0], 25.0, torch.Generator().manual_seed(0))
    wrist, point = frames.xyz[:, PLACES] + torch.tensor([0.0, 0.0, 2.5]), [15, 0]
    assert (wrist[..., :2] / wrist[..., 2:] - frames.rays[:, point]).abs().max() < 2e-3
    assert (frames.world[:, point, :2] - frames.xyz[:, PLACES, :2]).abs().max() < 2e-3


def test_doubts_fall_mostly_on_what_is_covered():
    covered = torch.zeros(2000, 33, dtype=torch.bool)
    covered[:, :10] = True
    told = doubted(covered, 0.25, 0.06, torch.Generator().manual_seed(0)) < 0.5
    assert 0.65 < told[:, :10].float().mean() < 0.85 and told[:, 10:].float().mean() < 0.1


def test_an_engine_gives_its_weights_back():
    model = carried_lifter("causal-small")
    _, _, sequence, _ = load(locate("causal-small"))
    state = {name: torch.zeros(sequence["in_x"].shape[1], *shape) for name, shape in model.contract().state}
    given = {n: torch.from_numpy(sequence[f"in_{n}"][0]) for n in ("x", "reliability", "dt", "world", "reset")}
    with torch.no_grad():
        (xyz, log_sigma), _ = model.run(given, state)
    assert np.abs(xyz.numpy() - sequence["out_xyz"][0]).max() < 1e-5
    assert np.abs(log_sigma.numpy() - sequence["out_log_sigma"][0]).max() < 1e-4
    with pytest.raises(UserError, match="not exported from the recipe"):
        carried_lifter("hold")
