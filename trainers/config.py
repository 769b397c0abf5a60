"""configs/train/*.yaml -> the loop's settings and the recipe's own, every key checked.

A file may hold `variants`: named experiments, the file's settings with some changed (`trainers train
FILE --variant NAME`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from realtime.config.loader import build
from realtime.config.shipped import Shipped
from realtime.config.yaml_file import ConfigError, read_yaml
from trainers.errors import UserError
from trainers.recipe import RECIPES, settings_class

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
    bf16: bool = False  # networks of the papers' recipes multiply in bfloat16 while they train, where that pays
    compile: Literal["cuda", "always", "never"] = "cuda"  # on which devices a batch is drawn by one compiled function


@dataclass(frozen=True)
class TrainConfig:
    name: str
    recipe: str
    loop: Loop
    settings: Any  # the recipe's own dataclass
    variant: str = ""  # of the file, where it is one of several experiments
    seeded: bool = False  # the seed was given on the command line
    notice: str = ""  # of the data it is trained on: its licence, for the model card

    @property
    def command(self) -> str:
        """What trains it again."""
        stem = self.name.removesuffix(f".{self.variant}")
        chosen = f" --variant {self.variant}" if self.variant else ""
        return f"trainers train {stem}{chosen}" + (f" --seed {self.loop.seed}" if self.seeded else "")

    def fingerprint(self) -> str:
        """Checkpoints of another fingerprint are not resumed; length and pace of the run do not count."""
        text = json.dumps([self.recipe, self.loop.seed, asdict(self.settings)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: str, variant: str = "", seed: int | None = None) -> TrainConfig:
    """Return settings of a file, or of one that ships under this name; of one of its variants if it is named."""
    try:
        path = TRAIN.locate(path)
        tree = read_yaml(path)
        values = dict(tree.values)
        variants = values.pop("variants", None) or {}
        if variant:
            values = merged(values, variant_of(variants, variant, path))
        name = values.pop("recipe", None)
        if name not in RECIPES:
            raise UserError(f"{path}: recipe: expected one of {', '.join(RECIPES)}, found {name!r}")

        def origin(key: tuple[str, ...]) -> str:
            key = ("variants", variant, *key) if ("variants", variant, *key) in tree.lines else key
            return f"{path}:{tree.lines.get(key, 1)}: {'.'.join(key)}"

        loop = build(Loop, values.pop("loop", None) or {}, origin, ("loop",))
        settings = build(settings_class(name), values, origin)
    except ConfigError as error:
        raise UserError(str(error)) from None
    stem = Path(path).stem
    loop = loop if seed is None else replace(loop, seed=seed)
    return TrainConfig(f"{stem}.{variant}" if variant else stem, name, loop, settings, variant, seed is not None)


def variant_of(variants: Any, variant: str, path: str) -> dict[str, Any]:
    """Return the changes that a variant makes."""
    if not isinstance(variants, dict) or not isinstance(variants.get(variant), dict):
        known = ", ".join(map(str, variants)) if isinstance(variants, dict) else ""
        raise UserError(f"{path}: no variant {variant!r}; it has {known or 'no variants'}")
    return dict(variants[variant])


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return values with those of `changes` in their place, section by section."""
    both = {
        k: merged(values[k], v) if isinstance(v, dict) and isinstance(values.get(k), dict) else v
        for k, v in changes.items()
    }
    return {**values, **both}
