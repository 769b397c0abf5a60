"""What a file of settings may hold, and that reading it can neither run nor grow anything."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.config.yaml_file import ConfigError, Tree, compose, plain, read_yaml


def values(text):
    node = compose(text, "text")
    return None if node is None else plain(node, (), Tree("text"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1), ("-3", -3), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("true", True), ("False", False),
        ("null", None), ("~", None), ("''", ""), ("'1'", "1"), ('"true"', "true"), ("1:30", "1:30"), ("0x10", "0x10"),
        ("yes", "yes"), ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), (".nan", ".nan"), ("tcp://*:1", "tcp://*:1"),
    ],
)  # fmt: skip
def test_scalars_are_what_they_look_like(text, expected):
    found = values(f"a: {text}")["a"]
    assert found == expected
    assert type(found) is type(expected)


def test_lines_are_remembered_by_key_path(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# first\na:\n  b: 1\n\n  c: 2\n")
    tree = read_yaml(str(path))
    assert tree.values == {"a": {"b": 1, "c": 2}}
    assert tree.lines == {("a",): 2, ("a", "b"): 3, ("a", "c"): 5}


def test_an_empty_file_sets_nothing(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# only a remark\n")
    assert read_yaml(str(path)).values == {}


@pytest.mark.parametrize("name", ["missing.yaml", "a/folder", "pipe"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, name):
    (tmp_path / "a" / "folder").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match=r"expected a YAML file|not a file"):
        read_yaml(str(tmp_path / name))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: \xff\xfe\x80")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        read_yaml(str(path))


@given(st.text(max_size=200))
def test_any_text_is_values_or_one_clear_error(text):
    try:
        values(text)
    except ConfigError as error:
        assert str(error).startswith("text:")  # noqa: PT017
