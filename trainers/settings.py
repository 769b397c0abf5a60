"""configs/train/*.yaml -> the loop's settings and the recipe's own, every key checked.

Knows: which keys the loop has.  Does not know: what a recipe's keys mean.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from realtime.settings import build
from realtime.yaml_file import ConfigError, read_yaml
from trainers.errors import UserError
from trainers.recipes import RECIPES, recipe_module


@dataclass(frozen=True)
class Loop:
    steps: int = field(default=20000, metadata={"low": 1, "high": 10_000_000})
    seed: int = 1
    validate_every: int = field(default=1000, metadata={"low": 1, "high": 10_000_000})  # steps
    checkpoint_every: int = field(default=1000, metadata={"low": 1, "high": 10_000_000})  # steps
    clip_gradient: float = 1.0  # norm; 0 leaves gradients as they are


@dataclass(frozen=True)
class TrainConfig:
    name: str
    recipe: str
    loop: Loop
    settings: Any  # the recipe's own dataclass

    def fingerprint(self) -> str:
        """Checkpoints of another fingerprint are not resumed; length and pace of the run do not count."""
        text = json.dumps([self.recipe, self.loop.seed, asdict(self.settings)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: str) -> TrainConfig:
    try:
        tree = read_yaml(path)
        values = dict(tree.values)
        name = values.pop("recipe", None)
        if name not in RECIPES:
            raise UserError(f"{path}: recipe: expected one of {', '.join(RECIPES)}, found {name!r}")

        def origin(key: tuple[str, ...]) -> str:
            return f"{path}:{tree.lines.get(key, 1)}: {'.'.join(key)}"

        loop = build(Loop, values.pop("loop", None) or {}, origin, ("loop",))
        settings = build(recipe_module(name).Settings, values, origin)
    except ConfigError as error:
        raise UserError(str(error)) from None
    return TrainConfig(Path(path).stem, name, loop, settings)
