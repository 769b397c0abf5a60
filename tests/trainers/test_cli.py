"""`trainers`: words, help, one-line errors, nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from trainers import cli
from trainers.errors import UserError


def test_no_command_and_help_list_the_commands(capsys):
    assert cli.main([]) == 2 and cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(printed.count(f"\n  {name} ") == 2 for name in cli.COMMANDS)


def test_an_unknown_command_is_one_line(capsys):
    assert cli.main(["tarin"]) == 2
    error = capsys.readouterr().err
    assert "'tarin' is no command; expected one of prepare" in error and error.count("\n") == 1


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate", "export", "show"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0 and f"trainers {command}" in capsys.readouterr().out


def command(monkeypatch, error: BaseException) -> None:
    def main(args):
        raise error

    fake = types.SimpleNamespace(add_arguments=lambda parser: None, main=main)
    monkeypatch.setattr(cli, "import_module", lambda name: fake)


def test_what_the_user_can_mend_is_one_line_and_exit_2(monkeypatch, capsys):
    command(monkeypatch, UserError("a.bvh:7: too short"))
    assert cli.main(["show"]) == 2
    assert capsys.readouterr().err == "trainers show: a.bvh:7: too short\n"


def test_a_missing_extra_names_the_install(monkeypatch, capsys):
    command(monkeypatch, ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert cli.main(["show"]) == 2
    assert "needs torch; pip install 'steadypose[train]'" in capsys.readouterr().err


def test_bugs_keep_their_traceback(monkeypatch):
    command(monkeypatch, ModuleNotFoundError("No module named 'trainers.gone'", name="trainers.gone"))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["show"])
    command(monkeypatch, KeyError("x"))
    with pytest.raises(KeyError):
        cli.main(["show"])


def test_ctrl_c_is_130(monkeypatch):
    command(monkeypatch, KeyboardInterrupt())
    assert cli.main(["show"]) == 130


def test_the_list_of_commands_loads_neither_torch_nor_numpy():
    code = "import sys, trainers.cli; print(sorted({'torch', 'numpy', 'cv2'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
