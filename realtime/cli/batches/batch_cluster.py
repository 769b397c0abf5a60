"""Process the films of a batch on the machines of a Ray cluster (`realtime batch ... --ray ADDRESS`), a film a shard.

Films lie under the same path on every machine; what is made of them comes back over the cluster and is moved into the
output folder here, so that it needs no shared disk.  The detector's model is on every machine (`realtime fetch-model`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from realtime.cli.batches import batch_film
from realtime.cli.batches.batch_film import HIDDEN, Job, Mark
from realtime.cli.main import exit_code
from realtime.clock import now_ns
from realtime.cluster.ray_tasks import results
from realtime.recording.file_format import RecordingError

Do = Callable[[Job], list[str]]


@dataclass(frozen=True)
class MadeFilm:
    """What a machine made of a film: its files by name, and the mark that says which belongs to which format."""

    status: str  # done, failed
    said: str
    seconds: float
    files: dict[str, bytes] = field(default_factory=dict)
    mark: Mark = field(default_factory=Mark)


def made_by_cluster(jobs: list[Job], address: str, do: Do | None = None) -> Iterator[tuple[Job, MadeFilm]]:
    """Every film as it is done, its files in the output folder already."""
    shards = [(job, recording_of(job), do) for job in jobs]
    for number, made in results(one_film, shards, address):
        yield jobs[number], placed(jobs[number], made)


def recording_of(job: Job) -> bytes | None:
    """Find the film's recording of an earlier run, which then is not made again."""
    mark, path = batch_film.read_mark(job), job.out / f"{job.name}.sp"
    whole = mark.recorded and mark.of_same(batch_film.fresh_mark(job)) and not job.force
    return path.read_bytes() if whole and path.exists() else None


def one_film(job: Job, recording: bytes | None, do: Do | None = None) -> MadeFilm:
    """On a worker's machine: the film's pieces, made in a folder of its own."""
    began_ns = now_ns()
    with tempfile.TemporaryDirectory() as folder:
        here = replace(job, out=Path(folder))
        (here.out / HIDDEN).mkdir()
        try:
            if recording is not None:
                (here.out / f"{job.name}.sp").write_bytes(recording)
                batch_film.write_mark(here, replace(batch_film.fresh_mark(here), recorded=True))
            notes = (do or _do)(here)
        except (Exception, OSError) as error:
            if exit_code(error) is None and not isinstance(error, OSError):
                raise
            return MadeFilm("failed", str(error), (now_ns() - began_ns) * 1e-9)
        files = {path.name: path.read_bytes() for path in here.out.iterdir() if path.is_file()}
        return MadeFilm("done", "; ".join(notes), (now_ns() - began_ns) * 1e-9, files, batch_film.read_mark(here))


def _do(job: Job) -> list[str]:
    return batch_film.do(job, lambda _what, _done, _total: None)


def placed(job: Job, made: MadeFilm) -> MadeFilm:
    """Move whole files to where they belong, and marks them as done here."""
    if made.status == "failed":
        return made
    old, mark = batch_film.read_mark(job), batch_film.fresh_mark(job)
    mark = old if mark.of_same(old) and not job.force else mark
    ours = {name for one in (old, mark) for names in one.files.values() for name in names}
    ours |= {f"{job.name}.sp"} if old.recorded else set()
    try:
        for name in made.files:
            batch_film.refuse_foreign(job, name, ours)
        for name, content in made.files.items():
            part = job.out / HIDDEN / f"{name}.part"
            part.write_bytes(content)
            part.replace(job.out / name)
    except RecordingError as error:
        return replace(made, status="failed", said=str(error), files={})
    mark.recorded = True
    mark.files, mark.how = mark.files | made.mark.files, mark.how | made.mark.how
    batch_film.write_mark(job, mark)
    return made
