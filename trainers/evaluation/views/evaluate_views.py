"""`trainers evaluate MODEL... --views DIR`: lifters before real calibrated cameras, the detector's own 3D beside them.

A table for people on the terminal, its figures as one line of JSON last; in the folder of --out `views.md`, and
`views.json`, which has more.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from rich import box
from rich.console import Console
from rich.table import Table

from engines.engine import Engine
from engines.store import names
from realtime.config.schema import DetectorConfig, OcclusionConfig, RunConfig
from realtime.detect.mediapipe_detector import Detector, open_detector
from realtime.detect.model_download import ModelError
from trainers.data.multiview import CalibratedFilms, load_views
from trainers.deploy.run_engine import exported, labels, opened
from trainers.errors import UserError
from trainers.evaluation.occluders.occluder_cases import FIVE, Cover
from trainers.evaluation.occluders.occluder_suite import SUITE
from trainers.evaluation.run_films import lift
from trainers.evaluation.views.fuse_views import FEWEST, judge_fused
from trainers.evaluation.views.judge_views import (
    BASELINES,
    Figures,
    FilmRuns,
    Predict,
    behind,
    judge,
    occlusion_flags,
    run_films,
    together,
)

LENSES = ("guessed", "calibrated")
HOLD = "hold"
FUSED = ", cameras fused"  # behind a set's name
COLUMNS = {  # header -> (part, figure, factor)
    "mm": ("visible", "unaligned_mm", 1), "aligned": ("visible", "aligned_mm", 1),
    "bones °": ("visible", "bones_deg", 1), "velocity": ("visible", "velocity_mm", 1),
    "jitter": ("visible", "jitter", 1), "swaps %": ("visible", "swaps", 100),
    "length var. %": ("visible", "length_variation", 100),
    "within σ %": ("visible", "within_sigma", 100), "1.96 σ %": ("visible", "within_1.96_sigma", 100),
    "occluded mm": ("occluded", "unaligned_mm", 1), "occluded aligned": ("occluded", "aligned_mm", 1),
    "occluded bones °": ("occluded", "bones_deg", 1), "occluded velocity": ("occluded", "velocity_mm", 1),
}  # fmt: skip
CASE_COLUMNS = {"aligned": "aligned_mm", "mm": "unaligned_mm", "bones °": "bones_deg", "recovery ms": "recovery_ms"}
FLAGS = {
    "occluded %": ("share", 100, 1),
    "area": ("area", 1, 2),
    "precision": ("precision", 1, 2),
    "recall": ("recall", 1, 2),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    views = "judge before real cameras: folders of calibrated films with reference joints"
    lens = "of --views: what lifters know of the camera: nothing, as live, or its calibration"
    detector = "of --views and --occluders: what detector.model takes, a name or the path of a .task bundle"
    parser.add_argument("--views", type=Path, nargs="+", action="extend", metavar="DIR", help=views)
    suite = "of --views: more is covered, for 0.2 to 2 s and throughout, a table of every case"
    parser.add_argument("--suite", action="store_true", help=suite)
    parser.add_argument("--detector", default="full", metavar="MODEL", help=detector)
    parser.add_argument("--lens", choices=LENSES, default=LENSES[0], help=lens)


def main(args: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    sets = [load_views(folder) for folder in args.views]
    reliability = OcclusionConfig().engine if args.reliability == "auto" else args.reliability
    config = replace(RunConfig(), occlusion=OcclusionConfig(engine="" if reliability == "eq2" else reliability))
    with ExitStack() as stack:
        engines = opened_lifters(args.models, stack)
        models = BASELINES | {name: partial(_lifted, engine) for name, engine in engines.items()}
        detector = opened_detector(args.detector)
        stack.callback(detector.close)
        covers = SUITE if args.suite else FIVE
        report = judged(sets, models, detector, config, args.lens, covers, engines)
    report["settings"] = {
        "detector": detector.name, "reliability": reliability, "lens": args.lens, "views": [str(d) for d in args.views]
    }  # fmt: skip
    report["settings"]["cases"] = [cover.name for cover in SUITE] if args.suite else []
    write(report, args.out or Path("runs/evaluate/views"))
    return 0


def opened_lifters(asked: list[str], stack: ExitStack) -> dict[str, Engine]:
    """By name, `hold` first where the store has it."""
    found: dict[str, Engine] = {}
    models = list(dict.fromkeys(([HOLD] if HOLD in names() else []) + asked))
    for model, name in zip(models, labels(models)):
        engine = opened(stack.enter_context(exported(model)), 1)
        if engine.contract.task != "lift":
            raise UserError(
                f"{model}: task {engine.contract.task}, expected a lifter; flags are judged beside it anyway"
            )
        found[name] = engine
    return found


def _lifted(engine: Any, observed: Any, config: RunConfig, joints: tuple[str, ...]) -> Any:
    return lift(observed, engine, config, joints)


def opened_detector(model: str) -> Detector:
    try:
        return open_detector(DetectorConfig(model=model))
    except ModelError as error:
        raise UserError(f"--detector: {error}") from None


def judged(
    sets: list[CalibratedFilms],
    models: dict[str, Predict],
    detector: Detector,
    config: RunConfig,
    lens: str,
    covers: Sequence[Cover],
    engines: dict[str, Engine],
) -> dict[str, Any]:
    """Return every figure, ready for JSON: per camera, per set, together."""
    cameras: dict[str, dict[str, dict[str, Figures]]] = {}
    flags: dict[str, Figures] = {}
    groups: dict[str, list[str]] = {}
    fused_sets: dict[str, dict[str, dict[str, Figures]]] = {}
    for views in sets:
        every: list[FilmRuns] = []
        for runs in run_films(views, detector, config, covers):
            every.append(runs)
            name = f"{views.name}/{runs.view.camera.name}"
            cameras[name] = {model: judge(runs, predict, config, lens) for model, predict in models.items()}
            flags[name] = occlusion_flags(runs)
            groups.setdefault(views.name, []).append(name)
        if len(every) >= FEWEST:
            fused_sets[views.name + FUSED] = {
                name: judge_fused(every, engine, config) for name, engine in engines.items()
            }
    groups |= {"all": list(cameras)} if len(groups) > 1 else {}
    means = {g: {m: together([cameras[c][m] for c in members]) for m in models} for g, members in groups.items()}
    flags |= {g: together([{"flags": flags[c]} for c in members])["flags"] for g, members in groups.items()}
    means |= fused_sets
    return {"cameras": cameras, "together": means, "flags": flags, "behind the detector": all_behind(cameras)}


def all_behind(cameras: dict[str, dict[str, dict[str, Figures]]]) -> dict[str, list[str]]:
    """Map camera and lifter -> visible columns in which the detector's own 3D is better."""
    found = {
        f"{camera}, {model}": behind(row, rows["detector"])
        for camera, rows in cameras.items()
        for model, row in rows.items()
        if model not in BASELINES
    }
    return {where: columns for where, columns in found.items() if columns}


