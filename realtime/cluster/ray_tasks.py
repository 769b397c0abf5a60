"""Do shards of work on a Ray cluster; a worker or a machine that is lost costs its shard, which another one does again.

A shard is a pure function of what it is given.  Whoever can reach a Ray cluster can run code on it: keep it on a
network of your own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

CONNECT_S = 5
RETRIES = 5  # of a shard whose worker or machine was lost; a shard that raises is not tried again


class ClusterError(ValueError):
    """No cluster, or no Ray: found, expected, next command."""

    exit_code = 2


def results(
    work: Callable[..., Any], shards: Sequence[Sequence[Any]], address: str, common: Any = None
) -> Iterator[Any]:
    """Yield (number, result) of every shard, as they come: `work(*shard)`, with `common`, sent once, in front where
    given."""
    ray = connected(address)
    task = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(work)
    first = () if common is None else (ray.put(common),)
    numbers = {task.remote(*first, *shard): number for number, shard in enumerate(shards)}
    waiting = list(numbers)
    try:
        while waiting:
            (done, *_), waiting = ray.wait(waiting, num_returns=1)
            yield numbers[done], ray.get(done)
    finally:
        for one in waiting:
            ray.cancel(one, force=True)
        ray.shutdown()


def connected(address: str) -> Any:
    """Ray, in touch with a cluster that is there already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it reports home unless told not to
    try:
        import ray
    except ModuleNotFoundError:
        raise ClusterError("--ray: needs ray; pip install 'steadypose[cluster]' on every machine") from None
    try:
        answers(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RpcError) as error:
        first = (str(error).strip() or "nothing").splitlines()[0]
        raise ClusterError(f"--ray {address}: no cluster answers ({first}); start one: ray start --head") from None
    return ray


def answers(address: str) -> None:
    """Raise at once where nobody listens: Ray itself would wait for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host:
        socket.create_connection((host, int(port)), CONNECT_S).close()
