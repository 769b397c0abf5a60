"""`realtime batch`: folders of films to recordings, exports and overlay films, several at a time."""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from realtime.cli.batches import batch_film
from realtime.cli.batches.batch_film import HIDDEN, OVERLAY, Job
from realtime.cli.film import add_film_arguments, film_config, film_progress
from realtime.clock import now_ns
from realtime.export.formats import ALL_NAMES, FORMATS
from realtime.export.smoothing.steady import SMOOTHERS
from realtime.recording.file_format import RecordingError
from realtime.supervise.worker import signals_blocked

FILM_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mts", ".mpg", ".mpeg", ".wmv", ".3gp")
TURN_S = 0.2
WORKER = batch_film.main


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "films", metavar="FILMS", nargs="+", help="files, folders, or patterns in quotes: 'films/*.mp4'"
    )
    parser.add_argument(
        "--to", required=True, type=formats, metavar="FORMAT,...", help=f"{OVERLAY}, {', '.join(FORMATS)}"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="made where it does not exist")
    parser.add_argument("--workers", type=int, metavar="N", help="films at a time (default: half the cores)")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="instead: the machines of a Ray cluster (extra `cluster`), or auto"
    )
    parser.add_argument("--side-by-side", action="store_true", help=f"{OVERLAY}: a 3D view beside the picture")
    parser.add_argument("--keep", choices=("observed", "inferred", "held"), default="inferred", help="as of export")
    parser.add_argument("--smooth", nargs="?", choices=SMOOTHERS, const="one-euro", help="as of export")
    parser.add_argument("--foot-lock", action="store_true", help="as of export")
    parser.add_argument("--rate", type=float, metavar="HZ", help="as of export")
    parser.add_argument("--names", choices=ALL_NAMES, metavar="KIND", help="as of export, for the formats that know it")
    parser.add_argument("--force", action="store_true", help="redo everything, also what is done already")
    add_film_arguments(parser)


def formats(text: str) -> tuple[str, ...]:
    asked = tuple(dict.fromkeys(text.split(",")))
    unknown = [word for word in asked if word not in (*FORMATS, OVERLAY)]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; there are {', '.join((OVERLAY, *FORMATS))}")
    return asked


