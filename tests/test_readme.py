"""The README holds what is true: every field of every message, every flag of `run`."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields

import pytest

from realtime.cli import run
from realtime.wire import messages
from tests.support.paths import ROOT

PAGE = ROOT / "README.md"


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "message", ["Pose3D", "Person3D", "Keypoints2D", "Person2D", "Health", "Hello", "Truth", "Stamp"]
)
def test_every_field_of_a_message_is_explained(message):
    schema = page().split("## What a message holds")[1].split("\n## ")[0]
    for one in fields(getattr(messages, message)):
        if one.name != "stamp":
            assert f"`{one.name}`" in schema or f"`people[].{one.name}`" in schema or one.name == "people"


def test_every_flag_of_run_is_mentioned():
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    mentioned = page()
    for action in parser._actions:
        flag = action.option_strings[-1]
        assert flag in mentioned or flag in ("--help", "--seed", "--http"), flag


def test_the_two_set_up_commands_are_targets_of_make():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make (\w+) ", page(), re.M):
        assert f"\n{command}:" in targets, command
