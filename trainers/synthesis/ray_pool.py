"""Make shards on the machines of a Ray cluster (`trainers synthesize ... --ray auto|ADDRESS`, extra `cluster`).

A shard is a function of its settings and its number.  Shards come back over the cluster, so only the inputs (motion,
videos) lie under the same path on every machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from realtime.cluster.ray_tasks import results
from trainers.data.shards.clip_shards import shard_path

Work = Callable[[Any, int, Path], int]


def made_by_cluster(settings: Any, work: Work, out: Path, missing: list[int], address: str) -> Iterator[int]:
    """Yield frames of every missing shard, as they come; each is complete in `out` or not there at all."""
    notes = {path.name: path.read_text() for path in out.glob("*.json")}
    shards = [(settings, work, n, notes) for n in missing]
    for number, (frames, content) in results(one_shard, shards, address):
        partial = shard_path(out, missing[number]).with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(shard_path(out, missing[number]))
        yield frames


def one_shard(settings: Any, work: Work, number: int, notes: dict[str, str]) -> tuple[int, bytes]:
    """Make a shard in a folder of its own on the worker's machine: its frames and its file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in notes.items():
            (Path(folder) / name).write_text(text)
        frames = work(settings, number, Path(folder))
        return frames, shard_path(Path(folder), number).read_bytes()
