"""Draw batches by one compiled function: motion, augmentation, cameras, masks and noise (`loop.compile`).

A recipe's `draw(generator, *kind)` is traced once for each kind into a graph of fixed shapes; its random numbers are
its inputs, drawn from the step's generator in two calls.  On a GPU its kernels are captured as a CUDA graph and
replayed, elsewhere it is compiled.  What cannot be traced is an error, never another result.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import repeat
from typing import Any, cast

import torch
from torch import Generator, Tensor
from torch.fx import GraphModule, Node, map_arg

from trainers.augmentation.motion import all_rows
from trainers.errors import UserError
from trainers.recipe import Recipe
from trainers.training.number_tape import NumberCount, NumberTape

Draw = Callable[..., Any]
Pure = Callable[[Tensor, Tensor], list[Tensor]]  # of uniform and of normal numbers
WHERE = ("cuda", "always", "never")  # devices on which draws are compiled
WITHOUT = "--compile never"
LARGEST_CONSTANT = 1 << 16  # elements
COMPILERS = ("g++", "clang++")  # any of them; CXX before them
WAITS = ("aten._linalg", "aten.linalg_inv", "aten.linalg_lstsq", "aten.linalg_solve")  # for the device: not captured


def compile_draws(recipe: Recipe, when: str, device: str) -> str:
    """Let the recipe draw its batches by a compiled function where `when` says so; else the reason why not."""
    on_gpu = device.startswith("cuda")
    if when == "never" or (when == "cuda" and not on_gpu):
        return f"compile: {when}"
    if not hasattr(recipe, "draw"):
        return "this recipe's batches are not drawn on the device"
    if not on_gpu and not has_compiler():
        raise UserError(f"no compiler: install {' or '.join(COMPILERS)}; or train with {WITHOUT}")
    setattr(recipe, "draw", CompiledDraw(getattr(recipe, "draw"), captured if on_gpu else with_inductor))  # noqa: B009, B010
    return ""


def has_compiler() -> bool:
    return any(name and shutil.which(name) for name in (os.environ.get("CXX", ""), *COMPILERS))


class CompiledDraw:
    """A recipe's draw, compiled for each kind when it is first asked for."""

    def __init__(self, draw: Draw, compiler: Callable[[GraphModule], Pure]) -> None:
        self.draw, self.compiler = draw, compiler
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
    return moved(folded(module), uniform.device)


def folded(module: GraphModule) -> GraphModule:
    """Compute at once what depends on no number, such as orders of joints, masks of limbs and the motion's lengths."""
    known: dict[Node, Any] = {}
    for place, node in enumerate(module.graph.nodes):
        if node.op == "get_attr":
            known[node] = getattr(module, node.target)
        elif node.op == "call_function" and all(given in known for given in node.all_input_nodes):
            args, kwargs = map_arg((node.args, node.kwargs), known.__getitem__)
            value = node.target(*args, **kwargs)
            if isinstance(value, Tensor) and value.numel() > LARGEST_CONSTANT:
                continue
            known[node] = value
            if isinstance(value, Tensor):
                module.register_buffer(f"constant{place}", value)
                with module.graph.inserting_before(node):
                    constant = module.graph.get_attr(f"constant{place}")
                node.replace_all_uses_with(constant)
                known[constant] = value
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def moved(module: GraphModule, device: torch.device) -> GraphModule:
    """Bring constants to the device once: lists of joints would be sent to it anew in every step."""
    for name in {str(node.target) for node in module.graph.find_nodes(op="get_attr")}:
        setattr(module, name, getattr(module, name).to(device))
    return module


def with_inductor(module: GraphModule) -> Pure:
    return cast(Pure, torch.compile(module, fullgraph=True, dynamic=False))


def captured(module: GraphModule) -> Pure:
    """Launch thousands of small kernels at once; what must wait for the device meanwhile stays as it is."""
    if any(str(node.target).startswith(WAITS) for node in module.graph.nodes):
        return module
    return CapturedFunction(module)


class CapturedFunction:
    """A function's kernels, captured when it is first called: every later call copies its numbers in and its batch
    out.  What a driver refuses to capture is launched kernel by kernel, and said."""

    def __init__(self, function: Pure) -> None:
        self.function = function
        self.given: tuple[Tensor, Tensor] | None = None
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, uniform: Tensor, normal: Tensor) -> list[Tensor]:
        if self.given is None:
            self.given = uniform.clone(), normal.clone()
            self.capture(*self.given)
        if self.graph is None:
            return self.function(uniform, normal)
        for kept, new in zip(self.given, (uniform, normal)):
            kept.copy_(new)
        self.graph.replay()
        return [t.clone() for t in self.found]

    def capture(self, uniform: Tensor, normal: Tensor) -> None:
        """Run it once beside, for what libraries allocate at their first call, then capture it."""
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            self.function(uniform, normal)
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.found = self.function(uniform, normal)
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # a capture that fails leaves its own behind
            print(f"batches are launched kernel by kernel, not captured: {str(error).splitlines()[0]}", file=sys.stderr)
        else:
            self.graph = graph


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
