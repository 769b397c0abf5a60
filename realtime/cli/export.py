"""`realtime export`: a recording or a film to bvh, glb, trc, c3d, mot, angles, csv, json or npz."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from realtime.cli.film import add_film_arguments, film_progress, recording_of
from realtime.export.formats import ALL_NAMES, FORMATS
from realtime.export.job import ExportOptions, export
from realtime.export.smoothing.steady import SMOOTHERS
from realtime.offline.film import is_recording
from realtime.recording.reader import Recorded, hello_and_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="RECORDING|FILM", type=Path, help="a recording; a film is recorded first")
    parser.add_argument("--to", required=True, choices=FORMATS, help="metres, y up by gravity, in every format")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: beside the recording")
    parser.add_argument("--person", type=int, metavar="ID", help="only this person; `realtime info` lists the ids")
    parser.add_argument(
        "--keep", choices=("observed", "inferred", "held"), default="inferred",
        help="what counts as a value where a format knows no states; the rest is empty (bvh, glb: as last seen)",
    )  # fmt: skip
    parser.add_argument(
        "--min-frames", type=int, metavar="N", help="leave out people seen in fewer frames (default 10)"
    )
    parser.add_argument(
        "--align", choices=("recording", "person"), default="recording",
        help="one time axis and one floor for everybody (default), or each person's own",
    )  # fmt: skip
    parser.add_argument("--rate", type=float, metavar="HZ", help="resample; else the frames as they were captured")
    parser.add_argument(
        "--smooth", nargs="?", choices=SMOOTHERS, const="one-euro",
        help="one-euro: as a live client, with its delay; offline: no delay, it uses the future; the cost is printed",
    )  # fmt: skip
    parser.add_argument("--foot-lock", action="store_true", help="lock standing feet in place; what moved is printed")
    parser.add_argument(
        "--names", choices=ALL_NAMES, metavar="KIND",
        help="bvh, glb: mixamo (default), unity, cmu, or h36m for every joint by its own name; trc: opensim",
    )  # fmt: skip
    parser.add_argument("--unit", choices=("m", "cm"), default="m", help="bvh only; the others are in metres")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_film_arguments(parser)


def main(args: argparse.Namespace) -> int:
    options = options_of(args)
    with film_progress() as bar:
        path, made = (args.file, "") if is_recording(args.file) else recording_of(args.file, args, bar, args.force)
        size = path.stat().st_size
        task = bar.add_task(f"reading {path.name}", total=size)
        recorded = Recorded(path, lambda offset: bar.update(task, completed=offset))
        hello, poses = hello_and_poses(recorded)
        bar.update(task, description=f"writing {options.to}", completed=size)
        done = export(hello, poses, options)
    for note in [*filter(None, [made]), *damage_notes(recorded), *done.notes]:
        print(f"note: {note}", file=sys.stderr)
    for file in done.files:
        print(file)
    return 0


def options_of(args: argparse.Namespace) -> ExportOptions:
    out = args.out or args.file.with_suffix(FORMATS[args.to].suffix)
    return ExportOptions(
        args.to, out, args.person, args.keep, args.rate, args.smooth, args.foot_lock, args.unit == "cm", args.force,
        args.align, args.min_frames, args.names,
    )  # fmt: skip


def progress_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def damage_notes(recorded: Recorded) -> list[str]:
    notes = []
    if recorded.damage.places:
        notes.append(f"{recorded.damage.bytes_skipped} damaged bytes in {recorded.damage.places} places left out")
    if recorded.losses.at_writing:
        notes.append(f"{recorded.losses.at_writing} messages were lost while recording")
    if recorded.losses.malformed:
        notes.append(f"{recorded.losses.malformed} records hold no message of this version")
    return notes
