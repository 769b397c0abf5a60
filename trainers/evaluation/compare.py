"""`trainers compare MODEL... --data DIR`: compare lifters on the same clips, one row a model.

Two floors can be named like models: `detector` is its own 3D as it came, `last-observed` the same with every joint
that is not believed left where it was last believed, relative to the root.  A second table tells the open limbs
apart by how the camera sees the person.  The last line is the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from engines.contract import map_reliability
from engines.engine import Engine
from engines.skeleton import H36M_17, Array, mapping
from trainers.deploy.run_engine import exported, labels, lift, opened
from trainers.evaluation.evaluate import add_data_arguments, evaluate, gather
from trainers.evaluation.scores import Scores, report
from trainers.test_clips.from_motion import TestClip

BELIEVED = 0.5
COLUMNS = {  # header -> (part of the report, measure)
    "open, mm": ("limbs seen", "mpjpe"),
    "hidden, mm": ("limbs hidden", "mpjpe"),
    "open, aligned": ("limbs seen", "p_mpjpe"),
    "hidden, aligned": ("limbs hidden", "p_mpjpe"),
    "velocity, mm": ("limbs", "mpjve"),
    "jitter, mm": ("limbs", "acceleration"),
}
SIDES = "sides exchanged, %"  # of frames
SIGMA = {"open, within σ %": ("seen", "1.0"), "hidden, within σ %": ("hidden", "1.0")}  # 68 were right
CONDITIONS = "conditions"  # the open limbs, aligned, apart by how the camera sees the person
PICTURES = "pictures"  # the same figures apart: all limb joints inside the picture, or some cut off


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="engine names, exported folders or runs")
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/compare.json"), metavar="FILE")


def main(args: argparse.Namespace) -> int:
    trials = list(islice(gather(args), args.limit or None))
    rows = {}
    for model, name in zip(args.models, labels(args.models)):
        if model in FLOORS:
            rows[name] = figures(FLOORS[model](trials)) | {"look-ahead, ms": 0.0, "ms a frame": 0.0}
            continue
        with exported(model) as folder:
            ms = milliseconds(opened(folder, 1), trials[0])
            rows[name] = row(opened(folder), trials) | {"ms a frame": ms}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(rows, indent=1) + "\n")
    console = Console(width=220)
    show(rows, console)
    show_conditions(rows, console)
    print(json.dumps(rows))
    return 0


def row(engine: Engine, trials: list[TestClip]) -> dict[str, Any]:
    ahead = 1000 * engine.contract.look_ahead / engine.contract.tick_hz
    return figures(evaluate(engine, trials)) | {"look-ahead, ms": ahead}


def figures(scores: Scores) -> dict[str, Any]:
    """Return what decides, over all frames and apart by whether the picture shows every limb joint."""
    found = report(scores)
    parts = {name: columns(part) for name, part in found["pictures"].items() if part["frames"]}
    apart = {
        f"{name}: {word}": row["p_mpjpe"]
        for name, of in found["conditions"].items()
        for word, row in of["seen"].items()
        if row["joints"]
    }
    return columns(found) | {PICTURES: parts, CONDITIONS: apart}


def columns(figures: dict[str, Any]) -> dict[str, float]:
    told = {name: figures["parts"][part].get(measure, float("nan")) for name, (part, measure) in COLUMNS.items()}
    shares = {name: 100 * figures["coverage"][part].get(times, math.nan) for name, (part, times) in SIGMA.items()}
    return told | {SIDES: 100 * figures["sides exchanged"]} | shares


def own_3d(trial: TestClip) -> tuple[Array, NDArray[np.bool_]]:
    """Return (T, 17, 3) m root-relative, as the detector says, and which joints are believed."""
    if trial.joints == H36M_17.name:
        world, reliability = trial.world, trial.reliability
    else:
        to = mapping(trial.joints, H36M_17.name)
        world, reliability = to @ trial.world, map_reliability(trial.reliability, to)
    return np.asarray(world - world[:, :1]), reliability >= BELIEVED


def detector(trials: list[TestClip]) -> Scores:
    scores = Scores()
    for trial in trials:
        scores.add(trial, own_3d(trial)[0], None)
    return scores


def last_observed(trials: list[TestClip]) -> Scores:
    scores = Scores()
    for trial in trials:
        xyz, believed = own_3d(trial)
        frames = np.arange(len(xyz))[:, None]
        last = np.maximum.accumulate(np.where(believed, frames, 0), 0)
        scores.add(trial, np.take_along_axis(xyz, last[..., None], 0), None)
    return scores


FLOORS = {"detector": detector, "last-observed": last_observed}


def milliseconds(engine: Engine, trial: TestClip) -> float:
    """Of one person's frames, one after the other, on this machine."""
    lift(engine, [trial])
    began = time.perf_counter()
    lift(engine, [trial])
    return 1000 * (time.perf_counter() - began) / len(trial.x)


def show(rows: dict[str, dict[str, Any]], console: Console) -> None:
    headers = [header for header in next(iter(rows.values())) if header not in (PICTURES, CONDITIONS)]
    table = Table("lifter", "frames", *headers, box=box.MARKDOWN)
    for name, values in rows.items():
        for picture, part in {"all": values, **values[PICTURES]}.items():
            table.add_row(name, picture, *(cell(part, header) for header in headers))
    console.print(table)


def show_conditions(rows: dict[str, dict[str, Any]], console: Console) -> None:
    """Print a condition a row, a lifter a column, and where one is behind the detector."""
    table = Table("open, aligned", *rows, box=box.MARKDOWN)
    for name in next(iter(rows.values()))[CONDITIONS]:
        table.add_row(name, *(f"{values[CONDITIONS][name]:.1f}" for values in rows.values()))
    if table.row_count:
        console.print(table)
    for told in behind(rows):
        console.print(told, highlight=False)


def behind(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Name the conditions in which a lifter is behind the detector, where that is one of them."""
    floor = rows.get("detector", {}).get(CONDITIONS, {})
    return [
        f"behind the detector: {lifter}, {name}: {values[CONDITIONS][name]:.1f} against {mm:.1f} mm"
        for lifter, values in rows.items()
        for name, mm in floor.items()
        if values[CONDITIONS][name] > mm
    ]


def cell(values: dict[str, float], header: str) -> str:
    if header not in values or math.isnan(values[header]):
        return "–"
    return f"{values[header]:.2f}" if header == "ms a frame" else f"{values[header]:.1f}"
