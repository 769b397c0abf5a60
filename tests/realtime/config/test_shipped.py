"""Settings that ship are found by their bare names, and written out to be changed."""

from __future__ import annotations

import pytest

from realtime.cli.main import main
from realtime.config.loader import load
from realtime.config.schema import RunConfig
from realtime.config.shipped import RUN, Shipped
from realtime.config.yaml_file import ConfigError


def test_a_bare_name_is_the_file_that_ships():
    assert RUN.names() == ["demo", "file", "jetson", "live"]
    assert load("live") == RunConfig() and load("demo").source.spec == "demo"


def test_a_file_of_that_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("source:\n  fps: 12\n")
    assert load("demo").source.fps == 12


@pytest.mark.parametrize(
    ("name", "said"), [("dmeo", "demo, file, jetson, live"), ("demo.yaml", "No such file"), ("a/demo", "No such file")]
)
def test_another_name_is_refused_with_those_there_are(name, said):
    with pytest.raises(ConfigError, match=said):
        load(name)


def test_installed_files_come_before_those_of_a_checkout(tmp_path):
    installed, checkout = tmp_path / "defaults", tmp_path / "configs"
    for folder in (installed, checkout):
        folder.mkdir()
        (folder / "one.yaml").touch()
    both = Shipped(installed, checkout, "{}")
    assert both.locate("one") == str(installed / "one.yaml")
    assert Shipped(tmp_path / "nowhere", checkout, "{}").locate("one") == str(checkout / "one.yaml")


def test_init_config_writes_every_setting_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init-config"]) == 0
    assert load("steadypose.yaml") == RunConfig() and "realtime run --config steadypose.yaml" in capsys.readouterr().out
    (tmp_path / "steadypose.yaml").write_text("mine\n")
    assert main(["init-config"]) == 2 and "exists already" in capsys.readouterr().err
    assert (tmp_path / "steadypose.yaml").read_text() == "mine\n"
    assert main(["init-config", "nowhere/my.yaml"]) == 2 and "cannot be written" in capsys.readouterr().err
    assert main(["init-config", "demo.yaml", "--like", "demo"]) == 0 and load("demo.yaml").source.spec == "demo"