def main(args: argparse.Namespace) -> int:
    jobs = jobs_of(args)
    workers = args.workers if args.workers is not None else max(1, (os.cpu_count() or 2) // 2)
    if workers < 1:
        raise RecordingError(f"--workers is at least 1, found {workers}")
    (args.out / HIDDEN).mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    try:
        with film_progress() as bar:
            for row in run_on_cluster(jobs, args.ray, bar) if args.ray else run(jobs, workers, bar):
                rows.append(row)
                if bar.disable:
                    print(f"{row.film.name}: {row.status} {row.said}".rstrip(), file=sys.stderr, flush=True)
    finally:
        if rows:
            Console().print(table(rows))
    failed = [row for row in rows if row.status == "failed"]
    print(f"{len(rows) - len(failed)} of {len(jobs)} films done, in {args.out}")
    return 2 if failed else 0


def jobs_of(args: argparse.Namespace) -> list[Job]:
    found = films(args.films)
    names = names_of(found)
    jobs = [
        Job(
            film, name, args.out, args.to, film_config(film, args), args.side_by_side, args.force, args.keep,
            args.smooth, args.foot_lock, args.rate, args.names,
        )
        for film, name in zip(found, names)
    ]  # fmt: skip
    exports = [to for to in args.to if to != OVERLAY]
    if args.names and not any(jobs[0].names_in(to) for to in exports):
        raise RecordingError(f"--names {args.names} is for none of {', '.join(args.to)}")
    for to in exports:
        jobs[0].options(to, args.out)  # what cannot be is said before a film is looked at
    return jobs


def films(words: list[str]) -> list[Path]:
    """List the named films; of folders and patterns all but our own overlays."""
    found: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            here = sorted(p for p in path.iterdir() if p.suffix.lower() in FILM_SUFFIXES)
        else:
            here = [path] if path.exists() else sorted(map(Path, glob.glob(word, recursive=True)))
        here = [p for p in here if p.is_file() and not p.name.endswith(f".{OVERLAY}.mp4")]
        if not here:
            raise RecordingError(f"no film fits {word}; expected a file, a folder of films or a pattern in quotes")
        found += here
    return list(dict.fromkeys(found))


def names_of(paths: list[Path]) -> list[str]:
    """Name each film's outputs: its file name, with its folder's where two films share it."""
    alike = Counter(path.stem for path in paths)
    names = [path.stem if alike[path.stem] == 1 else f"{path.resolve().parent.name}_{path.stem}" for path in paths]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise RecordingError(f"two films would be called {twice[0]}; give them to two runs with two --out folders")
    return names


@dataclass(frozen=True)
class Row:
    film: Path
    status: str  # done, done before, failed
    seconds: float
    said: str


@dataclass
class FilmWorker:
    """One film being worked on."""

    job: Job
    process: SpawnProcess
    control: Connection
    task: TaskID
    began_ns: int = field(default_factory=now_ns)
    end: tuple[str, str] | None = None

    def row(self) -> Row:
        seconds = (now_ns() - self.began_ns) * 1e-9
        if self.end:
            return Row(self.job.film, self.end[0], seconds, self.end[1])
        log = self.job.out / HIDDEN / f"{self.job.name}.log"
        return Row(self.job.film, "failed", seconds, f"its process ended with {self.process.exitcode}; see {log}")


def run(jobs: list[Job], workers: int, bar: Progress) -> Iterator[Row]:
    """Work on so many films at a time; one that fails is a row as any other."""
    waiting: list[Job] = list(jobs)
    active: list[FilmWorker] = []
    whole = bar.add_task("films", total=len(jobs))
    try:
        while waiting or active:
            while waiting and len(active) < workers:
                job = waiting.pop(0)
                if row := done_before(job):
                    yield row
                    bar.advance(whole)
                else:
                    active.append(start(job, bar))
            for worker in finished(active, bar):
                active.remove(worker)
                bar.remove_task(worker.task)
                bar.advance(whole)
                yield worker.row()
    finally:
        for worker in active:
            worker.process.kill()
            worker.process.join()


def run_on_cluster(jobs: list[Job], address: str, bar: Progress) -> Iterator[Row]:
    """Run the jobs on a cluster, one shard a film; films of a lost machine are run again by others."""
    from realtime.cli.batches.batch_cluster import made_by_cluster

    whole, left = bar.add_task("films", total=len(jobs)), []
    for job in jobs:
        if row := done_before(job):
            bar.advance(whole)
            yield row
        else:
            left.append(job)
    for job, made in made_by_cluster(left, address) if left else ():
        bar.advance(whole)
        yield Row(job.film, made.status, made.seconds, made.said)


def done_before(job: Job) -> Row | None:
    try:
        left = batch_film.left_to_do(job, batch_film.read_mark(job))
    except OSError as error:
        return Row(job.film, "failed", 0.0, f"{error.strerror}")
    return None if left else Row(job.film, "done before", 0.0, "")


def start(job: Job, bar: Progress) -> FilmWorker:
    context = get_context("spawn")
    control, theirs = context.Pipe()
    process = context.Process(target=WORKER, args=(job, theirs, os.getpid()), name=f"batch-{job.name}")
    with signals_blocked():
        process.start()
    theirs.close()
    return FilmWorker(job, process, control, bar.add_task(job.film.name, total=None))


def finished(active: list[FilmWorker], bar: Progress) -> list[FilmWorker]:
    """Collect the workers that ended, after reading the others' progress."""
    over: list[FilmWorker] = []
    for ready in wait([worker.control for worker in active], TURN_S):
        worker = next(one for one in active if one.control is ready)
        try:
            said = worker.control.recv()
        except (EOFError, OSError):
            worker.process.join()
            over.append(worker)
            continue
        if len(said) == 2:
            worker.end = said
        else:
            what, done, total = said
            bar.update(worker.task, description=f"{worker.job.film.name}: {what}", completed=done, total=total or None)
    return over


def table(rows: list[Row]) -> Table:
    shown = Table("film", "", "seconds", "said")
    for row in rows:
        shown.add_row(row.film.name, row.status, f"{row.seconds:.1f}" if row.seconds else "", row.said)
    return shown
