"""Shards by several processes: none of them outlives the command that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.paths import ROOT
from tests.support.peer import until

RUN = """
import io, sys
from pathlib import Path
from tests.trainers.synthesis.test_shard_pool import Endless, slow_shard
from trainers.synthesis.shard_pool import run
if __name__ == "__main__":
    run(Endless(), slow_shard, Path(sys.argv[1]), 8, 2, False, io.StringIO())
"""


@dataclass(frozen=True)
class Endless:
    kind: str = "test"
    sources: tuple[str, ...] = ()


def slow_shard(settings: Endless, number: int, out: Path) -> int:
    (out / f"begun_{number}").touch()
    time.sleep(60)
    return 1


def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(list(tmp_path.glob("begun_*"))) == 2, 60)
    workers = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    _, left = psutil.wait_procs(workers, timeout=10)
    assert len(workers) >= 2 and left == []
