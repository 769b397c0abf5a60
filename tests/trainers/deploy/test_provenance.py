"""A model card says whose data a model was trained on and which commit wrote it, whatever folder one stands in."""

from __future__ import annotations

import subprocess

import pytest

pytest.importorskip("torch")

from torch import nn

from realtime.cli.main import version
from tests.support.paths import ROOT
from trainers import checkpoint
from trainers.config import load
from trainers.deploy.load_trained import load_trained
from trainers.deploy.package_commit import package_commit
from trainers.training import train


def git(folder, *arguments):
    person = ("-c", "user.name=x", "-c", "user.email=x@y")
    asked = subprocess.run(["git", *person, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def repository(folder):
    (folder / "file").touch()
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "somebody else's")
    return git(folder, "rev-parse", "--short", "HEAD")


def test_another_repository_around_the_user_is_not_ours(tmp_path, monkeypatch):
    theirs = repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert package_commit().rstrip("+") != theirs
    installed = tmp_path / ".venv" / "trainers" / "deploy"
    installed.mkdir(parents=True)
    assert package_commit(installed) == "unknown"


def test_a_checkout_says_its_own_commit_and_whether_it_was_changed():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert package_commit().rstrip("+") == git(ROOT, "rev-parse", "--short", "HEAD")


def test_an_installed_package_says_what_it_was_built_from(tmp_path):
    (tmp_path / "commit.txt").write_text("abc1234\n")
    assert package_commit(tmp_path) == "abc1234"


def test_the_card_s_notice_is_the_data_s_own(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    (data / "NOTICE.txt").write_text("Motion of our own studio.\nAll rights reserved.\n")
    kept = {}

    def training(config, *_):
        kept["config"] = config

    module = type("R", (), {"recipe": staticmethod(lambda *_: None)})
    monkeypatch.setattr(train, "run", training)
    monkeypatch.setattr(train, "recipe_module", lambda _: module)
    assert main_of(train, "causal-small", "--data", str(data), "--out", str(tmp_path / "run")) == 0
    config = kept["config"]
    assert config.notice == "Motion of our own studio. All rights reserved."
    assert config.fingerprint() == load("causal-small").fingerprint()  # who owns the data does not change a run

    class Tiny:
        model = nn.Linear(1, 1)

    (tmp_path / "run").mkdir()
    checkpoint.save(tmp_path / "run", config, Tiny(), [], 1, {})
    built = type("B", (), {"build_for_export": staticmethod(lambda *_: nn.Linear(1, 1))})
    monkeypatch.setattr("trainers.deploy.load_trained.recipe_module", lambda _: built)
    _, provenance, _ = load_trained(str(tmp_path / "run"))
    assert provenance["notice"] == "Motion of our own studio. All rights reserved."
    assert provenance["command"] == "trainers train causal-small"


def main_of(command, *words):
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(words))


def test_the_version_is_known_without_installed_metadata():
    assert version().startswith("steadypose ")
