"""`realtime keys`: both ways to let a machine in, and one line for whatever is wrong."""

from __future__ import annotations

import re

import pytest

from realtime.cli import main as cli
from realtime.transport.keys import allowed, client_keys, new_pair, publisher_keys


def keys(*words: object) -> int:
    return cli.main(["keys", *map(str, words)])


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "k"
    assert keys("new", place) == 0
    return place


def test_a_folder_made_here_lets_the_other_machine_in(folder, tmp_path, capsys):
    assert keys("allow", folder, "laptop") == 0
    assert str(tmp_path / "k-laptop") in capsys.readouterr().out
    own = client_keys(tmp_path / "k-laptop")
    assert allowed(folder, "allowed")[own.own.public] == "laptop"
    assert own.publisher == publisher_keys(folder).own.public
    assert not (tmp_path / "k-laptop" / "publisher.secret").exists()


def test_the_other_machine_keeps_its_secret(folder, tmp_path, capsys):
    other = tmp_path / "other"
    assert keys("new", other, "--publisher", folder / "publisher.public") == 0
    (line,) = re.findall(r"realtime keys allow DIR \S+ (.+)", capsys.readouterr().out)
    public = client_keys(other).own.public
    assert public in line
    assert keys("allow", folder, "other", other / "client.public") == 0
    assert keys("allow", folder, "again", public) == 2
    assert "on the list already, as other" in capsys.readouterr().err
    assert keys("new", tmp_path / "third", f"--publisher={publisher_keys(folder).own.public}") == 0


def test_no_key_begins_like_an_option():
    assert not any(new_pair()[0].startswith("-") for _ in range(300))


def test_a_camera_is_on_a_list_of_its_own(folder, tmp_path, capsys):
    assert keys("allow", folder, "box", "--camera", "--out", tmp_path / "box") == 0
    assert list(allowed(folder, "cameras").values()) == ["box"]
    assert "box" not in allowed(folder, "allowed").values()
    capsys.readouterr()
    assert keys("list", folder) == 0
    assert re.search(r"box +\S{40} may send pictures", capsys.readouterr().out)


def test_removed_is_removed(folder, tmp_path, capsys):
    keys("allow", folder, "laptop")
    assert keys("remove", folder, "laptop") == 0 and "laptop" not in allowed(folder, "allowed").values()
    assert keys("remove", folder, "laptop") == 2
    assert f"realtime keys list {folder}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new", "k"], "exists already"),
        (["allow", "k"], "the name is missing"),
        (["allow", "k", "../x"], "expected 1 to 32 letters"),
        (["allow", "k", "a", "short"], "expected 40 characters"),
        (["allow", "nowhere", "a"], "make them: realtime keys new nowhere"),
        (["list", "k/publisher.secret"], "is no folder"),
        (["new", "n", "--publisher", "é" * 40], "expected 40 characters"),
    ],
)
def test_what_is_wrong_is_one_line(words, said, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert keys(*words) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1
    assert publisher_keys(folder).own.secret not in line
