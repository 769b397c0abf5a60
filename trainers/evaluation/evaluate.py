"""`trainers evaluate MODEL --data DIR`: measure how wrong a lifter is, where and when; table, plot, JSON.

MODEL is an engine of the store, an exported folder, or a run's folder or checkpoint (exported on the way).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from engines.contract import TICK_HZ
from engines.engine import Engine
from engines.skeleton import H36M_17
from trainers.data import motion, views
from trainers.deploy.run_engine import Answer, exported, opened, predict
from trainers.errors import UserError
from trainers.evaluation import evaluate_reliability
from trainers.evaluation.report import MEASURE, write
from trainers.evaluation.scores import Scores, report
from trainers.evaluation.views import evaluate_views
from trainers.test_clips.from_motion import SUITES, TestClip, from_motion, from_views, noisier

CORE = len(H36M_17)  # joints that clips know the truth of: the first of every lifter's
NOISE_HELP = "px of a camera whose focal length is 1145 px, as in Zhang 2021, Table X (0, 5, 10, 15, 20)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="engine name, exported folder, run or checkpoint")
    add_data_arguments(parser, required=False)
    evaluate_views.add_arguments(parser)
    evaluate_reliability.add_arguments(parser)
    parser.add_argument("--protocol", type=int, choices=tuple(MEASURE), default=1, help="1 MPJPE, 2 P-MPJPE, 3 N-MPJPE")
    parser.add_argument("--boards", type=Path, metavar="VIDEO", help="also: boards pasted into this footage")
    parser.add_argument("--noise-px", type=float, default=0.0, metavar="PX", help=f"more Gaussian error: {NOISE_HELP}")
    parser.add_argument("--flip", action="store_true", help="mean of the clip and its mirror image")
    parser.add_argument(
        "--native", action="store_true", help="every frame is a tick: recorded sets at their own rate (trained with hz)"
    )
    parser.add_argument("--true-root", action="store_true", help="the true distance is given, as in Roy 2024's tests")
    parser.add_argument("--lifted-only", action="store_true", help="LNet without its refinement: Roy 2024's own test")
    parser.add_argument(
        "--ray", default="", metavar="ADDRESS", help="clips on a Ray cluster (extra `cluster`), or auto"
    )
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="default runs/evaluate/MODEL")


def add_data_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Which clips, and how they are seen."""
    parser.add_argument("--data", type=Path, required=required, metavar="DIR", help="made by prepare or synthesize")
    parser.add_argument("--occlusion", choices=tuple(SUITES), default="mixed", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--reliability", default="auto", help="of synthesized data: an engine, visibility, truth")
    parser.add_argument("--subjects", default="", help="comma-separated; default: validation subjects, or all views")
    parser.add_argument("--fps", type=float, default=30.0, help="frame rate of virtual cameras")
    parser.add_argument("--perfect", action="store_true", help="exact keypoints and masks instead of a detector's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0, help="so many clips at most")


def main(args: argparse.Namespace) -> int:
    if args.occluders and not args.views:
        return evaluate_reliability.main(args)
    if bool(args.views) == bool(args.data) or args.occluders:
        raise UserError(
            "expected one of --data DIR (motion, recorded or rendered clips), --views DIR (calibrated real cameras), "
            "--occluders FOLDER (films of people, for reliability models)"
        )
    if args.views:
        return evaluate_views.main(args)
    if len(args.models) > 1:
        raise UserError(f"{len(args.models)} models with --data; side by side: trainers compare MODEL... --data DIR")
    (model,) = args.models
    trials = [noisier(t, args.noise_px, args.seed) for t in islice(gather(args), args.limit or None)]
    if args.native:
        trials = [replace(t, fps=TICK_HZ) for t in trials]
    if args.true_root or args.lifted_only:
        found = with_distance_given(model, trials, args) | {"model": model, "settings": settings(args)}
        write(found, args.out or Path("runs/evaluate") / Path(model).name, args.protocol)
        return 0
    with exported(model) as folder:
        engine = opened(folder)
        if args.ray:
            from trainers.evaluation.cluster_predict import predicted_by_cluster

            scores = measured(predicted_by_cluster(folder, trials, args.flip, args.ray), len(trials))
        else:
            scores = evaluate(engine, trials, args.flip)
        found = report(scores)
        found |= {"model": model, "sha256": engine.sha256, "settings": settings(args)}
        if args.boards:
            from trainers.evaluation.occluders.occluder_test import judge_video

            found["boards"] = judge_video(args.boards, engine, args.reliability, args.seed)
    write(found, args.out or Path("runs/evaluate") / Path(model).name, args.protocol)
    return 0


def with_distance_given(model: str, trials: list[TestClip], args: argparse.Namespace) -> dict[str, Any]:
    """Return the report of a trained model that is told the distance, or answers with its lifting network alone."""
    from trainers.evaluation.true_distance import lifted, with_distance

    if args.boards:
        raise UserError("--boards needs an engine as it runs live: leave --true-root and --lifted-only out")
    trained = with_distance(model, args.lifted_only)
    return report(measured(lifted(trained, trials, args.true_root, args.lifted_only, args.flip), len(trials)))


def settings(args: argparse.Namespace) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items() if k not in ("models", "out")}


def gather(args: argparse.Namespace) -> Iterator[TestClip]:
    """Return the trials of a folder, whatever made it."""
    subjects = tuple(s for s in args.subjects.split(",") if s)
    if any(args.data.glob("shard_*.npz")):
        from trainers.test_clips.from_detections import from_shards

        return from_shards(args.data, subjects, "truth" if args.perfect else args.reliability)
    if views.present(args.data):
        return from_views(args.data, args.occlusion, subjects, args.seed)
    found = motion.load(args.data)
    chosen = found.only(subjects) if subjects else motion.split(found)[1]
    if not chosen.segments:
        raise UserError(f"{args.data}: no motion of {args.subjects}; it has {', '.join(found.subjects)}")
    return from_motion(chosen, args.occlusion, args.seed, args.fps, args.perfect)


def evaluate(engine: Engine, trials: list[TestClip], flip: bool = False) -> Scores:
    """Answer to every frame of every trial, measured."""
    return measured(predict(engine, trials, flip), len(trials))


def measured(answers: Iterable[tuple[TestClip, Answer]], count: int) -> Scores:
    if not count:
        raise UserError("no clip to evaluate; prepare more data or drop --subjects and --limit")
    scores = Scores()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("clips", total=count)
        for trial, (xyz, sigma) in answers:
            scores.add(trial, xyz[:, :CORE], None if sigma is None else sigma[:, :CORE])
            bar.update(task, advance=1)
    return scores
