"""`trainers evaluate reliability --occluders FOLDER`: how well occluded joints are told on real people, by source.

With --leave-out a network is trained for every source on all others (and on more shards, --data, but of that source)
and judged on the source it never saw; without it the model itself is judged, which is honest only for films that it was
not trained on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from trainers.config import TrainConfig, load
from trainers.data.shards.detections import DetectionTrack, collect
from trainers.data.shards.detector_model import one_detector
from trainers.deploy.run_engine import exported
from trainers.errors import UserError
from trainers.evaluation.occluders.occluder_films import (
    SOURCES,
    Figures,
    Judge,
    films_in,
    judged,
    occluder_shards,
    source_of,
    tracks_by_source,
)
from trainers.evaluation.views.evaluate_views import number, plain
from trainers.recipes import reliability
from trainers.recipes.reliability import ReliabilityRecipe, tracks_in
from trainers.test_clips.from_detections import engine_judge
from trainers.training.train import run

CONFIG = "reliability"  # the one that ships
COLUMNS = {  # header -> (figure, factor, digits)
    "joints": ("joints", 1, 0), "occluded %": ("occluded", 100, 1), "area": ("area", 1, 3),
    "area, visibility alone": ("area of visibility", 1, 3), "precision": ("precision", 1, 2),
    "recall": ("recall", 1, 2), "precision, wrong or occluded": ("precision, wrong or occluded", 1, 2),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    films = "judge reliability models on a folder of films of people, occluders pasted into them"
    parser.add_argument("--occluders", type=Path, metavar="FOLDER", help=films)
    parser.add_argument("--shards", type=Path, metavar="DIR", help="of --occluders: kept here (default: in --out)")
    parser.add_argument("--passes", type=int, default=2, help="of --occluders: how often each film is covered anew")
    parser.add_argument("--workers", type=int, default=1, help="of --occluders: processes, one core each")
    by = "of --occluders: a source is a film, or films whose names differ in a number"
    parser.add_argument("--by", choices=SOURCES, default=SOURCES[0], help=by)
    leave = "of --occluders: train for every source on all others; --data DIR: on its shards too, but of that source"
    parser.add_argument("--leave-out", action="store_true", help=leave)
    parser.add_argument("--config", default=CONFIG, help="of --leave-out: what is trained")
    parser.add_argument("--steps", type=int, default=None, help="of --leave-out: instead of the config's loop.steps")


def main(args: argparse.Namespace) -> int:
    out = args.out or Path("runs/evaluate/occluders")
    shards = args.shards or out / "shards"
    films = films_in(args.occluders)
    occluder_shards(films, shards, args.passes, args.seed, args.detector, args.workers)
    sources = tracks_by_source(shards, args.by)
    report = {"settings": {"films": len(films), "passes": args.passes, "seed": args.seed, "detector": args.detector}}
    if args.leave_out:
        report["leaving out"] = judged(sources, left_out(sources, shards, args, out))
    else:
        report |= {model: judge_model(model, sources) for model in args.models}
    out.mkdir(parents=True, exist_ok=True)
    (out / "occluders.json").write_text(json.dumps(plain(report), indent=1) + "\n")
    show(report, Console(width=160))
    print(f"{out}/occluders.json")
    return 0


def judge_model(model: str, sources: dict[str, list[DetectionTrack]]) -> dict[str, Figures]:
    with exported(model) as folder:
        judge = engine_judge(folder)
        return judged(sources, lambda _: judge)


def left_out(
    sources: dict[str, list[DetectionTrack]], shards: Path, args: argparse.Namespace, out: Path
) -> Callable[[str], Judge]:
    """Source -> a judge trained on every other source."""
    if len(sources) < 2:
        raise UserError(f"--leave-out: one source, {next(iter(sources))}; expected two or more, or say --by film")
    more = [str(args.data)] if args.data else []
    one_detector([shards, *more])
    config, base = load(args.config), tracks_in(more)
    if config.recipe != "reliability":
        raise UserError(f"--config {args.config}: recipe {config.recipe}, expected reliability")

    def judge(name: str) -> Judge:
        others = [track for other, found in sources.items() if other != name for track in found]
        known = [track for track in base if source_of(track.clip.subject, args.by) != name]
        print(f"leaving out {name}: training on {len(others)} stretches of others, {len(known)} of --data", flush=True)
        return trained(config, known + others, args.steps or config.loop.steps, out / "left_out" / name)

    return judge


def trained(config: TrainConfig, tracks: list[DetectionTrack], steps: int, out: Path) -> Judge:
    recipe: Any = ReliabilityRecipe(config.settings, [], "cpu", steps, tracks)
    run(config, recipe, out, steps, fresh=True)
    model = reliability.build_for_export(asdict(config.settings), recipe.model.state_dict()).eval()

    def judge(track: DetectionTrack) -> Any:
        cues = collect([track])
        with torch.no_grad():
            told = reliability.judged(model, cues).numpy()
        last = np.searchsorted(cues.frame.numpy(), np.arange(track.last - track.first), side="right") - 1
        return told[last]  # of the tick in which a frame lies

    return judge


def show(report: dict[str, Any], console: Console) -> None:
    for model, rows in report.items():
        if model != "settings":
            table = Table(model, *COLUMNS, box=box.MARKDOWN)
            for source, row in rows.items():
                cells = (number(row[key] * factor, digits) for key, factor, digits in COLUMNS.values())
                table.add_row(source, *cells)
            console.print(table)
