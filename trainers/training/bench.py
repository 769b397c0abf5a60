"""Measure steps and windows a second of every recipe on this machine (`trainers bench`, `make bench-training`).

Without `--data` people are the demo's, whose motion is made on the spot.  The last line is the table as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from realtime.demo.motion import draw_motion
from realtime.demo.skeleton import Bones
from trainers.config import TrainConfig, load
from trainers.data import motion
from trainers.data.motion import MotionSegment
from trainers.errors import UserError
from trainers.recipe import recipe_module
from trainers.training.compiled_draw import WHERE, compile_draws
from trainers.training.cost import pace, processor_name
from trainers.training.precision import coarse

CONFIGS = ("causal-small", "pavllo-causal", "pavllo-semi", "cheng2019", "cheng2020", "roy2024", "zhang2021")
PEOPLE = ("01", "02", "03", "05")  # the last one for validation
FPS, SECONDS = 30.0, 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configs", default=",".join(CONFIGS), metavar="A,B", help="of configs/train")
    parser.add_argument("--data", action="append", default=[], metavar="DIR", help="motion; default: the demo's people")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=0, help="windows of every recipe; default: each config's own")
    parser.add_argument("--bf16", action="store_true", help="networks multiply in bfloat16")
    parser.add_argument(
        "--compile", default="cuda", choices=WHERE, help="on which devices batches are drawn by a compiled function"
    )


def main(args: argparse.Namespace) -> int:
    torch.set_float32_matmul_precision("high")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU here; run with --device cpu")
    rows: dict[str, dict[str, float]] = {}
    with people(args.data) as data:
        for name in args.configs.split(","):
            rows[name] = measured(config_of(name, args.batch), data, args.device, args.bf16, args.compile)
            print(f"{name}: {rows[name]['steps a second']:.2f} steps a second", flush=True)
    show(rows, args.device)
    print(json.dumps({"device": processor_name(args.device), "threads": torch.get_num_threads(), "rows": rows}))
    return 0


def config_of(name: str, batch: int) -> TrainConfig:
    config = load(name)
    few = {"validation_clips": 2} | ({"batch": batch} if batch else {})
    return replace(config, settings=replace(config.settings, **few))


@contextmanager
def people(data: list[str]) -> Iterator[list[str]]:
    """Provide the folders given, or one of the demo's people."""
    if data:
        yield data
        return
    with tempfile.TemporaryDirectory() as folder:
        for seed, subject in enumerate(PEOPLE):
            motion.save(folder, subject, [demo_segment(seed, subject)])
        yield [folder]


def demo_segment(seed: int, subject: str) -> MotionSegment:
    """Return the rendered person's motion as a segment."""
    moving, bones = draw_motion(seed), Bones()
    xyz = np.stack([moving.at(float(t), bones) for t in np.arange(0, SECONDS, 1 / FPS)])
    return MotionSegment(xyz.astype(np.float32), FPS, f"{subject}_01", subject)


def measured(config: TrainConfig, data: list[str], device: str, bf16: bool, where: str) -> dict[str, float]:
    steps = config.loop.steps
    recipe = recipe_module(config.recipe).recipe(config.settings, data, device, steps)
    if bf16:
        coarse(recipe.model, device)
    compile_draws(recipe, where, device)
    late = max(steps - 10, getattr(recipe, "warm_up_steps", 0))
    seconds = pace(recipe, config, late, device)
    batch: int = config.settings.batch
    return {"batch": batch, "steps a second": 1 / seconds, "windows a second": batch / seconds}


def show(rows: dict[str, dict[str, float]], device: str) -> None:
    table = Table("recipe", "batch", "steps/s", "windows/s", box=box.MARKDOWN, title=processor_name(device))
    for name, row in rows.items():
        steps, windows = row["steps a second"], row["windows a second"]
        table.add_row(name, f"{row['batch']:.0f}", f"{steps:.2f}", f"{windows:,.0f}")
    Console(width=100).print(table)
