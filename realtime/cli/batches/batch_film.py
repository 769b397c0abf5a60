"""Process one film of a batch: recorded, exported, drawn, and marked as done piece by piece.

Every piece is made in a hidden folder and moved once it is whole: whatever kills the process, what lies in the
output folder is whole, and the next run goes on behind it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from realtime.cli.main import exit_code
from realtime.cli.render import draw_on_film
from realtime.config.schema import RunConfig, config_hash
from realtime.export.formats import FORMATS
from realtime.export.job import ExportOptions, export
from realtime.offline.film import record_film
from realtime.recording.file_format import RecordingError
from realtime.recording.reader import Recorded, hello_and_poses
from realtime.render.film_writer import check_out
from realtime.supervise.parent_death import die_with
from realtime.wire.messages import Hello, Pose3D

HIDDEN = ".batch"  # folder of marks, logs and unfinished pieces
OVERLAY = "overlay"
Tell = Callable[[str, int, int], None]  # what is being done, frames done, of how many


@dataclass(frozen=True)
class Job:
    film: Path
    name: str  # what its files begin with
    out: Path
    to: tuple[str, ...]
    config: RunConfig
    side_by_side: bool = False
    force: bool = False
    keep: str = "inferred"
    smooth: str | None = None
    foot_lock: bool = False
    rate_hz: float | None = None  # None: the frames as they were captured
    names: str | None = None  # of bones or markers, for the formats that have them

    def how(self, to: str) -> str:
        """Return the options, besides the recording, that an output depends on."""
        if to == OVERLAY:
            return f"{self.side_by_side}"
        more = [f"{one}" for one in (self.rate_hz, self.names_in(to)) if one is not None]
        return " ".join((f"{self.keep} {self.smooth} {self.foot_lock}", *more))

    def names_in(self, to: str) -> str | None:
        return self.names if self.names in FORMATS[to].names else None

    def options(self, to: str, out: Path) -> ExportOptions:
        return ExportOptions(
            to, out, keep=self.keep, rate_hz=self.rate_hz, smooth=self.smooth, foot_lock=self.foot_lock,
            names=self.names_in(to),
        )  # fmt: skip


@dataclass
class Mark:
    """What is done of a film; valid as long as film and settings stay the same."""

    size: int = 0
    mtime_ns: int = 0
    settings: str = ""
    recorded: bool = False
    files: dict[str, list[str]] = field(default_factory=dict)  # format -> names in the output folder
    how: dict[str, str] = field(default_factory=dict)  # format -> what else it was made with

    def of_same(self, other: Mark) -> bool:
        return (self.size, self.mtime_ns, self.settings) == (other.size, other.mtime_ns, other.settings)


def mark_path(job: Job) -> Path:
    return job.out / HIDDEN / f"{job.name}.json"


def fresh_mark(job: Job) -> Mark:
    found = job.film.stat()
    return Mark(found.st_size, found.st_mtime_ns, config_hash(job.config))


def read_mark(job: Job) -> Mark:
    """Read the last run's mark; an empty one where none can be read."""
    try:
        return Mark(**json.loads(mark_path(job).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Mark()


def write_mark(job: Job, mark: Mark) -> None:
    part = mark_path(job).with_suffix(".part")
    part.write_text(json.dumps(asdict(mark)), encoding="utf-8")
    part.replace(mark_path(job))


def left_to_do(job: Job, mark: Mark) -> list[str]:
    """List the formats whose files are not all there."""
    if not mark.of_same(fresh_mark(job)) or job.force:
        return list(job.to)
    return [to for to in job.to if not is_done(job, mark, to)]


def is_done(job: Job, mark: Mark, to: str) -> bool:
    there = to in mark.files and all((job.out / name).exists() for name in mark.files[to])
    return there and mark.how.get(to) == job.how(to)


def do(job: Job, tell: Tell) -> list[str]:
    """Make what is left to do; answers notes for the user."""
    old, mark = read_mark(job), fresh_mark(job)
    if mark.of_same(old) and not job.force:
        mark = old
    recording = recorded(job, mark, old, tell)
    hello, poses = hello_and_poses(Recorded(recording))
    notes: list[str] = []
    for to in left_to_do(job, mark):
        tell(to, 0, 0)
        notes += piece(job, to, mark, old, (hello, poses), tell)
    return list(dict.fromkeys(notes))


def recorded(job: Job, mark: Mark, old: Mark, tell: Tell) -> Path:
    """Make the film's recording in the output folder."""
    path = job.out / f"{job.name}.sp"
    if mark.recorded and path.exists():
        return path
    if path.exists() and not (old.recorded or job.force):
        raise RecordingError(f"{path} exists and is none of this batch; move it, or --force to replace it")
    path.unlink(missing_ok=True)
    record_film(job.film, path, job.config, lambda done, total: tell("looking", done, total))
    mark.recorded = True
    write_mark(job, mark)
    return path


def piece(job: Job, to: str, mark: Mark, old: Mark, recording: tuple[Hello, list[Pose3D]], tell: Tell) -> list[str]:
    """Write one format aside, then move it into place over an earlier run's."""
    aside = job.out / HIDDEN / f"{job.name}.{to}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    notes = make(job, to, aside, recording, tell)
    names = sorted(path.name for path in aside.iterdir())
    ours = {*old.files.get(to, []), *mark.files.get(to, [])}
    for name in names:
        refuse_foreign(job, name, ours)
    mark.files[to], mark.how[to] = names, job.how(to)
    write_mark(job, mark)
    for name in names:
        (aside / name).replace(job.out / name)
    for name in ours - set(names):
        (job.out / name).unlink(missing_ok=True)
    aside.rmdir()
    return notes


def refuse_foreign(job: Job, name: str, ours: set[str]) -> None:
    """Refuse to replace a file that is none of this batch."""
    if (job.out / name).exists() and name not in ours and not job.force:
        raise RecordingError(f"{job.out / name} exists and is none of this batch; move it, or --force to replace it")


def make(job: Job, to: str, aside: Path, recording: tuple[Hello, list[Pose3D]], tell: Tell) -> list[str]:
    hello, poses = recording
    if to != OVERLAY:
        out = aside / f"{job.name}{FORMATS[to].suffix}"
        return export(hello, poses, job.options(to, out)).notes
    out = aside / f"{job.name}.{OVERLAY}.mp4"
    check_out(out, False)
    draw_on_film(out, job.film, job.config, hello, poses, job.side_by_side, lambda n: tell("drawing", n, len(poses)))
    return []


def main(job: Job, control: Connection, parent_pid: int) -> None:
    """In a process of its own; what libraries print goes into the film's log."""
    die_with(parent_pid)
    log = os.open(job.out / HIDDEN / f"{job.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        notes = do(job, lambda what, done, total: control.send((what, done, total)))
    except Exception as error:
        if exit_code(error) is None:
            raise
        control.send(("failed", str(error)))
        return
    control.send(("done", "; ".join(notes)))
