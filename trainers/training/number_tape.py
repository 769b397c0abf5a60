"""Answer a function's random draws from numbers drawn before it, so that the function is pure and can be compiled.

A `torch.Generator` cannot enter a compiled graph.  Here whatever is drawn with one is taken, in order, from uniform
numbers in [0, 1) and from standard normal ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Kwargs = dict[str, Any] | None


class NumberCount(TorchFunctionMode):
    """Count the numbers that are drawn with a generator; what is drawn stays as it is."""

    uniform = normal = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Kwargs = None) -> Any:
        found = function(*args, **(kwargs or {}))
        if (kwargs or {}).get("generator") is not None:
            self.normal += found.numel() if function is torch.randn else 0
            self.uniform += found.numel() if function is not torch.randn else 0
        return found


class NumberTape(TorchFunctionMode):
    """Take uniform (U,) and normal (N,) numbers, one after the other, for whatever is drawn with a generator."""

    def __init__(self, uniform: Tensor, normal: Tensor) -> None:
        super().__init__()
        self.numbers, self.place = {"uniform": uniform, "normal": normal}, {"uniform": 0, "normal": 0}

    def take(self, kind: str, shape: Sequence[int]) -> Tensor:
        place, count = self.place[kind], math.prod(shape)
        self.place[kind] += count
        return self.numbers[kind][place : place + count].view(*shape)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Kwargs = None) -> Any:
        given = dict(kwargs or {})
        if given.pop("generator", None) is None:
            return function(*args, **given)
        if function not in DRAWS:
            raise NotImplementedError(f"{function}: only {', '.join(f.__name__ for f in DRAWS)} take numbers of a tape")
        given.pop("device", None)  # the numbers' own
        return DRAWS[function](self, *args, **given)


def rand(tape: NumberTape, *shape: Any) -> Tensor:
    return tape.take("uniform", shape_of(shape))


def randn(tape: NumberTape, *shape: Any) -> Tensor:
    return tape.take("normal", shape_of(shape))


def shape_of(words: tuple[Any, ...]) -> Sequence[int]:
    """Read a shape as torch does: its numbers, or one tuple of them."""
    return words[0] if isinstance(words[0], Sequence) else words


def randint(tape: NumberTape, *bounds_and_shape: Any) -> Tensor:
    """Whole numbers in [low, high); double, so that none is rounded up to `high`."""
    *low, high, shape = bounds_and_shape
    first = low[0] if low else 0
    return cast(Tensor, first + (tape.take("uniform", shape).double() * (high - first)).long())


def randperm(tape: NumberTape, count: int) -> Tensor:
    return tape.take("uniform", (count,)).argsort()


def multinomial(tape: NumberTape, weight: Tensor, count: int, replacement: bool = False) -> Tensor:
    """Rows (count,) of a weight (S,); one without weight is never drawn."""
    if not replacement or weight.dim() != 1:
        raise NotImplementedError("multinomial: only rows of one weight, with replacement, take numbers of a tape")
    up_to = weight.double().cumsum(0)
    at = tape.take("uniform", (count,)).double() * up_to[-1]
    return torch.searchsorted(up_to, at, right=True).clamp_max(len(weight) - 1)


DRAWS: dict[Any, Callable[..., Tensor]] = {
    torch.rand: rand, torch.randn: randn, torch.randint: randint, torch.randperm: randperm,
    torch.multinomial: multinomial,
}  # fmt: skip
