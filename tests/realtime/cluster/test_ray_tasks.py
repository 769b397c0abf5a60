"""Shards on two machines of a Ray cluster, one killed on the way; films of a batch and clips of an evaluation."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="needs the extra `cluster`")

from realtime.cli.batches import batch_film
from realtime.cli.batches.batch import films, names_of
from realtime.cli.batches.batch_cluster import made_by_cluster
from realtime.cli.batches.batch_film import Job
from realtime.cluster.ray_tasks import ClusterError, connected, results
from realtime.config.schema import RunConfig
from realtime.recording.file_format import RecordingError
from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]


@pytest.fixture
def cluster(monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, connect=False, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


class Work:
    """A film's pieces, without looking at it; the doomed machine never finishes."""

    def __init__(self, marks: Path, doomed: str) -> None:
        self.marks, self.doomed = str(marks), doomed

    def __call__(self, job: Job) -> list[str]:
        here = ray.get_runtime_context().get_node_id()
        with (Path(self.marks) / job.name).open("a") as file:
            file.write(f"{here}\n")
        if here == self.doomed:
            time.sleep(300)
        if job.film.read_bytes() == b"broken":
            raise RecordingError("not a video")
        (job.out / f"{job.name}.sp").write_bytes(b"recording of " + job.film.read_bytes())
        (job.out / f"{job.name}.csv").write_text(job.name)
        mark = batch_film.fresh_mark(job)
        mark.recorded, mark.files, mark.how = True, {"csv": [f"{job.name}.csv"]}, {"csv": job.how("csv")}
        batch_film.write_mark(job, mark)
        return ["a note"]


def jobs(folder: Path, out: Path) -> list[Job]:
    (out / batch_film.HIDDEN).mkdir(parents=True, exist_ok=True)
    found = films([str(folder)])
    return [Job(film, name, out, ("csv",), RunConfig()) for film, name in zip(found, names_of(found))]


def test_a_lost_machine_costs_its_film_and_no_more(cluster, tmp_path):
    second = cluster.add_node(num_cpus=1)
    folder, marks, out = tmp_path / "films", tmp_path / "marks", tmp_path / "out"
    folder.mkdir(), marks.mkdir()
    for k in range(5):
        (folder / f"{k}.mp4").write_bytes(b"broken" if k == 3 else f"film {k}".encode())
    done = {}
    for job, made in made_by_cluster(jobs(folder, out), cluster.address, Work(marks, second.node_id)):
        done[job.name] = made
        if len(done) == 2:
            wait_for(lambda: any(second.node_id in m.read_text() for m in marks.iterdir()))
            cluster.remove_node(second, allow_graceful=False)
    assert {name: made.status for name, made in done.items()} == dict.fromkeys("0124", "done") | {"3": "failed"}
    assert done["3"].said == "not a video" and done["0"].said == "a note"
    assert (out / "4.sp").read_bytes() == b"recording of film 4" and (out / "4.csv").read_text() == "4"
    begun = [(marks / f"{n}").read_text().split() for n in range(5)]
    assert sum(second.node_id in machines for machines in begun) == 1 and max(map(len, begun)) >= 2
    left = {job.name: batch_film.left_to_do(job, batch_film.read_mark(job)) for job in jobs(folder, out)}
    assert left == {name: [] for name in "0124"} | {"3": ["csv"]}
    assert not list((out / batch_film.HIDDEN).glob("*.part"))


def test_what_is_none_of_the_batch_stays(cluster, tmp_path):
    folder, marks, out = tmp_path / "films", tmp_path / "marks", tmp_path / "out"
    folder.mkdir(), marks.mkdir(), out.mkdir()
    (folder / "a.mp4").write_bytes(b"film")
    (out / "a.csv").write_text("mine")
    ((_, made),) = made_by_cluster(jobs(folder, out), cluster.address, Work(marks, ""))
    assert made.status == "failed" and "none of this batch" in made.said
    assert (out / "a.csv").read_text() == "mine" and not (out / "a.sp").exists()


def test_clips_are_answered_as_without_a_cluster(cluster, monkeypatch):
    pytest.importorskip("torch")
    import numpy as np

    from tests.support.people.walkers import walkers
    from trainers.data.motion import MotionSegment, MotionSet
    from trainers.deploy.run_engine import opened, predict
    from trainers.evaluation import cluster_predict
    from trainers.test_clips.from_motion import from_motion

    people = enumerate(walkers(3, 40).numpy())
    segments = tuple(MotionSegment(xyz, 30.0, f"c{k}", f"s{k}", "walk") for k, xyz in people)
    clips = list(from_motion(MotionSet(segments), "mixed"))
    monkeypatch.setattr(cluster_predict, "CLIPS", 2)
    found = list(cluster_predict.predicted_by_cluster("hold", clips, False, cluster.address))
    alone = {id(clip): answer for clip, answer in predict(opened("hold"), clips)}
    assert [clip.clip for clip, _ in found] == [clip.clip for clip in clips]
    for clip, (xyz, _) in found:
        np.testing.assert_allclose(xyz, alone[id(clip)][0], atol=1e-5)


def wait_for(condition, seconds: float = 150.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing was begun on the second machine"
        time.sleep(0.1)


def test_without_a_cluster_the_error_names_the_next_command():
    with pytest.raises(ClusterError, match=r"no cluster answers .*ray start --head"):
        connected("127.0.0.1:1")
    with pytest.raises(ClusterError):
        list(results(print, [()], "127.0.0.1:1"))
