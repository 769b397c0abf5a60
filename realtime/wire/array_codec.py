"""Encode arrays as little-endian bytes by the shape an annotation declares, and refuse what does not fit.

A symbol's size follows from the first array that has it and must then be the same in the whole message.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np

Sizes = dict[str, int]  # what each symbol of a shape turned out to be
Shape = tuple[str | int, ...]


class MessageError(ValueError):
    """These bytes are no message, or this message cannot be sent.  `kind` is one word, to count and limit logs by."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def refuse(kind: str, text: str) -> NoReturn:
    raise MessageError(kind, text)


@dataclass(frozen=True)
class Below:
    limit: int


@dataclass(frozen=True)
class Within:
    """Closed bounds of a number that arrives; what is sent is not held against them."""

    low: float
    high: float


class Coder(NamedTuple):
    pack: Callable[[Any, Sizes], Any]
    unpack: Callable[[Any, Sizes], Any]


def array_coder(hint: Any, notes: tuple[Any, ...]) -> Coder:
    """hint: NDArray[float32] or NDArray[uint8]; notes: its shape, perhaps a Below or a Within."""
    last = typing.get_args(hint)[-1]  # dtype[float32]; where NDArray is a type alias (numpy 2.5), float32
    dtype = np.dtype((typing.get_args(last) or (last,))[0]).newbyteorder("<")
    shape: Shape = tuple(n for n in notes if not isinstance(n, (Below, Within)))
    bounds = next((n for n in notes if isinstance(n, Within)), None)
    limit = next((n.limit for n in notes if isinstance(n, Below)), None)
    if sum(isinstance(n, str) for n in shape) > 1:
        return _stacked(array_coder(hint, notes[1:]), shape, dtype)

    def write(value: Any, sizes: Sizes) -> bytes:
        array = np.asarray(value, dtype)
        _agree(shape, array.shape, sizes)
        return bytes(_sound(array, limit).tobytes())

    def read(value: Any, sizes: Sizes) -> Any:
        if type(value) is not bytes or len(value) % dtype.itemsize:
            refuse("type", f"{dtype.name} in bytes are expected")
        array = np.frombuffer(value, dtype)
        if bounds and array.size and not (bounds.low <= array.min() and array.max() <= bounds.high):
            refuse("finite" if not np.isfinite(array).all() else "value", _outside(bounds, array))
        return _sound(array.reshape(_solve(shape, array.size, sizes)), limit)

    return Coder(write, read)


def _stacked(row: Coder, shape: Shape, dtype: Any) -> Coder:
    """Make a coder for arrays of shape[1:] in a list, as a leading symbol beside a second one becomes."""

    def write(value: Any, sizes: Sizes) -> list[bytes]:
        _agree(shape[:1], np.shape(value)[:1], sizes)
        return [row.pack(one, sizes) for one in value]

    def read(value: Any, sizes: Sizes) -> Any:
        if type(value) is not list:
            refuse("type", "a list of bytes is expected")
        _agree(shape[:1], (len(value),), sizes)
        rows = [row.unpack(one, sizes) for one in value]
        return np.stack(rows) if rows else np.zeros([n if isinstance(n, int) else 0 for n in shape], dtype)

    return Coder(write, read)


def _outside(bounds: Within, array: Any) -> str:
    return f"values are {bounds.low:g} to {bounds.high:g}, found {array.min():g} to {array.max():g}"


def _agree(shape: Shape, actual: tuple[int, ...], sizes: Sizes) -> None:
    fits = len(shape) == len(actual)
    for wanted, found in zip(shape, actual):
        fits &= found == (sizes.setdefault(wanted, found) if isinstance(wanted, str) else wanted)
    if not fits:
        refuse("shape", f"shape {shape} with {sizes}, found {actual}")


def _solve(shape: Shape, count: int, sizes: Sizes) -> tuple[int, ...]:
    """Solve the shape of `count` numbers for its one unknown symbol."""
    fixed = math.prod(n for n in shape if isinstance(n, int))
    found = tuple(n if isinstance(n, int) else count // fixed for n in shape)
    _agree(shape, found, sizes)
    if math.prod(found) != count:
        refuse("shape", f"shape {shape} with {sizes}, found {count} numbers")
    return found


def _sound(array: Any, limit: int | None) -> Any:
    if array.dtype.kind == "f" and not np.logical_and.reduce(np.isfinite(array), None):
        refuse("finite", "a number is not finite")
    if limit is not None and array.size and int(np.maximum.reduce(array, None)) >= limit:
        refuse("value", f"values are below {limit}, found {int(array.max())}")
    return array
