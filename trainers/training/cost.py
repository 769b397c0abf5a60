"""Tell what a run will cost before it begins: steps, windows, and hours at the pace measured here."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import torch

from trainers.config import TrainConfig
from trainers.recipe import Recipe
from trainers.training.step import one_step, rates_of

TIMED = 3  # steps
WORTH_TELLING = 100  # steps left; fewer are trained before they are told


@dataclass(frozen=True)
class TrainingCost:
    steps: int  # left
    batch: int  # windows a step and process
    world: int
    seconds: float  # a step, here

    @property
    def hours(self) -> float:
        return self.steps * self.seconds / 3600

    def describe(self, name: str, device: str) -> str:
        windows = self.steps * self.batch * self.world
        each = f"{self.batch:,}" + (f" x {self.world} processes" if self.world > 1 else "")
        return (
            f"{name}: {self.steps:,} steps of {each} windows ({windows / 1e6:,.3g} M) at {self.seconds:.3g} s a step "
            f"here: {self.hours:,.3g} hours of {device}"
        )


def cost(recipe: Recipe, config: TrainConfig, steps: int, first: int, device: str, world: int = 1) -> TrainingCost:
    """Measured on steps from the middle of what is left; the network stays as it was."""
    at = min((first + steps) // 2, max(steps - TIMED - 1, 0))
    return TrainingCost(steps - first, getattr(config.settings, "batch", 1), world, pace(recipe, config, at, device))


def pace(recipe: Recipe, config: TrainConfig, at: int, device: str = "cpu", cpu_time: bool = False) -> float:
    """Return seconds that a step there takes (of this process's processors: `cpu_time`); the network stays as it
    was."""
    clock = time.process_time if cpu_time else time.perf_counter
    before, optimizers = copy.deepcopy(recipe.model.state_dict()), recipe.optimizers()
    rates: Any = rates_of(optimizers)
    one_step(recipe, optimizers, rates, at, config.loop, device)  # the first one fills caches
    settled(device)
    began = clock()
    for step in range(at + 1, at + 1 + TIMED):
        one_step(recipe, optimizers, rates, step, config.loop, device)
    settled(device)
    taken = (clock() - began) / TIMED
    recipe.model.load_state_dict(before)
    return taken


def settled(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def processor_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "this CPU"
