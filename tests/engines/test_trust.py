"""Whose bytes: owners, permissions, sizes and places, before anything reads them as a model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines import trust
from engines.errors import EngineError

LIMIT = 1000
STRANGER = 12345


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "model"
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"weights")
    path.chmod(0o600)
    return path


@pytest.fixture
def strangers(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same file as another user sees it who is neither its owner nor root."""
    monkeypatch.setattr(trust, "_owners", lambda: (STRANGER, STRANGER))
    return file


def test_ones_own_file_is_read(file: Path) -> None:
    assert trust.read(file, LIMIT) == trust.read_compiled(file, LIMIT) == b"weights"


def test_a_strangers_file_is_refused(strangers: Path) -> None:
    with pytest.raises(
        EngineError, match=rf"belongs to user {os.geteuid()}, neither to you \({STRANGER}\) nor to root"
    ):
        trust.read(strangers, LIMIT)


def test_roots_files_are_data_but_not_code(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_owners", lambda: (STRANGER, file.stat().st_uid))
    assert trust.read(file, LIMIT) == b"weights"
    with pytest.raises(EngineError, match="compiled engines must be your own"):
        trust.read_compiled(file, LIMIT)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666], ids=oct)
def test_a_compiled_file_that_others_may_write_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(EngineError, match="lets others write it, and a compiled engine is code"):
        trust.read_compiled(file, LIMIT)


def test_a_compiled_file_in_a_folder_that_others_may_write_is_refused(file: Path) -> None:
    file.parent.chmod(0o770)
    with pytest.raises(EngineError, match=r"mine: mode drwxrwx--- lets others write it"):
        trust.read_compiled(file, LIMIT)


def test_a_file_beyond_the_limit_is_not_read(file: Path) -> None:
    file.write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(EngineError, match="1001 bytes, at most 1000 are read"):
        trust.read(file, LIMIT)


@pytest.mark.parametrize("name", ["nothing", "."], ids=["missing", "a folder"])
def test_what_cannot_be_read_says_why(file: Path, name: str) -> None:
    with pytest.raises(EngineError, match=r"cannot be read \(.+\); run `engines verify"):
        trust.read(file.parent / name, LIMIT)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "sub/../../other"])
def test_places_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match="lies outside the folder"):
        trust.inside(tmp_path, name)


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("/etc/passwd")
    with pytest.raises(EngineError, match="'link', which lies outside the folder"):
        trust.inside(tmp_path / "in", "link")


def test_places_inside_are_given(tmp_path: Path) -> None:
    assert trust.inside(tmp_path, "weights.bin") == tmp_path / "weights.bin"
