"""Shards made on two machines of a Ray cluster, one of them killed on the way: the lost one is made again."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="needs the extra `cluster`")

from realtime.cluster.ray_tasks import ClusterError, connected
from trainers.data.shards.clip_shards import read_shard, shard_path, write_shard
from trainers.synthesis.ray_pool import made_by_cluster

ROOT = Path(__file__).parents[3]
SHARDS = 5


@dataclass(frozen=True)
class Settings:
    marks: str  # where workers say what they began
    doomed: str  # the machine that never finishes


def make(settings: Settings, number: int, out: Path) -> int:
    """An empty shard, which says on which machine it was begun."""
    here = ray.get_runtime_context().get_node_id()
    with (Path(settings.marks) / f"{number}").open("a") as file:
        file.write(f"{here}\n")
    assert (out / "settings.json").read_text() == "{}"
    if here == settings.doomed:
        time.sleep(300)
    write_shard(out, number, [])
    return number


@pytest.fixture
def cluster(monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, connect=False, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")
def test_a_lost_machine_costs_its_shard_and_no_more(cluster, tmp_path):
    second = cluster.add_node(num_cpus=1)
    marks, out = tmp_path / "marks", tmp_path / "out"
    marks.mkdir()
    out.mkdir()
    (out / "settings.json").write_text("{}")
    frames = []
    for count in made_by_cluster(Settings(str(marks), second.node_id), make, out, list(range(SHARDS)), cluster.address):
        frames.append(count)
        if len(frames) == 2:
            wait_for(lambda: any(second.node_id in m.read_text() for m in marks.iterdir()))
            cluster.remove_node(second, allow_graceful=False)
    assert sorted(frames) == list(range(SHARDS))
    assert all(read_shard(shard_path(out, n)) == [] for n in range(SHARDS)) and not list(out.glob("*.partial"))
    begun = [(marks / f"{n}").read_text().split() for n in range(SHARDS)]
    assert sum(second.node_id in machines for machines in begun) == 1 and max(map(len, begun)) >= 2


def wait_for(condition, seconds: float = 150.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing was begun on the second machine"
        time.sleep(0.1)


def test_without_a_cluster_the_error_names_the_next_command(monkeypatch):
    with pytest.raises(ClusterError, match=r"no cluster answers .*ray start --head"):
        connected("127.0.0.1:1")
