"""Encode dataclasses as msgpack maps by their annotations: nothing travels that is not declared.

Decoding trusts nobody: sizes are bounded before memory is taken, extension types are refused, every type, shape and
value is checked, and whatever is wrong raises MessageError.  Bytes never become code.
`Annotated[F32, "J", 2]` is an array: symbols are solved from the lengths and must agree within one message;
a second symbol in front, `"P", "J"`, travels as a list of arrays.  `Below(4)` bounds the values.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal

import msgpack
import numpy as np

from realtime.wire.array_codec import Coder, MessageError, Sizes, Within, array_coder, refuse

MAX_BYTES = 65_536  # of one message
MAX_ITEMS = 512  # of one list or map
MAX_TEXT = 1_000  # characters; a longer text is cut when it is encoded


def dumps(plain: dict[str, Any]) -> bytes:
    return bytes(msgpack.packb(plain, use_bin_type=True, unicode_errors="backslashreplace"))


def loads(data: bytes | memoryview) -> Any:
    """Decode one msgpack value within bounds and nothing behind it."""
    if len(data) > MAX_BYTES:
        refuse("size", f"{len(data)} bytes; a message has at most {MAX_BYTES}")
    try:
        return msgpack.unpackb(
            data, raw=False, strict_map_key=True, object_pairs_hook=_without_twins, max_str_len=4 * MAX_TEXT,
            max_bin_len=MAX_BYTES, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS, max_ext_len=0,
        )  # fmt: skip
    except MessageError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise MessageError("msgpack", f"no msgpack within bounds: {type(error).__name__} {error}") from None


def _without_twins(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        refuse("duplicate", "a map holds one key twice")
    return plain


def pack(message: Any, sizes: Sizes | None = None) -> dict[str, Any]:
    """Return a plain map, ready for msgpack.  A field marked `flat` joins its parent's map; one marked `wire: False`
    stays."""
    sizes = {} if sizes is None else sizes
    plain: dict[str, Any] = {}
    kind: Any = type(message)
    name = ""
    try:
        for name, flat, coder in plan(kind):
            value = coder.pack(getattr(message, name), sizes)
            if flat:
                plain.update(value)
            else:
                plain[name] = value
    except MessageError as error:
        raise MessageError(error.kind, f"{name}: {error}") from None
    return plain


def unpack(kind: type, plain: Any, sizes: Sizes | None = None) -> Any:
    """Return the dataclass again.  A key this version does not know is passed over; a missing one is an error, unless
    it was added within the version: then an older sender is given the default."""
    if type(plain) is not dict:
        refuse("type", f"{kind.__name__} is a map, found {type(plain).__name__}")
    sizes = {} if sizes is None else sizes
    values = {}
    for name, flat, coder in plan(kind):
        if not flat and name not in plain:
            if name in getattr(kind, "ADDED", ()):
                continue
            refuse("missing", f"{kind.__name__} lacks {name}")
        try:
            values[name] = coder.unpack(plain if flat else plain[name], sizes)
        except MessageError as error:
            raise MessageError(error.kind, f"{name}: {error}") from None
    return kind(**values)


@cache
def plan(kind: Any) -> tuple[tuple[str, bool, Coder], ...]:
    """Name, flatness and coder of every field that travels; made once per class."""
    hints = typing.get_type_hints(kind, include_extras=True)
    travels = [f for f in fields(kind) if f.metadata.get("wire", True)]
    return tuple((f.name, bool(f.metadata.get("flat")), coder(hints[f.name])) for f in travels)


def coder(hint: Any) -> Coder:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return bounded_coder(args[0], args[1]) if args[0] in SCALARS else array_coder(args[0], args[1:])
    if origin is Literal:
        return Coder(_choose(args), _choose(args))
    if origin in (types.UnionType, typing.Union):
        return optional_coder(next(a for a in args if a is not types.NoneType))
    if origin is tuple:
        return tuple_coder(args)
    if origin is dict:
        return Coder(_counts, _counts)
    if is_dataclass(hint):
        return Coder(pack, lambda value, sizes: unpack(typing.cast(type, hint), value, sizes))
    return SCALARS[hint]


def bounded_coder(hint: Any, bounds: Within) -> Coder:
    """Make a coder that checks a number's bounds when it arrives."""
    inner = coder(hint)

    def read(value: Any, sizes: Sizes) -> Any:
        number = inner.unpack(value, sizes)
        if not bounds.low <= number <= bounds.high:
            refuse("value", f"expected {bounds.low:g} to {bounds.high:g}, found {number:g}")
        return number

    return Coder(inner.pack, read)


def optional_coder(hint: Any) -> Coder:
    inner = coder(hint)
    return Coder(
        lambda value, sizes: None if value is None else inner.pack(value, sizes),
        lambda value, sizes: None if value is None else inner.unpack(value, sizes),
    )


def tuple_coder(args: tuple[Any, ...]) -> Coder:
    inner, count = coder(args[0]), None if args[-1] is Ellipsis else len(args)

    def read(value: Any, sizes: Sizes) -> tuple[Any, ...]:
        if type(value) is not list or count not in (None, len(value)):
            refuse("type", f"a list of {count or 'any length'} is expected")
        return tuple(inner.unpack(item, sizes) for item in value)

    return Coder(lambda value, sizes: [inner.pack(item, sizes) for item in value], read)


def _choose(choices: tuple[Any, ...]) -> Callable[[Any, Sizes], Any]:
    def one_of(value: Any, _: Sizes) -> Any:
        return value if type(value) is str and value in choices else refuse("value", f"one of {choices} is expected")

    return one_of


def _counts(value: Any, sizes: Sizes) -> dict[str, int]:
    if type(value) is not dict or not all(type(k) is str for k in value):
        refuse("type", "a map of counts is expected")
    return {_text(k, sizes): _int(v, sizes) for k, v in value.items()}


def _int(value: Any, _: Sizes) -> int:
    return int(value) if isinstance(value, (int, np.integer)) and type(value) is not bool else refuse("type", "int")


def _float(value: Any, _: Sizes) -> float:
    if not isinstance(value, (int, float, np.integer, np.floating)) or type(value) is bool:
        refuse("type", "a number is expected")
    return float(value) if math.isfinite(value) else refuse("finite", "a number is not finite")


def _text(value: Any, _: Sizes) -> str:
    """Without characters that steer a terminal: an escape sequence arrives as the text `\\x1b`."""
    if type(value) is not str:
        refuse("type", "a text is expected")
    return value if value.isprintable() else "".join(map(_shown, value))


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _bool(value: Any, _: Sizes) -> bool:
    return bool(value) if isinstance(value, (bool, np.bool_)) else refuse("type", "true or false is expected")


def _sent_text(value: Any) -> str:
    return value[:MAX_TEXT] if type(value) is str else refuse("type", "a text is expected")


SCALARS = {
    int: Coder(_int, _int),
    float: Coder(_float, _float),
    str: Coder(lambda value, _: _sent_text(value), _text),
    bool: Coder(_bool, _bool),
}