def write(report: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "views.json").write_text(json.dumps(plain(report), indent=1) + "\n")
    with (out / "views.md").open("w") as file:
        show(report, Console(file=file, width=240))
    show(report, Console(width=240))
    print(f"{out}/views.json, {out}/views.md")
    print(json.dumps(plain({name: shown(rows) for name, rows in everyone(report).items()})))


def plain(values: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(values, dict):
        return {key: plain(value) for key, value in values.items()}
    return None if isinstance(values, float) and math.isnan(values) else values


def show(report: dict[str, Any], console: Console) -> None:
    table = Table("camera", "model", *COLUMNS, box=box.MARKDOWN)
    for camera, rows in everyone(report).items():
        for model, figures in shown(rows).items():
            table.add_row(camera, model, *map(number, figures.values()))
    console.print(table)
    flags = Table("reliability of occluded joints", *FLAGS, box=box.MARKDOWN)
    for camera, row in report["flags"].items():
        cells = (number(row.get(key, math.nan) * factor, digits) for key, factor, digits in FLAGS.values())
        flags.add_row(camera, *cells)
    console.print(flags)
    if report["settings"]["cases"]:
        console.print(case_table(report))
    for where, columns in report["behind the detector"].items():
        console.print(f"behind the detector: {where}: {', '.join(columns)}", highlight=False, soft_wrap=True)


def everyone(report: dict[str, Any]) -> dict[str, dict[str, dict[str, Figures]]]:
    """Return rows of every camera, then of cameras together."""
    return dict(report["cameras"] | report["together"])


def shown(rows: dict[str, dict[str, Figures]]) -> dict[str, dict[str, float]]:
    """Return what the table shows of each lifter, by its headers."""
    return {
        model: {
            header: row.get(part, {}).get(key, math.nan) * factor for header, (part, key, factor) in COLUMNS.items()
        }
        for model, row in rows.items()
    }


def case_table(report: dict[str, Any]) -> Table:
    """Return every case of the suite, models side by side, mean of the cameras."""
    means = [rows for where, rows in report["together"].items() if not where.endswith(FUSED)]  # those of all come last
    everywhere: dict[str, dict[str, Figures]] = means[-1]
    table = Table("covered", "model", *CASE_COLUMNS, box=box.MARKDOWN)
    for case in report["settings"]["cases"]:
        for model, row in everywhere.items():
            cells = (row.get(f"occluded, {case}", {}).get(key, math.nan) for key in CASE_COLUMNS.values())
            table.add_row(case, model, *(number(cell) for cell in cells))
    return table


def number(value: float, digits: int = 1) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
