"""`trainers train CONFIG`: run the loop that every recipe shares: steps, curves, validation, checkpoints, resume.

A run killed at any moment and started again ends with the same weights: every step draws from its own seed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Generator, Tensor

from trainers.checkpoint import resume, save
from trainers.config import TrainConfig, load
from trainers.errors import UserError
from trainers.recipe import Recipe, recipe_module

LOG_EVERY = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a recipe that ships, such as causal-small, or a YAML file")
    parser.add_argument(
        "--row", default="", metavar="NAME", help="one of the config's `rows`: an experiment of its own"
    )
    parser.add_argument("--data", action="append", default=[], metavar="DIR", help="motion or synthesized data; repeat")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--out", default=None, metavar="DIR", help="the run's folder (default runs/NAME)")
    parser.add_argument("--steps", type=int, default=None, help="instead of the config's loop.steps")
    parser.add_argument("--minutes", type=float, default=None, help="stop after this time; run again to go on")
    parser.add_argument("--fresh", action="store_true", help="start anew where a run already lies")


def main(args: argparse.Namespace) -> int:
    config = load(args.config, args.row)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU here; run with --device cpu")
    torch.set_float32_matmul_precision("high")
    out = Path(args.out or f"runs/{config.name}")
    steps = args.steps or config.loop.steps
    trained = recipe_module(config.recipe).recipe(config.settings, args.data, args.device, steps)
    run(config, trained, out, steps, args.device, args.minutes, args.fresh)
    print(f"{out}: done; next: trainers export {out} --out engines/pretrained/{config.name}")
    return 0


def run(
    config: TrainConfig, recipe: Recipe, out: Path, steps: int, device: str = "cpu",
    minutes: float | None = None, fresh: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Train to `steps`, or as far as the minutes go; the last validation figures."""
    out.mkdir(parents=True, exist_ok=True)
    optimizers = recipe.optimizers()
    rates = rates_of(optimizers)
    first = 0 if fresh else resume(out, config, recipe, optimizers, device)
    curves = Curves(out / "curves.jsonl", first)
    figures: dict[str, float] = {}
    began = time.monotonic()
    end = None if minutes is None else began + 60 * minutes
    with progress() as bar:
        task = bar.add_task(config.name, total=steps, completed=first, note="", rate="")
        for step in range(first, steps):
            terms = one_step(recipe, optimizers, rates, step, config.loop, device)
            last = step + 1 == steps or (end is not None and time.monotonic() > end)
            if step % LOG_EVERY == 0 or last:
                curves.add(step, {k: float(v) for k, v in terms.items()})
                pace = (step + 1 - first) / max(time.monotonic() - began, 1e-9)
                note = f"loss {sum(map(float, terms.values())):.4f}"
                bar.update(task, completed=step + 1, note=note, rate=f"{pace:.1f} steps/s")
            if step + 1 == steps:
                finished(recipe)
            if (step + 1) % config.loop.validate_every == 0 or last:
                figures = validated(recipe)
                curves.add(step, {f"val/{k}": v for k, v in figures.items()})
                bar.console.print(f"step {step + 1}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
            if (step + 1) % config.loop.checkpoint_every == 0 or last:
                save(out, config, recipe, optimizers, step + 1, figures)
            if last:
                break
    curves.plot(out / "curves.png")
    return figures


def rates_of(optimizers: list[Any]) -> list[list[float]]:
    return [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]


def one_step(recipe: Recipe, optimizers: list[Any], rates: list[Any], step: int, loop: Any, device: str) -> Any:
    torch.manual_seed(loop.seed * 1_000_003 + step)
    generator = Generator(device).manual_seed(loop.seed * 1_000_003 + step)
    recipe.model.train()
    batch = recipe.batch(step, generator)
    factor = recipe.learning_rate(step)
    terms: dict[str, Tensor] = {}
    for which, (optimizer, own) in enumerate(zip(optimizers, rates)):
        for group, rate in zip(optimizer.param_groups, own):
            group["lr"] = rate * factor
        found = recipe.losses(batch, which)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(found.values())).sum().backward()  # type: ignore[no-untyped-call]
        if loop.clip_gradient:
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], loop.clip_gradient)
        optimizer.step()
        terms |= {k: v.detach() for k, v in found.items()}
    return terms


def finished(recipe: Recipe) -> None:
    recipe.model.eval()
    with torch.no_grad():
        recipe.calibrate()


def validated(recipe: Recipe) -> dict[str, float]:
    recipe.model.eval()
    with torch.no_grad():
        return recipe.validate()


def progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip


class Curves:
    """Loss and error over steps: one JSON line each, and a picture."""

    def __init__(self, path: Path, first: int) -> None:
        self.path = path
        self.rows = [r for r in map(json.loads, path.read_text().splitlines()) if r["step"] < first] if first else []
        path.write_text("".join(json.dumps(r) + "\n" for r in self.rows))

    def add(self, step: int, values: dict[str, float]) -> None:
        self.rows.append({"step": step, **values})
        with self.path.open("a") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")

    def plot(self, path: Path) -> None:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        names = sorted({k for row in self.rows for k in row} - {"step"})
        figure, axes = plt.subplots(1, 2, figsize=(12, 4))
        for name in names:
            points = [(row["step"], row[name]) for row in self.rows if name in row]
            axes[int(name.startswith("val/"))].plot(*zip(*points), label=name)
        for axis, title in zip(axes, ("loss", "validation")):
            axis.set(xlabel="step", title=title)
            if axis.lines:
                axis.legend(fontsize=7)
        figure.savefig(path, dpi=100, bbox_inches="tight")
        plt.close(figure)
