"""configs/train/*.yaml -> the loop's settings and the recipe's own, every key checked.

A file may hold `rows`: named experiments, the file's settings with some changed (`trainers train FILE --row NAME`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from realtime.config.loader import build
from realtime.config.shipped import Shipped
from realtime.config.yaml_file import ConfigError, read_yaml
from trainers.errors import UserError
from trainers.recipe import RECIPES, recipe_module

TRAIN = Shipped(
    Path(__file__).parent / "recipes" / "defaults",
    Path(__file__).parents[1] / "configs" / "train",
    "{}",
)


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
    row: str = ""  # of the file, where it is one of several experiments

    @property
    def command(self) -> str:
        """What trains it again."""
        stem = self.name.removesuffix(f".{self.row}")
        return f"trainers train {stem}" + (f" --row {self.row}" if self.row else "")

    def fingerprint(self) -> str:
        """Checkpoints of another fingerprint are not resumed; length and pace of the run do not count."""
        text = json.dumps([self.recipe, self.loop.seed, asdict(self.settings)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: str, row: str = "") -> TrainConfig:
    """Settings of a file, or of one that ships under this name; of one of its rows if it is named."""
    try:
        path = TRAIN.locate(path)
        tree = read_yaml(path)
        values = dict(tree.values)
        rows = values.pop("rows", None) or {}
        if row:
            values = merged(values, row_of(rows, row, path))
        name = values.pop("recipe", None)
        if name not in RECIPES:
            raise UserError(f"{path}: recipe: expected one of {', '.join(RECIPES)}, found {name!r}")

        def origin(key: tuple[str, ...]) -> str:
            key = ("rows", row, *key) if ("rows", row, *key) in tree.lines else key
            return f"{path}:{tree.lines.get(key, 1)}: {'.'.join(key)}"

        loop = build(Loop, values.pop("loop", None) or {}, origin, ("loop",))
        settings = build(recipe_module(name).Settings, values, origin)
    except ConfigError as error:
        raise UserError(str(error)) from None
    stem = Path(path).stem
    return TrainConfig(f"{stem}.{row}" if row else stem, name, loop, settings, row)


def row_of(rows: Any, row: str, path: str) -> dict[str, Any]:
    """The changes that a row makes."""
    if not isinstance(rows, dict) or not isinstance(rows.get(row), dict):
        known = ", ".join(map(str, rows)) if isinstance(rows, dict) else ""
        raise UserError(f"{path}: no row {row!r}; it has {known or 'no rows'}")
    return dict(rows[row])


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Values with those of `changes` in their place, section by section."""
    both = {
        k: merged(values[k], v) if isinstance(v, dict) and isinstance(values.get(k), dict) else v
        for k, v in changes.items()
    }
    return {**values, **both}
