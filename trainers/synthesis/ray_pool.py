"""Make shards on the machines of a Ray cluster (`trainers synthesize ... --ray auto|ADDRESS`, extra `cluster`).

A shard is a function of its settings and its number: a worker or a machine that is lost costs its shard, which another
one makes again.  Shards come back over the cluster, so only the inputs (motion, videos) lie under the same path on
every machine.  Whoever can reach a Ray cluster can run code on it: keep it on a network of your own.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trainers.data.shards.clip_shards import shard_path
from trainers.errors import UserError

Work = Callable[[Any, int, Path], int]
CONNECT_S = 5
RETRIES = 5  # of a shard whose worker or machine was lost; a shard that raises is not tried again


def made_by_cluster(settings: Any, work: Work, out: Path, missing: list[int], address: str) -> Iterator[int]:
    """Frames of every missing shard, as they come; each is complete in `out` or not there at all."""
    ray = connected(address)
    task = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(one_shard)
    notes = {path.name: path.read_text() for path in out.glob("*.json")}
    numbers = {task.remote(settings, work, n, notes): n for n in missing}
    waiting = list(numbers)
    try:
        while waiting:
            (done, *_), waiting = ray.wait(waiting, num_returns=1)
            frames, content = ray.get(done)
            partial = shard_path(out, numbers[done]).with_suffix(".partial")
            partial.write_bytes(content)
            partial.replace(shard_path(out, numbers[done]))
            yield frames
    finally:
        for one in waiting:
            ray.cancel(one, force=True)
        ray.shutdown()


def one_shard(settings: Any, work: Work, number: int, notes: dict[str, str]) -> tuple[int, bytes]:
    """Make a shard in a folder of its own on the worker's machine: its frames and its file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in notes.items():
            (Path(folder) / name).write_text(text)
        frames = work(settings, number, Path(folder))
        return frames, shard_path(Path(folder), number).read_bytes()


def connected(address: str) -> Any:
    """Ray, in touch with a cluster that is there already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it reports home unless told not to
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError("--ray: needs ray; pip install 'steadypose[cluster]' on every machine") from None
    try:
        answers(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RpcError) as error:
        first = (str(error).strip() or "nothing").splitlines()[0]
        raise UserError(f"--ray {address}: no cluster answers ({first}); start one: ray start --head") from None
    return ray


def answers(address: str) -> None:
    """Raise at once where nobody listens: Ray itself would wait for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host:
        socket.create_connection((host, int(port)), CONNECT_S).close()
