"""`trainers prepare SET`: convert raw or public motion to folders that training and evaluation read.

A subject is written whole or not at all; one that is already there from the same files is not read again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainers.data import motion
from trainers.data.mocap import cmu
from trainers.data.mocap.clean import FPS, clean
from trainers.data.motion import MotionSegment
from trainers.data.notice import keep_notice
from trainers.data.public import catalogue
from trainers.data.summary import report
from trainers.errors import UserError

Entry = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sets = parser.add_subparsers(dest="set", required=True, metavar="SET")
    raw = sets.add_parser("cmu", help="folders of ASF/AMC and BVH files, several rigs")
    raw.add_argument("--root", type=Path, required=True, metavar="DIR", help="raw files, searched below")
    raw.add_argument("--jobs", type=int, default=1, help="processes that read takes")
    for name, reader in catalogue.READERS.items():
        one = sets.add_parser(name, help=reader.help)
        reader.add_arguments(one)
        one.add_argument("--trust", action="store_true", help="read pickled arrays, which can run code, this once")
    for one in sets.choices.values():
        one.add_argument("--out", type=Path, required=True, metavar="DIR")


def main(args: argparse.Namespace) -> int:
    args.out.mkdir(parents=True, exist_ok=True)
    if args.set == "cmu":
        skipped = prepare_cmu(args.root, args.out, args.jobs)
        keep_notice([args.root], args.out)
    else:
        skipped = catalogue.READERS[args.set].prepare(args)
        keep_notice([v for k, v in vars(args).items() if isinstance(v, Path) and k != "out"], args.out)
    report(args.out, skipped)
    return 0


def prepare_cmu(root: Path, out: Path, jobs: int = 1) -> list[str]:
    """Write every subject; the takes left out, each with its reason."""
    takes, skipped = cmu.find(root)
    entries = {e["clip"]: e for e in read_entries(out)}
    todo = [t for t in takes if not done(out, takes, t.subject, entries, root)]
    with progress() as bar, workers(jobs) as pool:
        task = bar.add_task("takes", total=len(takes), completed=len(takes) - len(todo))
        results = iter((pool.map if pool else map)(read_take, todo))
        for subject, mine in groupby(todo, key=lambda t: t.subject):
            segments: list[MotionSegment] = []
            for take in mine:
                parts, problem = next(results)
                segments += parts
                entries[take.clip] = entry(take, parts, problem, root)
                bar.update(task, advance=1, description=take.clip)
            if segments:
                motion.save(out, subject, segments)
            motion.write_index(out, list(entries.values()))
    skipped += [f"{e['file']}: {e['problem']}" for e in entries.values() if e.get("problem")]
    if not any(e["segments"] for e in entries.values()):
        raise UserError(f"--root {root}: none of {len(takes)} takes could be used; the first: {skipped[0]}")
    return skipped


def read_take(take: cmu.Take) -> tuple[list[MotionSegment], str]:
    """Return segments of a take, or why there are none."""
    try:
        xyz, fps = cmu.read(take)
        parts = clean(xyz, fps, str(take.path))
    except UserError as error:
        return [], str(error).removeprefix(f"{take.path}: ").removeprefix(str(take.path))
    names = [take.clip if first == 0 and len(parts) == 1 else f"{take.clip}@{first}" for first, _ in parts]
    segments = [MotionSegment(x, FPS, name, take.subject, take.action) for name, (_, x) in zip(names, parts)]
    return segments, "" if segments else "no 0.6 s of it are free of glitches"


def entry(take: cmu.Take, parts: list[MotionSegment], problem: str, root: Path) -> Entry:
    about: Entry = {
        "clip": take.clip, "subject": take.subject, "desc": take.action, "file": str(take.path.relative_to(root)),
        "bytes": take.path.stat().st_size, "segments": len(parts), "frames": sum(len(p.xyz) for p in parts),
    }  # fmt: skip
    return about | ({"problem": problem} if problem else {})


def read_entries(out: Path) -> list[Entry]:
    path = out / "index.json"
    try:
        return list(json.loads(path.read_text())) if path.exists() else []
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: {error}; remove it to prepare the folder anew") from None


def done(out: Path, takes: Iterable[cmu.Take], subject: str, entries: dict[str, Entry], root: Path) -> bool:
    """Tell whether the subject was already written from these very files."""
    mine = [t for t in takes if t.subject == subject]
    same = all(
        (e := entries.get(t.clip)) is not None
        and (e.get("file"), e.get("bytes")) == (str(t.path.relative_to(root)), t.path.stat().st_size)
        for t in mine
    )
    usable = any(entries[t.clip]["segments"] for t in mine) if same else False
    return same and (not usable or (out / f"subject_{subject}.npz").exists())


def workers(jobs: int) -> Any:
    """Return a pool of processes, or none."""
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) if jobs > 1 else nullcontext()


def progress() -> Progress:
    return Progress(TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
