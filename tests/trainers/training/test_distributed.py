"""Two processes under torchrun train one network: the same as one with both batches, resumed, written once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.support.networks.trying import motion_folder
from trainers import checkpoint, cli
from trainers.training.distributed import ALONE, Group, agreed, average, join

TINY = """recipe: pavllo
layers: 1
channels: 8
batch: 16
epoch: 50
dropout: 0.0
validation_clips: 4
loop: {steps: 60, checkpoint_every: 20, validate_every: 60}
"""


def torchrun(config: Path, data: str, out: Path, *words: str) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "trainers"]
    done = subprocess.run(
        [*command, "train", str(config), "--data", data, "--out", str(out), *words],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def losses(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "curves.jsonl").read_text().splitlines()]
    assert [r["step"] for r in rows] == sorted(r["step"] for r in rows)
    return [r["mpjpe"] for r in rows if "mpjpe" in r]


@pytest.mark.timeout(300)
def test_two_processes_train_as_one_and_one_of_them_writes(tmp_path):
    data, config = motion_folder(tmp_path), tmp_path / "tiny.yaml"
    config.write_text(TINY)
    printed = torchrun(config, data, tmp_path / "two", "--steps", "30")
    assert printed.count("done; next: trainers export") == 1
    assert checkpoint.metadata(tmp_path / "two" / checkpoint.FILE)["step"] == "30"
    torchrun(config, data, tmp_path / "two")  # goes on
    assert checkpoint.metadata(tmp_path / "two" / checkpoint.FILE)["step"] == "60"
    assert cli.main(["train", str(config), "--data", data, "--out", str(tmp_path / "one")]) == 0
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert two[-1] < 0.7 * two[0] and two[-1] == pytest.approx(one[-1], rel=0.25)


def test_alone_nothing_is_sent(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join("cpu") == (ALONE, "cpu") and agreed(True, ALONE) and Group().writes
    before = torch.ones(3)
    average([before], ALONE)
    assert torch.equal(before, torch.ones(3))
