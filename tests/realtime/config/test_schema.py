"""Defaults, units and the hash of a run's settings."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import get_args, get_type_hints

import pytest

from realtime.config.loader import key_paths, load
from realtime.config.schema import DemoMotion, Looks, RunConfig, config_hash
from realtime.config.yaml_file import read_yaml
from realtime.demo.looks import Pool
from realtime.demo.motion import MOTIONS
from tests.support.paths import ROOT

RUN = ROOT / "configs" / "run"


def test_the_commented_file_is_the_default():
    assert load(str(RUN / "live.yaml")) == RunConfig() == load()


def test_the_commented_file_holds_every_key_with_a_comment():
    tree = read_yaml(str(RUN / "live.yaml"))
    lines = (RUN / "live.yaml").read_text().splitlines()
    for path in key_paths(RunConfig):
        assert path in tree.lines, f"{'.'.join(path)} is missing in live.yaml"
        around = lines[tree.lines[path[:-1]] - 1] + lines[tree.lines[path] - 1]
        assert "#" in around, f"{'.'.join(path)} has no comment"


@pytest.mark.parametrize("path", sorted(RUN.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_file_loads(path):
    assert isinstance(load(str(path)), RunConfig)


def test_every_number_has_a_unit_and_bounds_that_hold_its_default():
    for section, hint in get_type_hints(RunConfig).items():
        for one in fields(hint):
            if is_dataclass(get_type_hints(hint)[one.name]) or type(one.default) not in (int, float):
                continue
            if one.metadata:
                assert one.metadata["low"] <= one.default <= one.metadata["high"], f"{section}.{one.name}"
                assert one.metadata["unit"], f"{section}.{one.name}"
            else:
                assert "Literal" in str(one.type), f"{section}.{one.name} has neither unit nor choices"


def test_the_hash_changes_with_what_changes_a_pose_only():
    config = RunConfig()
    shown = replace(config, view=replace(config.view, mirror=True), terminal=replace(config.terminal, json=True))
    moved = replace(config, occlusion=replace(config.occlusion, sigma=0.2))
    assert config_hash(config) == config_hash(RunConfig()) == config_hash(shown)
    assert config_hash(moved) != config_hash(config)
    assert len(config_hash(config)) == 16


def test_the_demo_can_do_every_motion_that_may_be_asked_for():
    assert get_args(DemoMotion) == MOTIONS
    assert get_args(Looks) == get_args(Pool)


def test_every_setting_is_used_somewhere():
    rooms = [path for path in (RUN.parent.parent / "realtime").rglob("*.py") if path.name != "config.py"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in rooms)
    unused = [".".join(path) for path in key_paths(RunConfig) if f".{path[-1]}" not in source]
    assert unused == []
