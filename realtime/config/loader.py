"""Build checked settings from plain values; errors name file, key path, bad value and nearest key."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from realtime.config.schema import Intrinsics, RunConfig
from realtime.config.shipped import RUN
from realtime.config.yaml_file import ConfigError, Path, Tree, read_yaml

T = TypeVar("T")
Origin = Callable[[Path], str]  # key path -> "file:line: key.path" or "--flag"
Flags = dict[str, tuple[str, Any]]  # "source.fps" -> ("--fps", 30.0)

_KINDS = {bool: "true or false", str: "text", int: "a whole number", float: "a number"}
_FACTORS = {"100 times": 100.0, "1000 times": 1000.0}


def key_paths(cls: type, path: Path = ()) -> Iterator[Path]:
    for name, hint in get_type_hints(cls).items():
        if is_dataclass(hint):
            yield from key_paths(hint, (*path, name))  # type: ignore[arg-type]
        else:
            yield (*path, name)


def nearest(path: Path, siblings: list[str], root: type) -> str:
    """Find the key the user most likely meant: a neighbour, else the same word in another section."""
    close = difflib.get_close_matches(path[-1], siblings, 1, 0.6)
    elsewhere = [".".join(p) for p in key_paths(root) if p[-1] == path[-1]]
    if close:
        return ".".join((*path[:-1], close[0]))
    spelled = [".".join(p) for p in key_paths(root)]
    return (elsewhere or difflib.get_close_matches(".".join(path), spelled, 1, 0.0))[0]


def build(cls: type[T], values: dict[str, Any], origin: Origin, path: Path = (), root: type | None = None) -> T:
    """Build a checked `cls` from plain values; every key must be known, every value of its type, unit and bounds."""
    root = root or cls
    hints = get_type_hints(cls)
    metadata = {f.name: f.metadata for f in fields(cls)}  # type: ignore[arg-type]
    ready: dict[str, Any] = {}
    for key, value in values.items():
        here = (*path, key)
        if key not in hints:
            raise ConfigError(
                f"{origin(here)}: unknown key (given {value!r:.60}); nearest is {nearest(here, list(hints), root)}"
            )
        if is_dataclass(hints[key]):
            section = {} if value is None else value
            if not isinstance(section, dict):
                raise ConfigError(f"{origin(here)}: expected a section of keys, found {value!r}")
            ready[key] = build(hints[key], section, origin, here, root)
        else:
            ready[key] = check(value, hints[key], metadata[key], origin(here))
    return cls(**ready)


def check(value: Any, hint: Any, metadata: Any, where: str) -> Any:
    options = get_args(hint)
    if get_origin(hint) in (UnionType, Union):
        if (value is None and NoneType in options) or value in words_of(hint):
            return value
        hint = next(option for option in options if option is not NoneType)
    if get_origin(hint) is Literal:
        if value not in options or isinstance(value, bool):
            raise ConfigError(f"{where}: expected one of {', '.join(map(str, options))}, found {value!r}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, found {value!r}")
        return tuple(check(item, options[0], metadata, f"{where}[{i}]") for i, item in enumerate(value))
    return spelled(within(typed(value, hint, metadata, where), metadata, where), metadata, where)


def words_of(hint: Any) -> tuple[str, ...]:
    """List the words that a setting takes beside its numbers, such as auto."""
    return tuple(word for option in get_args(hint) if get_origin(option) is Literal for word in get_args(option))


def typed(value: Any, hint: type, metadata: Any, where: str) -> Any:
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        unit = f" ({metadata['unit']})" if metadata.get("unit") else ""
        raise ConfigError(f"{where}: expected {_KINDS[hint]}{unit}, found {value!r}{_advice(value, hint)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: expected a finite number, found {value!r}")
    return value


def _advice(value: Any, hint: type) -> str:
    if hint is str and type(value) in (int, float):
        return f'; in quotes it is text: "{value}"'
    if hint in (int, float) and isinstance(value, str):
        return "; write the number alone, its unit is fixed"
    return ""


def spelled(value: Any, metadata: Any, where: str) -> Any:
    """Check a text against its setting's pattern."""
    if "pattern" in metadata and not re.fullmatch(metadata["pattern"], value):
        shown = f"{value[:40]!r} ({len(value)} characters)" if len(value) > 40 else repr(value)
        raise ConfigError(f"{where}: expected {metadata['rule']}, found {shown}")
    return value


