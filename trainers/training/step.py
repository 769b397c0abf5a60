"""Take one training step: draw a batch, then for every optimizer its losses, gradients and move.

Losses stay tensors until somebody reads them, so that the loop does not wait for the device.  Every step draws from its
own seed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from trainers.recipe import Recipe
from trainers.training.distributed import ALONE, RANK_SEED, Group, average_gradients
from trainers.training.stopwatch import NO_WATCH, Stopwatch


def rates_of(optimizers: list[Any]) -> list[list[float]]:
    return [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]


def one_step(
    recipe: Recipe, optimizers: list[Any], rates: list[Any], step: int, loop: Any, device: str,
    group: Group = ALONE, watch: Stopwatch = NO_WATCH,
) -> dict[str, Tensor]:  # fmt: skip
    """Return the losses, by name, that the step was taken from."""
    seed = loop.seed * 1_000_003 + step + group.rank * RANK_SEED
    torch.manual_seed(seed)
    generator = Generator(device).manual_seed(seed)
    recipe.model.train()
    with watch.part("batch"):
        batch = recipe.batch(step, generator)
    factor = recipe.learning_rate(step)
    terms: dict[str, Tensor] = {}
    for which, (optimizer, own) in enumerate(zip(optimizers, rates)):
        for settings, rate in zip(optimizer.param_groups, own):
            settings["lr"] = rate * factor
        with watch.part("losses"):
            found = recipe.losses(batch, which)
        with watch.part("gradients"):
            optimizer.zero_grad(set_to_none=True)
            torch.stack(list(found.values())).sum().backward()
        with watch.part("move"):
            move(optimizer, loop.clip_gradient, group)
        terms |= {k: v.detach() for k, v in found.items()}
    return terms


def move(optimizer: Any, clip: float, group: Group) -> None:
    for settings in optimizer.param_groups:
        average_gradients(settings["params"], group)
        if clip:
            torch.nn.utils.clip_grad_norm_(settings["params"], clip)
    optimizer.step()
