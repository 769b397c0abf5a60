"""Draw batches by one compiled function: motion, augmentation, cameras, masks and noise (`loop.compile`).

A recipe's `draw(generator, *kind)` is traced once for each kind into a graph of fixed shapes; its random numbers are
its inputs, drawn from the step's generator in two calls.  What cannot be traced is an error, never another result.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib.util import find_spec
from itertools import repeat
from typing import Any, cast

import torch
from torch import Generator, Tensor
from torch.fx import GraphModule, map_arg

from trainers.augmentation.motion import all_rows
from trainers.errors import UserError
from trainers.recipe import Recipe
from trainers.training.number_tape import NumberCount, NumberTape

Draw = Callable[..., Any]
Pure = Callable[[Tensor, Tensor], list[Tensor]]  # of uniform and of normal numbers
WHERE = ("cuda", "always", "never")  # devices on which draws are compiled
WITHOUT = "--compile never"
LARGEST_CONSTANT = 1 << 16  # elements
COMPILERS = {"cuda": ("gcc", "clang"), "cpu": ("g++", "clang++")}  # any of them; CC and CXX before them


def compile_draws(recipe: Recipe, when: str, device: str) -> str:
    """Let the recipe draw its batches by a compiled function where `when` says so; else the reason why not."""
    kind = device.split(":")[0]
    if when == "never" or (when == "cuda" and kind != "cuda"):
        return f"compile: {when}"
    if not hasattr(recipe, "draw"):
        return "this recipe's batches are not drawn on the device"
    if when == "cuda" and (lacking := lacks(kind)):
        return lacking
    setattr(recipe, "draw", CompiledDraw(getattr(recipe, "draw")))  # noqa: B009, B010
    return ""


def lacks(kind: str) -> str:
    """Name what compiling needs and this machine has not got."""
    names = [os.environ.get("CXX" if kind == "cpu" else "CC", ""), *COMPILERS[kind]]
    if not any(name and shutil.which(name) for name in names):
        return f"no compiler: install {' or '.join(COMPILERS[kind])}"
    return "no triton: pip install triton" if kind == "cuda" and find_spec("triton") is None else ""


class CompiledDraw:
    """A recipe's draw, compiled for each kind when it is first asked for."""

    def __init__(self, draw: Draw, compiler: Callable[[GraphModule], Pure] | None = None) -> None:
        self.draw, self.compiler = draw, compiler or with_inductor
        self.made: dict[tuple[Any, ...], PureDraw] = {}

    def __call__(self, generator: Generator, *kind: Any) -> Any:
        if kind not in self.made:
            self.made[kind] = pure_draw(self.draw, generator.device, kind, self.compiler)
        return self.made[kind](generator)


@dataclass(frozen=True)
class PureDraw:
    """What it needs of a generator, and the function of that."""

    uniform: int
    normal: int
    example: Any  # a batch whose tensors are empty
    function: Pure

    def __call__(self, generator: Generator) -> Any:
        uniform, normal = numbers(self.uniform, self.normal, generator)
        return filled(self.example, iter(self.function(uniform, normal)))


def numbers(uniform: int, normal: int, g: Generator) -> tuple[Tensor, Tensor]:
    """Draw a batch's numbers."""
    return torch.rand(uniform, generator=g, device=g.device), torch.randn(normal, generator=g, device=g.device)


@torch.no_grad()
def pure_draw(
    draw: Draw, device: torch.device, kind: tuple[Any, ...], compiler: Callable[[GraphModule], Pure]
) -> PureDraw:
    """Count a draw's numbers on one batch, trace it on as many, compile the graph."""
    from torch._dynamo.exc import TorchDynamoException  # takes a second, and most runs compile nothing

    g = Generator(device).manual_seed(0)
    with NumberCount() as count:
        batch = draw(g, *kind)

    def pure(uniform: Tensor, normal: Tensor) -> list[Tensor]:
        with NumberTape(uniform, normal):
            return tensors(draw(g, *kind))

    given = numbers(count.uniform, count.normal, g)
    function = compiler(graph(pure, *given))
    try:
        function(*given)  # now it is compiled
    except TorchDynamoException as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"the draw of batches does not compile: {said}; train with {WITHOUT}") from error
    return PureDraw(count.uniform, count.normal, filled(batch, repeat(torch.empty(0))), function)


def graph(pure: Pure, uniform: Tensor, normal: Tensor) -> GraphModule:
    """Trace a function; one whose shapes depend on its numbers, or that reads one of them, is refused."""
    from torch.fx.experimental.proxy_tensor import make_fx

    with all_rows():
        found = make_fx(torch.func.functionalize(pure), tracing_mode="fake", _allow_non_fake_inputs=True)
        module = found(uniform, normal)
    for node in module.graph.nodes:
        value = node.meta.get("val")
        if not all(type(n) is int for n in (value.shape if isinstance(value, Tensor) else [])):
            raise UserError(f"{node.target}: its shape depends on the numbers drawn; train with {WITHOUT}")
    return folded(moved(module, uniform.device))


def moved(module: GraphModule, device: torch.device) -> GraphModule:
    """Bring constants to the device once: lists of joints would be sent to it anew in every step."""
    for name in {str(node.target) for node in module.graph.find_nodes(op="get_attr")}:
        setattr(module, name, getattr(module, name).to(device))
    return module


def folded(module: GraphModule) -> GraphModule:
    """Compute at once what depends on constants alone, such as orders of joints and the motion's lengths."""
    for place, node in enumerate(module.graph.nodes):
        if node.op != "call_function" or {i.op for i in node.all_input_nodes} != {"get_attr"}:
            continue
        args, kwargs = map_arg((node.args, node.kwargs), lambda n: getattr(module, cast(str, n.target)))
        value = node.target(*args, **kwargs)
        if isinstance(value, Tensor) and value.numel() <= LARGEST_CONSTANT:
            module.register_buffer(f"constant{place}", value)
            with module.graph.inserting_before(node):
                node.replace_all_uses_with(module.graph.get_attr(f"constant{place}"))
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def with_inductor(module: GraphModule) -> Pure:
    return cast(Pure, torch.compile(module, fullgraph=True, dynamic=False))


# --- batches: dataclasses and tuples of tensors -------------------------------------------------------------------


def tensors(batch: Any) -> list[Tensor]:
    """Return a batch's tensors in order."""
    if isinstance(batch, Tensor):
        return [batch]
    parts = [getattr(batch, f.name) for f in fields(batch)] if is_dataclass(batch) else batch
    return [t for part in parts for t in tensors(part)] if is_dataclass(batch) or isinstance(batch, tuple) else []


def filled(batch: Any, values: Iterator[Tensor]) -> Any:
    """Return the same batch with other tensors; what is no tensor stays."""
    if isinstance(batch, Tensor):
        return next(values)
    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{f.name: filled(getattr(batch, f.name), values) for f in fields(batch)})
    return tuple(filled(part, values) for part in batch) if isinstance(batch, tuple) else batch
