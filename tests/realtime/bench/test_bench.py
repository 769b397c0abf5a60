"""The bench's arithmetic, its film and its view of processes; the whole of it runs in tests/timing."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from realtime import clock
from realtime.bench import report
from realtime.bench.collect import Collector, Poses
from realtime.bench.film import FilmSource, open_film, render, there_and_back
from realtime.bench.load import Load, load_of
from realtime.cli import bench
from realtime.config.schema import SourceConfig
from realtime.transport.pose_ring import PoseRingWriter
from realtime.wire.messages import Pose3D, Stamp, encode

MS = 1_000_000
BIND = "tcp://127.0.0.1:5591"


def pose(seq, total_ms, **stage_us):
    captured = 1_000 * MS + seq * 33 * MS
    stamp = Stamp("cam0", 1, seq, captured, 0)
    return Pose3D(stamp, 64, 48, "OK", t_publish_ns=captured + int(total_ms * MS), stage_us=stage_us)


def poses(*rows):
    found = Poses()
    for seq, total_ms, detector_ms in rows:
        found.add(pose(seq, total_ms, detector=int(detector_ms * 1000), detect=int(detector_ms * 1000) + 500, lift=100))
    return found


def live(found, **changes):
    return replace(report.LiveRound(found, first_pose_s=2.0, cpu_share=0.5, memory_mb=300.0, hz=30.0), **changes)


def test_added_is_what_the_detector_did_not_take():
    found = poses((0, 12.0, 10.0), (1, 15.0, 11.0))
    assert found.added_ms() == pytest.approx([2.0, 4.0])
    assert found.end_to_end_ms() == pytest.approx([12.0, 15.0])
    assert found.stage_ms("lift") == pytest.approx([0.1, 0.1])


def test_gaps_are_drops_and_stale_is_no_answer():
    found = poses((3, 1, 1), (4, 1, 1), (7, 1, 1))
    found.add(replace(pose(9, 1.0), status="STALE"))
    assert found.lost() == 2
    assert found.after(1).seqs == [4, 7]
    assert found.after(1).first_ns == found.first_ns


def test_the_ratio_is_the_median_of_turns_and_not_of_sides():
    result = report.Result([live(poses((0, 12, 10)))], [90.0, 50.0, 99.0], [100.0, 50.0, 110.0], [0.01])
    assert report.figures(result)["throughput_ratio"] == 0.9


def test_figures_take_all_rounds_and_the_worst_is_not_hidden():
    rounds = [live(poses((0, 12, 10), (1, 13, 10))), live(poses((0, 30, 10), (2, 13, 10)), memory_mb=900.0)]
    found = report.figures(report.Result(rounds, [1.0], [1.0], [0.01]))
    assert (found["answered"], found["dropped"], found["dropped_share"]) == (4, 1, 0.2)
    assert found["added_p50_ms"] == 3.0
    assert found["added_p99_ms"] > 19.0
    assert found["memory_mb"] == 600.0
    text = "\n".join(report.lines(found))
    assert "missed" in next(line for line in text.splitlines() if line.startswith("added_p99_ms"))
    assert "missed" not in next(line for line in text.splitlines() if line.startswith("added_p50_ms"))


def test_what_is_spent_beyond_the_detector_is_a_share_of_a_core():
    result = report.Result([live(poses((0, 13, 10)), cpu_share=0.5)], [1.0], [1.0], [0.012])
    found = report.figures(result)
    assert found["cpu_beyond_detector"] == pytest.approx(0.5 - 0.012 * 30)
    assert found["added_to_detector"] == pytest.approx(0.3)


def test_a_comparison_prints_ratios_and_names_another_machine():
    setting = {"machine": "m", "size": [640, 480], "fps": 30.0, "people": 1}
    now = setting | report.figures(report.Result([live(poses((0, 12, 10)))], [95.0], [100.0], [0.01]))
    before = now | {"added_p50_ms": 8.0}
    text = report.compared(now, before)
    assert next(line for line in text if line.startswith("added_p50_ms")).split() == ["added_p50_ms", "8", "2", "0.25"]
    assert not any("not the same" in line for line in text)
    assert "not the same: x" in report.compared(now, before | {"machine": "x"})[-1]


@pytest.mark.parametrize("content", [None, "", "no figures\n", '{"a": 1}\n'])
def test_a_file_without_figures_is_refused_with_the_command_that_makes_them(tmp_path, content):
    path = tmp_path / "run.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(argparse.ArgumentTypeError, match=r"realtime bench \| tee"):
        bench.earlier(str(path))


def test_an_earlier_run_is_what_it_printed_last(tmp_path):
    (tmp_path / "run.txt").write_text('a table\n{"added_p50_ms": 3.0}\n')
    assert bench.earlier(str(tmp_path / "run.txt")) == {"added_p50_ms": 3.0}


def test_several_people_stand_side_by_side(tmp_path):
    for people in (1, 4):
        render(tmp_path / f"{people}.npy", 1, (128, 96), 30.0, seed=0, people=people)
    alone, four = (open_film(str(tmp_path / f"{people}.npy"))[0].astype(int) for people in (1, 4))
    differs = np.abs(alone - four).max((0, 2)) > 40  # columns of the picture
    assert differs[:43].any() and differs[86:].any()


def test_processor_time_is_taken_while_all_processes_are_there():
    looks = [(0.0, Load(5.0, 1, 3)), (1.0, Load(7.0, 1, 4)), (3.0, Load(8.0, 1, 4)), (4.0, Load(2.0, 1, 2))]
    assert bench.cpu_share(looks) == 0.5


def test_more_throughput_is_better_and_less_of_all_else():
    assert report.reached("throughput_ratio", 0.95)
    assert not report.reached("throughput_ratio", 0.5)
    assert report.reached("first_pose_s", 1.4)
    assert not report.reached("first_pose_s", 6.0)


def test_the_collector_reads_every_pose_from_the_ring(runtime_dir):
    collector = Collector(BIND)
    writer = PoseRingWriter(BIND)
    for seq in range(100):
        writer.write(encode("pose3d", "cam0", pose(seq, 5.0, detector=4000)))
    end = time.monotonic() + 5
    while len(collector.poses.seqs) < 100 and time.monotonic() < end:
        collector.look()
    collector.close()
    writer.close()
    assert collector.poses.seqs == list(range(100))


def test_a_film_is_mapped_and_plays_there_and_back(tmp_path):
    render(tmp_path / "film.npy", 4, (64, 48), 30.0, seed=0)
    film = open_film(str(tmp_path / "film.npy"))
    assert (film.shape, film.flags.writeable) == ((4, 48, 64, 3), False)
    assert [there_and_back(i, 4) for i in range(8)] == [0, 1, 2, 3, 2, 1, 0, 1]
    assert len({film[i].tobytes() for i in range(4)}) == 4


def test_a_film_source_keeps_its_rate_and_stamps_at_grab(tmp_path):
    render(tmp_path / "film.npy", 3, (64, 48), 30.0, seed=0)
    film = open_film(str(tmp_path / "film.npy"))
    before = clock.now_ns()
    source = FilmSource(film, replace(SourceConfig(), fps=50.0))
    pictures = [source.read() for _ in range(6)]
    stamps = [p.stamp.t_capture_ns for p in pictures]
    assert stamps[-1] - before >= 5 * 20 * MS
    assert stamps == sorted(stamps)
    assert [p.stamp.seq for p in pictures] == list(range(6))
    assert np.array_equal(pictures[3].image, film[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proportional set size is Linux's")
def test_load_counts_children_and_leaves_the_film_out(tmp_path):
    film = tmp_path / "film.npy"
    np.save(film, np.ones(40_000_000, np.uint8))
    child = (
        "import numpy as np, sys\n"
        f"film = np.load({str(film)!r}, mmap_mode='r'); film.sum(); own = np.ones(30_000_000, np.uint8)\n"
        "print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with_film, without = load_of(process.pid), load_of(process.pid, str(film))
        me = load_of(os.getpid())
        process.stdin.close()
    assert 35 < with_film.memory_mb - without.memory_mb < 45
    assert without.memory_mb > 30
    assert me.processes >= 2
    assert me.cpu_s > 0
    assert load_of(process.pid).processes == 0
