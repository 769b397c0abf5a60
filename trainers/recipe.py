"""Say what a recipe offers to the training loop, and where each recipe lives."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from torch import Generator, Tensor, nn
from torch.optim import Optimizer

RECIPES = {  # name -> module, class of its settings
    "live": ("trainers.recipes.live", "CausalLifterSettings"),
    "corrector": ("trainers.recipes.corrector", "CorrectorSettings"),
    "reliability": ("trainers.recipes.reliability", "ReliabilitySettings"),
    "pavllo": ("trainers.recipes.pavllo", "PavlloSettings"),
    "pavllo_semi": ("trainers.recipes.pavllo_semi", "PavlloSemiSettings"),
    "zhang2021": ("trainers.recipes.zhang2021", "Zhang2021Settings"),
    "roy2024": ("trainers.recipes.roy2024", "Roy2024Settings"),
    "cheng2019": ("trainers.recipes.cheng2019", "Cheng2019Settings"),
    "cheng2020": ("trainers.recipes.cheng2020", "Cheng2020Settings"),
}
Losses = dict[str, Tensor]


class Recipe(Protocol):
    """One system in training; every random draw of a step comes from the step's own generator."""

    model: nn.Module  # everything with weights, also critics
    export: nn.Module  # the part that ships

    def optimizers(self) -> list[Optimizer]: ...

    def learning_rate(self, step: int) -> float:
        """Factor on the optimizers' own rates."""
        ...

    def batch(self, step: int, generator: Generator) -> Any:
        """Draw a step's batch; by the recipe's `draw(generator, *kind)`, pure but for its numbers, where it can be
        compiled (`trainers.training.compiled_draw`)."""
        ...

    def losses(self, batch: Any, which: int) -> Losses:
        """Weighted terms that optimizer `which` minimises."""
        ...

    def calibrate(self) -> None:
        """After the last step: whatever is fitted once, on validation data."""
        ...

    def validate(self) -> dict[str, float]:
        """Return figures on data never trained on; the first is the one to keep small."""
        ...


def recipe_module(name: str) -> Any:
    """Import a recipe's module: `recipe(settings, data, device, steps) -> Recipe` and what builds it for export."""
    return import_module(RECIPES[name][0])


def settings_class(name: str) -> Any:
    """Import the dataclass that holds a recipe's settings."""
    return getattr(recipe_module(name), RECIPES[name][1])
