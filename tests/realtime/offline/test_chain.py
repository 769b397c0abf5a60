from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import realtime
from realtime.capture.open_source import open_source
from realtime.config.schema import DemoConfig, RunConfig, SourceConfig
from realtime.config.source_spec import SourceError
from realtime.config.yaml_file import ConfigError
from realtime.offline import chain as offline
from realtime.offline.chain import answers, pictures
from realtime.wire.messages import Pose3D
from tests.faults.test_a_source import write_video
from tests.support.fakes.engine import PlainLifter, fake_chain
from tests.support.live import live

FRAMES = 20


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    write_video(path, FRAMES)
    return path


def source_of(path: Path):
    return open_source(RunConfig(source=SourceConfig(spec=str(path), every_frame=True)))


def test_one_answer_for_every_frame_in_order(clip):
    found = list(answers(source_of(clip), fake_chain(RunConfig())))
    assert [a.pose.stamp.seq for a in found] == list(range(FRAMES))
    assert all(a.pose.stamp == a.keypoints.stamp and len(a.pose.people) == 1 for a in found)
    assert all(set(a.pose.stage_us) == {"detect", "occlude", "lift"} for a in found)


class LooksAhead(PlainLifter):
    """Answers each frame two frames later."""

    def __init__(self, engine) -> None:
        super().__init__(engine)
        self.waiting: list[Pose3D] = []

    def lift(self, found):
        self.waiting += super().lift(found)
        return [self.waiting.pop(0)] if len(self.waiting) > 2 else []

    def flush(self):
        rest, self.waiting = self.waiting, []
        return rest


def test_what_a_lifter_still_held_comes_at_the_end(clip):
    chain = fake_chain(RunConfig())
    chain.lifter = LooksAhead(chain.lifter.engine)
    found = list(answers(source_of(clip), chain))
    assert [a.pose.stamp.seq for a in found] == list(range(FRAMES))
    assert all(a.keypoints.stamp == a.pose.stamp for a in found)


def test_process_takes_a_path_and_every_setting(clip, monkeypatch):
    monkeypatch.setattr(offline, "open_chain", fake_chain)
    base = RunConfig(source=SourceConfig(name="gym", rotate=90))
    poses = list(realtime.process(str(clip), base))
    assert len(poses) == FRAMES
    assert {(p.width, p.height, p.stamp.source) for p in poses} == {(48, 64, "gym")}


def test_process_closes_what_it_opened_when_its_reader_stops(clip, monkeypatch):
    closed = []

    def opened(config):
        chain = fake_chain(config)
        monkeypatch.setattr(chain.detector, "close", lambda: closed.append(True))
        return chain

    monkeypatch.setattr(offline, "open_chain", opened)
    poses = realtime.process(str(clip))
    next(poses)
    poses.close()
    assert closed == [True]


def test_a_file_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        next(realtime.process(str(tmp_path / "nowhere.mp4")))


def test_the_demo_brings_its_truth():
    settings = SourceConfig(spec="demo", width=64, height=48, every_frame=True)
    source = open_source(RunConfig(source=settings, demo=DemoConfig(seed=1)))
    chain = fake_chain(RunConfig())
    one = next(pictures(source))
    answer = chain.answer(one)[0]
    assert answer.truth is not None and answer.truth.stamp == answer.pose.stamp


def test_a_paced_file_takes_as_long_as_it_lasts(clip, monkeypatch):
    with live(monkeypatch, {"source.spec": str(clip)}) as run:
        run.thread.join(30)
        assert run.end.code == 0
        poses = run.peer.poses
        lasted_s = (poses[-1][1]["t_publish_ns"] - poses[0][1]["t_capture_ns"]) * 1e-9
        assert len(poses) == FRAMES and lasted_s >= (FRAMES - 1) / 25
        captured = np.array([m["t_capture_ns"] for _, m in poses])
        assert np.allclose(np.diff(captured), 40e6, atol=1e3)  # media time
        ages_ms = [(m["t_publish_ns"] - m["t_capture_ns"]) / 1e6 for _, m in poses]
        assert 0 <= np.median(ages_ms) < 150  # and current


def test_process_is_for_files():
    with pytest.raises(SourceError, match=r"no file; for a camera: realtime run, then"):
        next(realtime.process("0"))


def test_a_file_run_that_was_killed_goes_on_behind_its_last_answer(clip, monkeypatch):
    with live(monkeypatch, {"source.spec": str(clip), "source.every_frame": True}, raise_at=8) as run:
        run.thread.join(30)
        assert run.end.code == 0
        run.peer.wait(lambda: len(run.peer.poses) >= FRAMES, 5)
        assert [m["seq"] for _, m in run.peer.poses] == list(range(FRAMES))
        assert len({m["stream"] for _, m in run.peer.poses}) == 1
        assert run.row("file")["restarts"] == 1 and run.row("file")["dropped"] == 0


def test_importing_realtime_loads_nothing():
    code = "import sys, realtime; heavy = {'numpy', 'cv2', 'zmq'} & set(sys.modules); sys.exit(bool(heavy))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_process_takes_settings_as_keywords_and_names_the_joints(clip, monkeypatch):
    chosen = []

    def opened(config):
        chosen.append(config)
        return fake_chain(config)

    monkeypatch.setattr(offline, "open_chain", opened)
    pose = next(realtime.process(clip, people=2, height=1.78))
    assert (chosen[0].detector.people, chosen[0].camera.height_m) == (2, 1.78)
    assert pose.people[0]["right_wrist"].name == "right_wrist"


def test_an_unknown_keyword_is_refused_before_anything_is_opened(clip):
    with pytest.raises(ConfigError, match="nearest is people"):
        realtime.process(clip, poeple=2)


def test_realtime_offers_what_lives_in_its_rooms():
    from realtime.client.pose_client import PoseClient

    assert realtime.PoseClient is PoseClient and realtime.process is offline.process
    with pytest.raises(AttributeError, match=r"it offers .*process"):
        realtime.nothing  # noqa: B018


def test_new_streams_forget_what_still_waited(clip):
    chain = fake_chain(RunConfig())
    chain.lifter = LooksAhead(chain.lifter.engine)
    a, b, c = (p for p, _ in zip(pictures(source_of(clip)), range(3)))
    chain.answer(a)
    chain.lifter.waiting.clear()  # as a reset of the lifter does
    other = [replace(p, stamp=replace(p.stamp, stream=a.stamp.stream + 1)) for p in (b, c)]
    assert [chain.answer(p) for p in other] == [[], []]
    assert [x.pose.stamp for x in chain.flush()] == [p.stamp for p in other]
