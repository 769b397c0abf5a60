"""Make shards by several processes, resumable: a shard is a function of its settings and its number."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import MISSING, asdict, fields
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, TextIO

from trainers.data.notice import keep_notice
from trainers.data.shards.clip_shards import shard_path
from trainers.data.shards.detector_model import SETTINGS, kind
from trainers.errors import UserError

Workers = int | str  # processes of this machine, or the address of a Ray cluster


def check_share(name: str, share: float) -> None:
    """Refuse what is no share, by the flag that said it."""
    if not 0 <= share <= 1:
        raise UserError(f"--{name} {share}: a share from 0 to 1")


def run(
    settings: Any, work: Callable[[Any, int, Path], int], out: Path, shards: int, workers: Workers, resume: bool,
    report: TextIO,
) -> list[Path]:  # fmt: skip
    """Missing shards, by several processes or machines; what is complete stays, what is not leaves no trace."""
    _claim(settings, out, resume)
    keep_notice(settings.sources, out)  # first: shards of a run that is cut short are trained on too
    missing = [n for n in range(shards) if not shard_path(out, n).exists()]
    progress = ShardProgress(len(missing), report)
    for frames in _results(settings, work, out, missing, workers):
        progress.step(frames)
    return [shard_path(out, n) for n in range(shards)]


def _results(
    settings: Any, work: Callable[[Any, int, Path], int], out: Path, missing: list[int], workers: Workers
) -> Iterator[int]:
    if isinstance(workers, str):
        from trainers.synthesis.ray_pool import made_by_cluster

        yield from made_by_cluster(settings, work, out, missing, workers)
        return
    if workers <= 1:
        yield from (work(settings, n, out) for n in missing)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
        waiting = [pool.submit(work, settings, n, out) for n in missing]
        try:
            yield from (done.result() for done in as_completed(waiting))
        finally:
            for one in waiting:
                one.cancel()


def end_with_parent() -> None:
    """End this worker when its parent is gone: of a killed one it would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _claim(settings: Any, out: Path, resume: bool) -> None:
    """Claim the folder for these settings; refuse one that belongs to others."""
    out.mkdir(parents=True, exist_ok=True)
    note = out / SETTINGS
    if not note.exists():
        if any(out.glob("shard_*.npz")):
            raise UserError(f"{out}: shards without {SETTINGS}; synthesize into an empty folder")
        note.write_text(json.dumps(asdict(settings), indent=1) + "\n")
        return
    if odd := differing(note, settings):
        raise UserError(f"{out}: made with other settings ({'; '.join(odd)}); choose another --out")
    if not resume and any(out.glob("shard_*.npz")):
        raise UserError(f"{out}: already holds shards of these settings; go on with --resume or choose another --out")
    for partial in out.glob("*.partial"):
        partial.unlink()


def differing(note: Path, settings: Any) -> list[str]:
    """Tell in which settings shards there are others; what was not asked for when they were made is as usual."""
    usual = {f.name: f.default for f in fields(settings) if f.default is not MISSING}
    found, wanted = _compared(usual | json.loads(note.read_text())), _compared(asdict(settings))
    names = sorted(found.keys() | wanted.keys())
    return [f"{k} {found.get(k)!r} there, {wanted.get(k)!r} asked" for k in names if found.get(k) != wanted.get(k)]


def _compared(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as a note holds them, the detector's model by its kind."""
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return {**plain, "model": kind(plain["model"])} if "model" in plain else plain


class ShardProgress:
    """Shards done, frames a second, time left; one line, rewritten on a terminal."""

    def __init__(self, total: int, report: TextIO) -> None:
        self._total, self._report, self._start = total, report, monotonic()
        self._done = self._frames = 0

    def step(self, frames: int) -> None:
        self._done, self._frames = self._done + 1, self._frames + frames
        seconds = max(monotonic() - self._start, 1e-9)
        left = seconds / self._done * (self._total - self._done)
        end = "\n" if self._done == self._total or not self._report.isatty() else "\r"
        line = f"{self._done}/{self._total} shards  {self._frames} frames  {self._frames / seconds:.1f} frames/s"
        self._report.write(f"{line}  {left / 60:.1f} min left{end}")
        self._report.flush()
