"""Completion: what the shells are given completes commands, flags and choices, and parses in the shell itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from realtime.cli.main import COMMANDS, main


def script(shell, capsys):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(text, *words):
    """What bash offers for the last of these words."""
    given = " ".join(f"'{word}'" for word in words)
    code = f"{text}\nCOMP_WORDS=({given}); COMP_CWORD={len(words) - 1}; _realtime; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_flags_and_choices(capsys):
    text = script("bash", capsys)
    assert set(completed(text, "realtime", "")) == set(COMMANDS)
    assert completed(text, "realtime", "exp") == ["export"]
    assert completed(text, "realtime", "run", "--peo") == ["--people"]
    assert {"bvh", "c3d", "npz"} <= set(completed(text, "realtime", "export", "--to", ""))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_given_every_command_and_flag(shell, capsys):
    text = script(shell, capsys)
    assert all(name in text for name in COMMANDS) and "every-frame" in text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)
