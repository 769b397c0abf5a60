"""`trainers compare MODEL... --data DIR`: which lifter should I use?  One row a model, the same clips for all.

Knows: what decides between lifters.  Does not know: how engines are driven (drive), errors measured (scores).
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from engines.engine import Engine
from trainers.drive import exported, lift, opened
from trainers.evaluate import add_data_arguments, evaluate, gather
from trainers.scores import report
from trainers.trials import Trial

COLUMNS = {  # header -> (part of the report, measure)
    "open, mm": ("limbs seen", "mpjpe"),
    "hidden, mm": ("limbs hidden", "mpjpe"),
    "open, aligned": ("limbs seen", "p_mpjpe"),
    "hidden, aligned": ("limbs hidden", "p_mpjpe"),
    "velocity, mm": ("limbs", "mpjve"),
    "jitter, mm": ("limbs", "acceleration"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="engine names, exported folders or runs")
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/compare.json"), metavar="FILE")


def main(args: argparse.Namespace) -> int:
    trials = list(islice(gather(args), args.limit or None))
    rows = {}
    for model in args.models:
        with exported(model) as folder:
            ms = milliseconds(opened(folder, 1), trials[0])
            rows[model] = row(opened(folder), trials) | {"ms a frame": ms}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(rows, indent=1) + "\n")
    show(rows, Console(width=160))
    return 0


def row(engine: Engine, trials: list[Trial]) -> dict[str, Any]:
    parts = report(evaluate(engine, trials))["parts"]
    figures = {name: parts[part].get(measure, float("nan")) for name, (part, measure) in COLUMNS.items()}
    ahead = 1000 * engine.contract.look_ahead / engine.contract.tick_hz
    return figures | {"look-ahead, ms": ahead}


def milliseconds(engine: Engine, trial: Trial) -> float:
    """Of one person's frames, one after the other, on this machine."""
    lift(engine, [trial])
    began = time.perf_counter()
    lift(engine, [trial])
    return 1000 * (time.perf_counter() - began) / len(trial.x)


def show(rows: dict[str, dict[str, Any]], console: Console) -> None:
    headers = list(next(iter(rows.values())))
    table = Table("lifter", *headers, box=box.MARKDOWN)
    for name, values in rows.items():
        table.add_row(name, *(f"{values[h]:.1f}" if h != "ms a frame" else f"{values[h]:.2f}" for h in headers))
    console.print(table)
