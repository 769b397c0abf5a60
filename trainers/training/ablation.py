"""`trainers rows CONFIG --data DIR`: rows of a config trained in equal processor time, as one table.

One core each.  Steps are counted from the pace of the first and the last kind of step before a row begins; what was
counted stands in its `row.json`, and `trainers train CONFIG --row NAME --steps COUNT` gives the same weights again.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from realtime.config.yaml_file import read_yaml
from trainers.config import TRAIN, TrainConfig, load
from trainers.recipe import Recipe, recipe_module
from trainers.training.train import one_step, rates_of, run

BASE = "base"  # the file itself, none of its rows
TIMED = 3  # steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a recipe that ships, such as causal-small, or a YAML file")
    parser.add_argument("--rows", default="", metavar="A,B", help=f"which ones; {BASE} is the file itself; default all")
    parser.add_argument("--data", action="append", default=[], metavar="DIR", help="motion; repeat")
    parser.add_argument("--minutes", type=float, default=4.0, help="processor time of one core for each row")
    parser.add_argument("--out", type=Path, default=Path("runs/rows"), metavar="DIR", help="what is done stays there")


def main(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    names = [n for n in args.rows.split(",") if n] or [
        BASE,
        *(read_yaml(TRAIN.locate(args.config)).values.get("rows") or {}),
    ]
    stem = Path(args.config).stem
    for name in names:
        config = load(args.config, "" if name == BASE else name)
        out = args.out / stem / name
        if not (out / "row.json").exists():
            train_row(config, args.data, out, args.minutes)
    show(args.out / stem, names, Console(width=120))
    return 0


def train_row(config: TrainConfig, data: list[str], out: Path, minutes: float) -> None:
    recipe = recipe_module(config.recipe).recipe
    steps = affordable(recipe(config.settings, data, "cpu", config.loop.steps), config, 60 * minutes)
    began = time.process_time()
    trained = recipe(config.settings, data, "cpu", steps)
    once = replace(config.loop, validate_every=steps, checkpoint_every=steps)
    figures = run(replace(config, loop=once), trained, out, steps, fresh=True)
    found = {
        "command": f"{config.command} --steps {steps}",
        "steps": steps,
        "processor minutes": round((time.process_time() - began) / 60, 2),
        "parameters": sum(p.numel() for p in trained.export.parameters()),
        "figures": figures,
    }
    (out / "row.json").write_text(json.dumps(found, indent=1) + "\n")


def affordable(recipe: Recipe, config: TrainConfig, seconds: float) -> int:
    """Steps that fit: those of a warm-up cost what the first ones cost, the others what the last ones cost."""
    early: int = getattr(recipe, "warm_up_steps", 0)
    first, last = pace(recipe, config, 0), pace(recipe, config, max(config.loop.steps, early + TIMED + 1) - TIMED - 1)
    left = seconds - early * first
    return max(1, int(early + left / last) if left > 0 else int(seconds / first))


def pace(recipe: Recipe, config: TrainConfig, at: int) -> float:
    """Seconds of processor time that a step there takes; the network stays as it was."""
    before, optimizers = copy.deepcopy(recipe.model.state_dict()), recipe.optimizers()
    rates = rates_of(optimizers)
    one_step(recipe, optimizers, rates, at, config.loop, "cpu")  # the first one fills caches
    began = time.process_time()
    for step in range(at + 1, at + 1 + TIMED):
        one_step(recipe, optimizers, rates, step, config.loop, "cpu")
    taken = (time.process_time() - began) / TIMED
    recipe.model.load_state_dict(before)
    return taken


def rows_of(folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """What is done."""
    paths = {name: folder / name / "row.json" for name in names}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def show(folder: Path, names: list[str], console: Console) -> None:
    rows = rows_of(folder, names)
    measures = list(dict.fromkeys(k for row in rows.values() for k in row["figures"]))
    table = Table("row", "steps", "minutes", "parameters", *measures, box=box.MARKDOWN, title=folder.name)
    for name, row in rows.items():
        figures = [f"{row['figures'][m]:.4g}" if m in row["figures"] else "" for m in measures]
        table.add_row(name, str(row["steps"]), f"{row['processor minutes']:.1f}", f"{row['parameters']:,}", *figures)
    console.print(table)