def within(value: Any, metadata: Any, where: str) -> Any:
    if "low" not in metadata or metadata["low"] <= value <= metadata["high"]:
        return value
    low, high, unit = metadata["low"], metadata["high"], metadata["unit"]
    raise ConfigError(f"{where}: expected {low:g} to {high:g} {unit}, found {value:g}{_other_unit(value, low, high)}")


def _other_unit(value: float, low: float, high: float) -> str:
    """Suggest another unit for a value out of bounds that fits when scaled; empty where none does."""
    for words, factor in _FACTORS.items():
        for scaled, sense in ((value / factor, "large"), (value * factor, "small")):
            if low <= scaled <= high and value != 0:
                return f"; {words} too {sense}: in another unit? {scaled:g} would fit"
    return ""


def merge(tree: Tree, flags: Flags) -> tuple[dict[str, Any], Origin]:
    """Merge the file's values under the command line's, and record which gave which."""
    values: dict[str, Any] = {k: dict(v) if isinstance(v, dict) else v for k, v in tree.values.items()}
    for dotted, (_, value) in flags.items():
        section, key = dotted.split(".")
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            values[section] = inner = {}
        inner[key] = value

    def origin(path: Path) -> str:
        dotted = ".".join(path)
        if dotted in flags:
            return flags[dotted][0]
        line = tree.lines.get(path)
        return f"{tree.name}:{line}: {dotted}" if line else f"{tree.name}: {dotted}"

    return values, origin


def load(path: str | None = None, flags: Flags | None = None) -> RunConfig:
    """Defaults, then the file (a path, or the name of one that ships), then the flags; checked, or ConfigError."""
    values, origin = merge(read_yaml(RUN.locate(path)) if path else Tree("defaults"), flags or {})
    config = build(RunConfig, values, origin)
    refuse_open_bind(config, origin(("publish", "bind")))
    refuse_open_link(config, origin)
    return config


def load_intrinsics(path: str) -> Intrinsics:
    tree = read_yaml(path)
    required = [f.name for f in fields(Intrinsics) if f.name != "distortion"]
    missing = [name for name in required if name not in tree.values]
    if missing:
        raise ConfigError(f"{path}: {', '.join(missing)} missing; expected {', '.join(required)} (all px)")
    return build(Intrinsics, tree.values, lambda p: f"{path}:{tree.lines.get(p, 1)}: {'.'.join(p)}")


def refuse_open_bind(config: RunConfig, where: str) -> None:
    """Nothing listens beyond this machine unless it was asked for by name."""
    from realtime.transport.address import BadPlace, is_loopback

    try:
        private = is_loopback(config.publish.bind)
    except BadPlace as error:
        raise ConfigError(f"{where}: {error}") from None
    if not private and not config.publish.insecure and not config.publish.keys:
        raise ConfigError(
            f"{where}: {config.publish.bind} would be open to other machines; with keys it is safe: `realtime keys new "
            "keys`, then --keys keys (or --insecure: everyone who reaches it may read the poses)"
        )


def refuse_open_link(config: RunConfig, origin: Origin) -> None:
    """Pictures leave or reach this machine with keys only, unless it was asked for by name."""
    from realtime.config.source_spec import kind_of, remote_address
    from realtime.transport.address import BadPlace, is_loopback

    ends = {("remote", "to"): config.remote.to}
    if kind_of(config.source.spec) == "remote":
        ends[("source", "spec")] = remote_address(config.source.spec)
    for path, address in ends.items():
        try:
            private = address is None or is_loopback(address)
        except BadPlace as error:
            text = str(error).replace("tcp://", "remote://") if path[0] == "source" else str(error)
            raise ConfigError(f"{origin(path)}: {text}") from None
        if not private and not config.publish.keys and not config.publish.insecure:
            raise ConfigError(
                f"{origin(path)}: pictures of people would cross the network unencrypted; with keys they are safe: "
                "`realtime keys allow DIR NAME --camera` there, then --keys on both machines (or --insecure)"
            )


__all__ = ["ConfigError", "build", "load", "load_intrinsics"]
