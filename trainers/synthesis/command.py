"""`trainers synthesize`: run the real detector on pictures with known truth, into shards.

`rendered`: the demo's people on training motion, exact truth.  `boards`: see trainers.synthesis.paste_occluders.
Every shard is a function of (settings, its number): two runs, or one that was killed and resumed, give the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.config.detector_models import AUTO, NAMES
from realtime.detect.find_bundle import bundle_of
from realtime.detect.model_download import ModelError
from trainers.errors import UserError
from trainers.synthesis.render_clips import CLIP_FRAMES, synthesize_rendered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True)
    rendered = kinds.add_parser("rendered", help="rendered people on training motion")
    rendered.add_argument("--motion", type=Path, required=True, help="folder of subject_*.npz")
    rendered.add_argument("--frames", type=int, default=100_000)
    rendered.add_argument("--part", choices=("train", "validation"), default="train", help="whose motion, which looks")
    rendered.add_argument("--mix", type=float, default=0.0, help="share of clips with limbs and angles of another clip")
    rendered.add_argument(
        "--clip",
        type=int,
        nargs=2,
        default=CLIP_FRAMES,
        metavar=("LOW", "HIGH"),
        help="frames a clip: short ones show more people in as many frames",
    )
    bursts = kinds.add_parser("bursts", help="many poses before many cameras, single frames of them kept")
    bursts.add_argument("--motion", type=Path, required=True, help="folder of subject_*.npz")
    bursts.add_argument("--frames", type=int, default=200_000, help="kept frames, about")
    bursts.add_argument("--part", choices=("train", "validation"), default="train", help="whose motion, which looks")
    bursts.add_argument("--desk", type=float, default=1 / 3, help="share of half bodies at a desk before a webcam")
    active = "0: poses as recorded, arms reaching; 1: many legs elsewhere, trunks bent, some lying"
    bursts.add_argument("--active", type=float, default=0.0, help=active)
    bursts.add_argument("--occluders", type=float, default=0.2, help="share of bursts with a limb or a half hidden")
    boards = kinds.add_parser("boards", help="real footage with boards pasted over limbs")
    boards.add_argument("videos", nargs="+", metavar="VIDEO")
    boards.add_argument("--passes", type=int, default=8, help="how often each stretch is covered anew")
    cut = "share of passes whose picture ends below the person's waist, as a webcam's does"
    boards.add_argument("--cut", type=float, default=0.0, help=cut)
    every = "take every Nth picture of a film, as a slow camera or machine does"
    boards.add_argument("--every", type=int, default=1, metavar="N", help=every)
    for kind in (rendered, bursts, boards):
        kind.add_argument("--out", type=Path, required=True)
        kind.add_argument("--workers", type=int, default=1, help="processes, one core each")
        kind.add_argument(
            "--ray", default="", metavar="auto|ADDRESS", help="instead: the machines of a Ray cluster (extra `cluster`)"
        )
        kind.add_argument("--seed", type=int, default=0)
        kind.add_argument(
            "--model", default="full", help="the detector's: lite, full (default), heavy or the path of a .task bundle"
        )
        kind.add_argument(
            "--resume", action="store_true", help="go on where an earlier run of the same settings stopped"
        )


def asked_model(model: str) -> None:
    """Refuse a bundle that is not there, or of no known kind, before anything is rendered."""
    if model == AUTO:
        raise UserError(f"--model {AUTO}: data are of one model, whatever the machine; expected {', '.join(NAMES)}")
    if model in NAMES:  # fetched where it is opened
        return
    try:
        bundle_of(model)
    except ModelError as error:
        raise UserError(f"--model: {error}") from None


def main(args: argparse.Namespace) -> int:
    asked_model(args.model)
    shared = {"workers": args.ray or args.workers, "seed": args.seed, "model": args.model, "resume": args.resume}
    if args.kind == "rendered":
        synthesize_rendered(
            args.motion, args.out, args.frames, part=args.part, mix=args.mix, clip=tuple(args.clip), **shared
        )
    elif args.kind == "bursts":
        from trainers.synthesis.bursts import synthesize_bursts

        synthesize_bursts(
            args.motion, args.out, args.frames, part=args.part, desk=args.desk, occluders=args.occluders,
            active=args.active, **shared,
        )  # fmt: skip
    else:
        from trainers.synthesis.paste_occluders import synthesize_boards

        synthesize_boards(args.videos, args.out, args.passes, cut=args.cut, every=args.every, **shared)
    return 0
