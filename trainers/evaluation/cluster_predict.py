"""Answer test clips on the machines of a Ray cluster (`trainers evaluate ... --ray ADDRESS`), so many clips a shard.

A shard is a function of the engine's files and its clips, both sent over the cluster: workers need no shared disk, and
what a lost worker had is answered by another.  Scores are counted here, in the clips' order, as without a cluster.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from engines.store import locate
from realtime.cluster.ray_tasks import results
from trainers.deploy.run_engine import Answer, opened, predict
from trainers.test_clips.from_motion import TestClip

CLIPS = 16  # of a shard
Files = dict[str, bytes]


def predicted_by_cluster(
    folder: str, trials: list[TestClip], flip: bool, address: str
) -> Iterator[tuple[TestClip, Answer]]:
    """Yield every clip with its answers, in order."""
    shards = [(trials[k : k + CLIPS], flip) for k in range(0, len(trials), CLIPS)]
    found = dict(results(answer_clips, shards, address, common=files_of(Path(locate(folder)))))
    for number, (clips, _) in enumerate(shards):
        yield from zip(clips, found[number])


def files_of(folder: Path) -> Files:
    """Return an engine's files by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def answer_clips(engine: Files, clips: list[TestClip], flip: bool) -> list[Answer]:
    """On a worker's machine: the engine verified, opened, and run over its clips; answers in the clips' order."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in engine.items():
            (Path(folder) / name).write_bytes(content)
        found = {id(clip): answer for clip, answer in predict(opened(folder), clips, flip)}
    return [found[id(clip)] for clip in clips]
