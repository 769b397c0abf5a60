"""Read a small YAML file into plain values and the line of every key; nothing in it can run or grow.

Refused: aliases, tags, duplicate keys, deep nesting, more than 64 kB, anything but a regular file.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8

Path = tuple[str, ...]

_WHOLE = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,3})?")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}


class ConfigError(ValueError):
    """A setting or a file of settings that cannot be used; its text is all a user needs."""

    exit_code = 2


@dataclass(frozen=True)
class Tree:
    name: str  # the file's, as the user wrote it
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)  # of every key, from 1


class _Loader(yaml.SafeLoader):
    """Composes nodes only: no constructor is ever called."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _at(event, f"alias *{event.anchor} is not allowed; write the value out")
        if getattr(event, "tag", None):
            raise _at(event, f"tag {event.tag!r} is not allowed; settings are text, numbers, true and false")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _at(event, f"nested more than {MAX_DEPTH} deep; settings are sections and keys")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _at(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def read_bounded(path: str) -> str:
    try:
        if not stat.S_ISREG(File(path).stat().st_mode):
            raise ConfigError(f"{path}: not a file; expected a YAML file, such as `realtime init-config` writes")
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}; expected a YAML file") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES // 1024} kB; a file of settings has a few kB")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); expected a YAML file") from None


def compose(text: str, name: str) -> Any:
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{mark.line + 1}: " if mark else " "
        raise ConfigError(f"{name}:{line}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {str(error).splitlines()[0]}") from None
    finally:
        if loader is not None:
            loader.dispose()


def scalar(node: yaml.ScalarNode) -> Any:
    """Quoted: text.  Plain: null, true, false, a whole number, a number, or text."""
    text: str = node.value
    if node.style is not None:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def plain(node: Any, path: Path, tree: Tree) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [plain(item, path, tree) for item in node.value]
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = _key(key_node, path, tree), key_node.start_mark.line + 1
        here = (*path, key)
        if key in values:
            raise ConfigError(f"{tree.name}:{line}: {'.'.join(here)}: given twice, first on line {tree.lines[here]}")
        tree.lines[here] = line
        values[key] = plain(value_node, here, tree)
    return values


def _key(node: Any, path: Path, tree: Tree) -> str:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    where = ".".join(path) or "top of the file"
    raise ConfigError(f"{tree.name}:{node.start_mark.line + 1}: {where}: a key is a word, not a list or a section")


def read_yaml(path: str) -> Tree:
    """Return the file's plain values with the line of every key, or ConfigError."""
    tree = Tree(path)
    node = compose(read_bounded(path), path)
    if node is None:
        return tree
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            f"{path}: holds no sections; expected `section:` lines, as `realtime init-config` writes them"
        )
    tree.values.update(plain(node, (), tree))
    return tree
