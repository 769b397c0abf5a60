"""From made-up files of the public layouts to the printed table of a paper's protocol, in one command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.people.walkers import walkers
from trainers import cli
from trainers.config import load
from trainers.data.public import world
from trainers.evaluation.reproduce import PUBLISHED, evaluate_words
from trainers.recipe import RECIPES

FRAMES = 90
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
TINY = """recipe: {recipe}
{more}
validation_clips: 2
batch: 4
loop: {{steps: 2}}
variants:
  h36m: {{recorded: true, hz: 50.0}}
"""
HALF = float(np.sqrt(0.5))
PLACES = [
    {"orientation": [HALF, -HALF, 0.0, 0.0], "translation": [0, -4000, 900]},
    {"orientation": [0.5, -0.5, 0.5, -0.5], "translation": [-4000, 0, 900]},
]


@pytest.fixture(scope="module")
def h36m(tmp_path_factory) -> Path:
    """data_3d_h36m.npz, data_2d_h36m_cpn.npz and VideoPose3D's camera table, prepared."""
    folder = tmp_path_factory.mktemp("h36m")
    people, detected = {}, {}
    for k, subject in enumerate(SUBJECTS):
        walk = walkers(8, FRAMES)[k].numpy()
        full = np.zeros((FRAMES, 32, 3), np.float32)
        full[:, world.H36M_KEEP] = np.stack([walk[..., 0], -walk[..., 2], walk[..., 1]], -1)
        people[subject] = {"Walking 1": full, "Eating": full}
        noise = np.random.default_rng(k).normal(0, 3, (2, FRAMES + 2, 17, 2)) + 500
        detected[subject] = {action: list(noise.astype(np.float32)) for action in people[subject]}
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array(people, object))
    metadata = np.array({"layout_name": "h36m", "num_joints": 17}, object)
    np.savez(folder / "data_2d.npz", positions_2d=np.array(detected, object), metadata=metadata)
    lens = {
        "center": [512.5, 515.4], "focal_length": [1145.0, 1143.8], "radial_distortion": [-0.2, 0.24, -0.002],
        "tangential_distortion": [-0.0009, -0.0016], "res_w": 1000, "res_h": 1002,
    }  # fmt: skip
    table = [
        f"h36m_cameras_intrinsic_params = {[{'id': str(n), **lens} for n in range(2)]!r}",
        f"h36m_cameras_extrinsic_params = {dict.fromkeys(SUBJECTS, PLACES)!r}",
    ]
    (folder / "h36m_dataset.py").write_text("\n".join(table))
    words = ["--keypoints", "data_2d.npz", "--cameras", "h36m_dataset.py"]
    words = [w if w.startswith("--") else str(folder / w) for w in words]
    file = ["--file", str(folder / "data_3d_h36m.npz"), "--trust", "--out", str(folder / "out")]
    assert cli.main(["prepare", "h36m", *file, *words]) == 0
    return folder / "out"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "more"),
    [("pavllo", "variant: symmetric\nlayers: 2\nchannels: 8"), ("roy2024", "warm_up: 1\nlead: 0\nstrides: [5]")],
)
def test_one_command_trains_tests_and_prints_the_table(h36m, tmp_path, capsys, recipe, more):
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY.format(recipe=recipe, more=more))
    out = tmp_path / "run"
    assert cli.main(["reproduce", str(config), "--data", str(h36m), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for word in ("Protocol 1", "Protocol 2", "Protocol 3", "Walking", "Eating", "Avg.", "Published means"):
        assert word in printed
    table = (out / "report" / "actions.md").read_text().splitlines()
    assert table[0] == "| mm | Eating | Walking | Avg. |" and len(table) == 5
    published = out / "report-as-published" / "actions.md"
    assert published.exists() == (recipe == "roy2024") and (
        not published.exists() or published.read_text() != "\n".join(table)
    )


def test_roy_is_tested_as_its_paper_tests_it_and_every_native_run_frame_by_frame():
    found = evaluate_words(load("configs/train/roy2024.yaml", "h36m"), Path("H36M"), Path("run"))
    assert {"--true-root", "--lifted-only", "--native", "--flip"} <= set(found["report-as-published"])
    assert "--lifted-only" not in found["report"] and "--native" in found["report"]
    assert (
        "--native"
        not in evaluate_words(load("configs/train/roy2024.yaml", "h36m-short"), Path("a"), Path("b"))["report"]
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_variant_with_published_figures_is_the_papers_size(name):
    stem, _, variant = name.partition(".")
    config = load(f"configs/train/{stem}.yaml", variant)
    assert config.recipe in RECIPES and config.settings.recorded and config.settings.hz == 50.0
    assert config.loop.steps * config.settings.batch >= 16e6  # windows
    short = load(f"configs/train/{stem}.yaml", "h36m-short")
    assert short.settings.recorded and short.loop.steps < config.loop.steps / 10
