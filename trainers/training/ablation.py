"""Train variants of a config in equal steps, several at once, and compare them in one table (`trainers ablate`).

Every run is a process of its own (`trainers train`), so that several share one GPU; what is done stays done.  With
`--minutes` a variant gets as many steps as one core makes in that time, which is for machines without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from realtime.config.yaml_file import read_yaml
from trainers import checkpoint
from trainers.config import TRAIN, TrainConfig, load
from trainers.errors import UserError
from trainers.recipe import Recipe, recipe_module
from trainers.training.cost import TIMED, pace

BASE = "base"  # the file itself, none of its variants
DONE = "variant.json"
POLL_S = 0.2
LAST_LINES = 5
TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Run:
    variant: str
    seed: int
    steps: int
    out: Path

    def done(self) -> dict[str, Any] | None:
        path = self.out / DONE
        found = json.loads(path.read_text()) if path.exists() else None
        return found if found and found["steps"] == self.steps else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="configs/train/NAME.yaml")
    parser.add_argument("--variants", default="", metavar="A,B", help=f"{BASE} is the file itself; default all")
    parser.add_argument("--data", action="append", default=[], metavar="DIR", help="motion or synthesized data; repeat")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--steps", type=int, default=None, help="of every variant; default: the config's own")
    parser.add_argument("--minutes", type=float, default=None, help="instead of steps: of one core, for each variant")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of every variant with seeds 1 to N")
    parser.add_argument("--parallel", type=int, default=1, metavar="K", help="so many runs at once on the device")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/ablations"), metavar="DIR", help="what is done stays there"
    )


def main(args: argparse.Namespace) -> int:
    if args.steps is not None and args.minutes is not None:
        raise UserError("--steps and --minutes: expected one of them")
    for name in ("seeds", "parallel"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: expected at least 1")
    known = read_yaml(TRAIN.locate(args.config)).values.get("variants") or {}
    names = [n for n in args.variants.split(",") if n] or [BASE, *known]
    runs = [run for name in names for run in planned(args, name)]
    train_all([run for run in runs if run.done() is None], args)
    show(Path(args.config).stem, runs, Console(width=160))
    return 0


def planned(args: argparse.Namespace, name: str) -> Iterator[Run]:
    """Yield a variant's runs, one a seed."""
    config = load(args.config, "" if name == BASE else name)
    steps = args.steps or config.loop.steps
    if args.minutes is not None:
        torch.set_num_threads(1)
        recipe = recipe_module(config.recipe).recipe(config.settings, args.data, "cpu", config.loop.steps)
        steps = affordable(recipe, config, 60 * args.minutes)
    for seed in range(1, args.seeds + 1):
        yield Run(name, seed, steps, args.out / Path(args.config).stem / name / f"seed{seed}")


# --- running ------------------------------------------------------------------------------------------------------


def train_all(runs: list[Run], args: argparse.Namespace) -> None:
    """Up to `--parallel` at a time; the first that fails ends all, with its last lines."""
    waiting, going = list(runs), list[tuple[Run, subprocess.Popen[bytes], float]]()
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # else its runs would outlive this process
    try:
        while waiting or going:
            while waiting and len(going) < args.parallel:
                run = waiting.pop(0)
                print(f"{run.variant}, seed {run.seed}: {run.steps:,} steps, {len(waiting)} runs waiting", flush=True)
                going.append((run, started(run, args), time.monotonic()))
            time.sleep(POLL_S)
            for run, process, began in [one for one in going if one[1].poll() is not None]:
                if process.returncode:
                    raise UserError(
                        f"{run.variant}, seed {run.seed}: exit code {process.returncode}: {last_lines(run)}"
                    )
                write(run, args, time.monotonic() - began)
                going = [one for one in going if one[1] is not process]
    finally:
        for _, process, _ in going:
            process.kill()
            process.wait()
        signal.signal(signal.SIGTERM, before)


def started(run: Run, args: argparse.Namespace) -> subprocess.Popen[bytes]:
    run.out.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // args.parallel))
    with (run.out / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "trainers", *train_words(run, args)], stdout=log, stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": threads},
        )  # fmt: skip


def train_words(run: Run, args: argparse.Namespace) -> list[str]:
    """Return the command line of one run after `trainers`."""
    chosen = [] if run.variant == BASE else ["--variant", run.variant]
    data = [word for folder in args.data for word in ("--data", str(folder))]
    return [
        "train", str(args.config), *chosen, *data, "--device", args.device, "--seed", str(run.seed), "--steps",
        str(run.steps), "--out", str(run.out), "--validate-last",
    ]  # fmt: skip


def last_lines(run: Run) -> str:
    lines = (run.out / "log.txt").read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-LAST_LINES:]) or "it said nothing"


def write(run: Run, args: argparse.Namespace, seconds: float) -> None:
    meta = checkpoint.metadata(run.out / checkpoint.FILE)
    recipe, weights = recipe_module(meta["recipe"]), checkpoint.weights(run.out / checkpoint.FILE)
    model = recipe.build_for_export(json.loads(meta["settings"]), weights)
    found = {
        "command": " ".join(["trainers", *train_words(run, args)]),
        "steps": run.steps,
        "seed": run.seed,
        "minutes": round(seconds / 60, 2),
        "parameters": sum(p.numel() for p in model.parameters()),
        "figures": json.loads(meta["figures"]),
    }
    (run.out / DONE).write_text(json.dumps(found, indent=1) + "\n")


def affordable(recipe: Recipe, config: TrainConfig, seconds: float) -> int:
    """Return steps that fit: those of a warm-up cost what the first ones cost, the others what the last ones cost."""
    early: int = getattr(recipe, "warm_up_steps", 0)
    first = pace(recipe, config, 0, cpu_time=True)
    last = pace(recipe, config, max(config.loop.steps, early + TIMED + 1) - TIMED - 1, cpu_time=True)
    left = seconds - early * first
    return max(1, int(early + left / last) if left > 0 else int(seconds / first))


# --- telling ------------------------------------------------------------------------------------------------------


def show(title: str, runs: list[Run], console: Console) -> None:
    """One row a variant: the mean over its seeds and, of several, their standard deviation."""
    variants: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        if (found := run.done()) is not None:
            variants.setdefault(run.variant, []).append(found)
    measures = list(dict.fromkeys(k for of in variants.values() for one in of for k in one["figures"]))
    table = Table("variant", "seeds", "steps", "minutes", "parameters", *measures, box=box.MARKDOWN, title=title)
    for name, of in variants.items():
        figures = [spread([one["figures"][m] for one in of if m in one["figures"]]) for m in measures]
        minutes = statistics.mean(one["minutes"] for one in of)
        table.add_row(name, str(len(of)), str(of[0]["steps"]), f"{minutes:.1f}", f"{of[0]['parameters']:,}", *figures)
    console.print(table)


def spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.4g}" if values else ""
    return f"{statistics.mean(values):.4g} ± {statistics.stdev(values):.2g}"
