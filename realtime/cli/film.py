"""Read what commands are asked about films, and record a film beside itself where there is no recording yet."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from realtime.cli.run import SETTINGS
from realtime.config.loader import Flags, load
from realtime.config.schema import RunConfig
from realtime.config.source_spec import check
from realtime.offline.film import record_film
from realtime.recording.file_format import RecordingError

FLAGS = ("--model", "--people", "--engine", "--device", "--fov", "--intrinsics", "--height", "--tilt", "--rotate")


def add_film_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `realtime run` that say how a film is processed."""
    parser.add_argument("--config", metavar="FILE", help="films: YAML settings; flags win over them")
    for flag in FLAGS:
        _, read, stands_for, text = SETTINGS[flag]
        parser.add_argument(flag, type=read, metavar=stands_for, help=f"films: {text}")


def film_config(film: Path, args: argparse.Namespace) -> RunConfig:
    """Load the settings for a film, every frame of it."""
    flags: Flags = {"source.spec": ("FILE", str(film)), "source.every_frame": ("FILE", True)}
    for flag in FLAGS:
        value = getattr(args, flag.removeprefix("--"))
        if value is not None:
            flags[SETTINGS[flag][0]] = (flag, value)
    return load(args.config, flags)


def recording_of(film: Path, args: argparse.Namespace, bar: Progress, force: bool) -> tuple[Path, str]:
    """Record the film beside itself unless that is done; return the recording and a sentence for the user."""
    out = film.with_suffix(".sp")
    config = film_config(film, args)
    if out.exists():
        doubt = doubts(film, out, args)
        if not doubt:
            return out, f"{out} is the film's recording; remove it to look at the film anew"
        if not force:
            raise RecordingError(f"{out} exists and {doubt}; remove it, or --force to look at the film anew")
    check(config.source)
    out.unlink(missing_ok=True)
    task = bar.add_task(f"looking at {film.name}", total=None)
    frames = record_film(film, out, config, lambda done, total: bar.update(task, completed=done, total=total or None))
    bar.remove_task(task)
    return out, f"{frames} frames of {film.name} recorded to {out}; it holds where people are: keep it safe"


def doubts(film: Path, recording: Path, args: argparse.Namespace) -> str:
    """Explain why a recording beside a film may not be what was asked for; empty where it is."""
    asked = [flag for flag in FLAGS if getattr(args, flag.removeprefix("--")) is not None]
    asked += ["--config"] * bool(args.config)
    if asked:
        return f"may be of other settings than {asked[0]}"
    return f"is older than {film.name}" if recording.stat().st_mtime < film.stat().st_mtime else ""


def film_progress() -> Progress:
    """Make a progress bar with the time left on a terminal; silent elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
