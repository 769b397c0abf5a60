"""`trainers train CONFIG`: run the loop that every recipe shares: steps, curves, validation, checkpoints, resume.

A run killed at any moment and started again ends with the same weights: every step draws from its own seed.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainers.checkpoint import resume, save
from trainers.config import TrainConfig, load
from trainers.data.notice import notice_of
from trainers.errors import UserError
from trainers.models.blocks.bfloat16 import pays
from trainers.recipe import Recipe, recipe_module
from trainers.training.compiled_draw import WHERE, compile_draws
from trainers.training.cost import WORTH_TELLING, cost, processor_name
from trainers.training.distributed import ALONE, Group, agreed, average_statistics, join, leave
from trainers.training.precision import coarse
from trainers.training.step import one_step, rates_of
from trainers.training.stopwatch import Stopwatch

LOG_EVERY = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a recipe that ships, such as causal-small, or a YAML file")
    parser.add_argument(
        "--variant", default="", metavar="NAME", help="one of the config's `variants`: an experiment of its own"
    )
    parser.add_argument("--data", action="append", default=[], metavar="DIR", help="motion or synthesized data; repeat")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--out", default=None, metavar="DIR", help="the run's folder (default runs/NAME)")
    parser.add_argument("--steps", type=int, default=None, help="instead of the config's loop.steps")
    parser.add_argument("--minutes", type=float, default=None, help="stop after this time; run again to go on")
    parser.add_argument("--fresh", action="store_true", help="start anew where a run already lies")
    parser.add_argument("--seed", type=int, default=None, help="instead of the config's loop.seed")
    parser.add_argument(
        "--compile",
        default=None,
        choices=WHERE,
        help="instead of loop.compile: where batches are drawn by compiled code",
    )
    parser.add_argument("--validate-last", action="store_true", help="figures after the last step alone")
    parser.add_argument(
        "--profile",
        type=int,
        nargs="?",
        const=20,
        default=0,
        metavar="STEPS",
        help="where a step's time goes; trains not",
    )


def main(args: argparse.Namespace) -> int:
    config = replace(load(args.config, args.variant, args.seed), notice=notice_of(args.data))
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU here; run with --device cpu")
    torch.set_float32_matmul_precision("high")
    group, device = join(args.device)
    out = Path(args.out or f"runs/{config.name}")
    steps = args.steps or config.loop.steps
    if args.validate_last:
        config = replace(config, loop=replace(config.loop, validate_every=steps))
    trained = recipe_module(config.recipe).recipe(config.settings, args.data, device, steps)
    if config.loop.bf16 and pays(device):
        coarse(trained.model, device)
    why_not = compile_draws(trained, args.compile or config.loop.compile, device)
    if group.writes and (not why_not or device.startswith("cuda")):
        how = f"eager code: {why_not}" if why_not else "one function, captured or compiled first"
        print(f"batches are drawn by {how}")
    if args.profile:
        profiled(config, trained, steps, device, args.profile)
        return 0
    run(config, trained, out, steps, device, args.minutes, args.fresh, group)
    if group.writes:
        step = reached(out / "curves.jsonl") or steps  # none: all of them were trained before
        print(ended(out, step, steps, config.name))
    leave(group)
    return 0


def reached(curves: Path) -> int:
    """Return steps that were trained, by the last line of the curves."""
    lines = curves.read_text(encoding="utf-8").splitlines() if curves.exists() else []
    return int(json.loads(lines[-1])["step"]) + 1 if lines else 0


def ended(out: Path, step: int, steps: int, name: str) -> str:
    """Return what a run of training came to; one that its minutes ended is not done."""
    export = f"trainers export {out} --out engines/pretrained/{name}"
    if step < steps:
        share = f"step {step} of {steps} ({100 * step / steps:.1f} %)"
        return f"{out}: stopped at {share}, its minutes are up; the same command goes on. As it is: {export}"
    return f"{out}: done; next: {export}"


def profiled(config: TrainConfig, recipe: Recipe, steps: int, device: str, count: int) -> None:
    """Where the time of so many steps goes; the first one, which fills caches, is not counted."""
    optimizers, watch = recipe.optimizers(), Stopwatch(device)
    rates = rates_of(optimizers)
    first = min(steps // 2, max(steps - count - 1, 0))
    one_step(recipe, optimizers, rates, first, config.loop, device)
    for step in range(first + 1, first + 1 + count):
        one_step(recipe, optimizers, rates, step, config.loop, device, watch=watch)
    watch.steps = count
    watch.show(Console(width=100), getattr(config.settings, "batch", 1))


def run(
    config: TrainConfig, recipe: Recipe, out: Path, steps: int, device: str = "cpu",
    minutes: float | None = None, fresh: bool = False, group: Group = ALONE,
) -> dict[str, float]:  # fmt: skip
    """Train to `steps`, or as far as the minutes go; the last validation figures."""
    out.mkdir(parents=True, exist_ok=True)
    optimizers = recipe.optimizers()
    rates = rates_of(optimizers)
    first = 0 if fresh else resume(out, config, recipe, optimizers, device)
    if steps - first >= WORTH_TELLING:
        found = cost(recipe, config, steps, first, device, group.world)
        if group.writes:
            print(found.describe(config.name, processor_name(device)), flush=True)
    curves = Curves(out / "curves.jsonl", first, group.writes)
    figures: dict[str, float] = {}
    began = time.monotonic()
    end = None if minutes is None else began + 60 * minutes
    with progress(group.writes) as bar:
        task = bar.add_task(config.name, total=steps, completed=first, note="", rate="")
        for step in range(first, steps):
            terms = one_step(recipe, optimizers, rates, step, config.loop, device, group)
            last = step + 1 == steps or (end is not None and agreed(time.monotonic() > end, group))
            if step % LOG_EVERY == 0 or last:
                values = {k: float(v) for k, v in terms.items()}
                curves.add(step, values)
                pace = (step + 1 - first) / max(time.monotonic() - began, 1e-9)
                note = f"loss {sum(values.values()):.4f}"
                bar.update(task, completed=step + 1, note=note, rate=f"{pace:.1f} steps/s")
            judge = (step + 1) % config.loop.validate_every == 0 or last
            keep = (step + 1) % config.loop.checkpoint_every == 0 or last
            if judge or keep:
                average_statistics(recipe.model, group)
            if step + 1 == steps:
                finished(recipe)
            if judge and group.writes:
                figures = validated(recipe)
                curves.add(step, {f"val/{k}": v for k, v in figures.items()})
                bar.console.print(f"step {step + 1}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
            if keep and group.writes:
                save(out, config, recipe, optimizers, step + 1, figures)
            if last:
                break
    if group.writes:
        curves.plot(out / "curves.png")
    return figures


def finished(recipe: Recipe) -> None:
    recipe.model.eval()
    with torch.no_grad():
        recipe.calibrate()


def validated(recipe: Recipe) -> dict[str, float]:
    recipe.model.eval()
    with torch.no_grad():
        return recipe.validate()


def progress(shown: bool = True) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), disable=not shown,
    )  # fmt: skip


class Curves:
    """Loss and error over steps: one JSON line each, and a picture."""

    def __init__(self, path: Path, first: int, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        self.rows = [r for r in map(json.loads, path.read_text().splitlines()) if r["step"] < first] if first else []
        if writes:
            path.write_text("".join(json.dumps(r) + "\n" for r in self.rows))

    def add(self, step: int, values: dict[str, float]) -> None:
        self.rows.append({"step": step, **values})
        if not self.writes:
            return
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
