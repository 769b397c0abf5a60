"""Bursts: resumable shards, truth that agrees with its camera, desks and occluders as asked, skirts seldom."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.demo.anatomy import J
from realtime.demo.looks import draw_look
from realtime.detect.mediapipe_detector import Detection
from tests.trainers.synthesis.test_synthesis import walking
from trainers import cli
from trainers.data.motion import MotionSegment, save, write_index
from trainers.data.shards.burst_shards import JOINTS_37, read_bursts
from trainers.data.shards.clip_shards import BOARD, OUTSIDE
from trainers.errors import UserError
from trainers.synthesis import burst_scenes, bursts, worker_inputs
from trainers.synthesis.burst_poses import PoseShares, draw_poses, heading
from trainers.synthesis.burst_scenes import DESK, WHOLE, draw_burst_scene

ROOM = {"desk_share": 0.0, "occluders": 0.0}


class MarkedDetector:
    """Says where the brightest spot's row lies, and remembers what its clock said."""

    joints, name = BLAZEPOSE_33, "marked"

    def __init__(self) -> None:
        self.stamps: list[int] = []
        self.resets = 0

    def detect(self, image, t_ms):
        self.stamps.append(t_ms)
        spread = np.linspace(0.2, 0.8, 33, dtype=np.float32)
        xy = np.stack([spread * image.shape[1], spread * float(image.mean())], 1).astype(np.float32)
        half = np.full(33, 0.5, np.float32)
        return [Detection(xy, half, half, np.tile(spread[:, None], (1, 3)))]

    def reset(self):
        self.resets += 1

    def close(self): ...


@pytest.fixture
def motion_folder(tmp_path):
    folder = tmp_path / "motion"
    folder.mkdir()
    for subject, seed in (("01", 1), ("05", 2)):
        save(folder, subject, [MotionSegment(walking(seed, 2.0), 60.0, f"{subject}_01", subject)])
    write_index(folder, [])
    return folder


@pytest.fixture
def detector(monkeypatch):
    """No MediaPipe, two scenes of two bursts a shard."""
    opened = MarkedDetector()
    monkeypatch.setattr(worker_inputs, "open_observer", lambda model: opened)
    monkeypatch.setattr(bursts, "SCENES", 2)
    monkeypatch.setattr(bursts, "BURSTS", 2)
    monkeypatch.setattr(burst_scenes, "BURSTS", 2)
    worker_inputs.open_inputs.cache_clear()
    yield opened
    worker_inputs.open_inputs.cache_clear()


def make(motion, out, frames=16, **kw):
    return bursts.synthesize_bursts(motion, out, frames, report=io.StringIO(), **{"seed": 3, **kw})


def one_segment():
    return [MotionSegment(walking(1, 2.0), 60.0, "01_01", "01")], np.ones(1)


@pytest.mark.slow
def test_a_resumed_run_gives_the_same_files(motion_folder, tmp_path, detector):
    whole = make(motion_folder, tmp_path / "whole")
    half = make(motion_folder, tmp_path / "half", frames=8)
    assert len(whole) == 2 and len(half) == 1
    resumed = make(motion_folder, tmp_path / "half", resume=True)
    assert [p.name for p in resumed] == [p.name for p in whole]
    a, b = (read_bursts(tmp_path / name) for name in ("whole", "half"))
    assert all(np.array_equal(getattr(a, n), getattr(b, n), equal_nan=n == "look") for n in vars(a))


def test_the_last_frames_of_every_burst_are_kept_and_the_clock_jumps_between_bursts(motion_folder, tmp_path, detector):
    make(motion_folder, tmp_path / "out", frames=8)
    read = read_bursts(tmp_path / "out")
    assert len(read) == 2 * 2 * 2 and detector.resets == 1
    assert read.scene.tolist() == [0] * 4 + [1] * 4 and read.burst.tolist() == [0, 0, 1, 1] * 2
    steps = np.diff(detector.stamps).reshape(-1)
    assert sorted(set(steps.tolist())) == [33, 34, 2933]
    assert read.flow_known[1::2].any()  # the second kept frame of a burst has a flow from the first


def test_truth_agrees_with_the_camera_and_with_what_it_says_is_outside(motion_folder, tmp_path, detector):
    make(motion_folder, tmp_path / "out", frames=16, desk=0.5, occluders=1.0)
    read = read_bursts(tmp_path / "out")
    xyz = read.xyz + read.root[:, None]
    at = xyz[..., :2] / xyz[..., 2:] * read.camera[:, None, 2:3] + read.camera[:, None, 3:5]
    inside = ((at >= 0) & (at < read.camera[:, None, :2])).all(-1)
    clear = np.abs(at - np.clip(at, 0, read.camera[:, None, :2])).max(-1) > 1
    assert not (read.hidden[clear & ~inside] & OUTSIDE == 0).any()
    assert not (read.hidden[inside] & OUTSIDE).any()
    assert (read.hidden & BOARD).any()
    assert JOINTS_37[:17] == H36M_17.joints and len(set(JOINTS_37)) == 37 == read.xyz.shape[1]
    left, right = (read.xyz[:, JOINTS_37.index(f"{s}_foot_index")] for s in ("left", "right"))
    ankle = read.xyz[:, H36M_17.index("left_ankle")]
    assert (np.linalg.norm(left - ankle, axis=-1) < np.linalg.norm(right - ankle, axis=-1)).mean() > 0.9


def test_arrays_that_are_not_asked_for_stay_empty(motion_folder, tmp_path, detector):
    make(motion_folder, tmp_path / "out", frames=8)
    read = read_bursts(tmp_path / "out", names=("xyz",))
    assert len(read.xyz) == 8 and len(read.xy) == 0 and len(read.camera) == 8


def test_shares_and_folders_that_are_wrong_are_named(motion_folder, tmp_path, capsys, detector):
    asked = ["synthesize", "bursts", "--motion", str(motion_folder), "--out", str(tmp_path / "out")]
    for name in ("desk", "active"):
        assert cli.main([*asked, f"--{name}", "1.5"]) == 2 and f"--{name} 1.5" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="trainers synthesize bursts"):
        read_bursts(tmp_path)
    (tmp_path / "shard_00000.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="not a readable shard"):
        read_bursts(tmp_path)


def test_whole_people_are_inside_the_picture_and_half_bodies_are_cut(motion_folder):
    segments, weights = one_segment()
    inside: dict[int, list[float]] = {WHOLE: [], DESK: []}
    facing = []
    for seed in range(8):
        scene = draw_burst_scene(segments, weights, [seed], "train", 0.5, 0.2)
        for b, burst in enumerate(scene.bursts):
            inside[scene.kind].append(float((~scene.truth(b, 2)[1].outside[:17]).mean()))
            if scene.kind == DESK:
                facing.append(burst.joints[-1, J["nose"], 1] < 1.9)
    assert np.mean(np.array(inside[WHOLE]) == 1) > 0.8
    assert np.mean(inside[DESK]) < 0.9 and min(inside[DESK]) > 0.1 and all(facing)


def test_active_people_bend_kick_and_lie_and_others_do_as_recorded():
    segments, weights = one_segment()
    tilt = {}
    for active in (0.0, 1.0):
        scenes = [draw_burst_scene(segments, weights, [seed, 9], "train", 0.0, 0.2, active) for seed in range(5)]
        joints = np.stack([burst.joints[-1] for scene in scenes for burst in scene.bursts])
        trunk, shin = (
            joints[:, J[a]] - joints[:, J[b]] for a, b in (("thorax", "pelvis"), ("left_knee", "left_ankle"))
        )
        tilt[active] = [np.degrees(np.arccos(x[:, 1] / np.linalg.norm(x, axis=-1))) for x in (trunk, shin)]
    for calm, active in zip(tilt[0.0], tilt[1.0]):
        assert (active > 30).mean() > (calm > 30).mean() + 0.1 and active.max() > 80
    assert (tilt[0.0][0] > 30).mean() < 0.05  # a walker's trunk


def test_how_active_people_are_is_asked_of_every_scene(motion_folder, tmp_path, detector, monkeypatch):
    drawn, asked = burst_scenes.draw_burst_scene, []
    monkeypatch.setattr(bursts, "draw_burst_scene", lambda *args: asked.append(args[-1]) or drawn(*args))
    where = ["--motion", str(motion_folder), "--out", str(tmp_path / "out")]
    assert cli.main(["synthesize", "bursts", *where, "--frames", "8", "--active", "0.7"]) == 0
    assert asked == [0.7, 0.7]
    assert json.loads((tmp_path / "out" / "synthesis.json").read_text())["active"] == 0.7


def test_an_occluder_hides_the_limb_it_was_drawn_for():
    segments, weights = one_segment()
    hidden = []
    for seed in range(4):
        scene = draw_burst_scene(segments, weights, [seed, 5], "train", 0.0, 1.0)
        hidden += [scene.truth(b, 2)[1].board[:17].sum() for b in range(len(scene.bursts))]
    assert min(hidden) >= 1 and np.mean(hidden) > 3 and max(hidden) < 17


def test_a_scene_is_a_function_of_its_seed():
    segments, weights = one_segment()
    a, b = (draw_burst_scene(segments, weights, [1, 2], "train", 0.3, 0.3) for _ in range(2))
    assert np.array_equal(a.image(1, 2), b.image(1, 2))


def test_one_skirt_in_twenty_and_knees_below_it():
    rng = np.random.default_rng(0)
    dressed = [burst_scenes._dressed(draw_look(seed), rng) for seed in range(400)]
    skirts = [look for look in dressed if look.bottom == "skirt"]
    assert 8 <= len(skirts) <= 34 and all(look.bottom_length <= 0.42 for look in skirts)


def test_poses_turn_within_what_is_asked_and_keep_bones():
    segments, weights = one_segment()
    rng = np.random.default_rng(1)
    for _ in range(20):
        poses = draw_poses(segments, weights, PoseShares(reach=1.0, turn=0.4), rng)
        assert abs(heading(poses[-1])) < 0.4 + 1e-6
        upper = np.linalg.norm(poses[:, J["left_elbow"]] - poses[:, J["left_shoulder"]], axis=-1)
        assert np.ptp(upper) < 1e-6 and np.allclose(poses[-1, 0, [0, 2]], 0)


def test_other_settings_are_refused(motion_folder, tmp_path, detector):
    make(motion_folder, tmp_path / "out", frames=8)
    with pytest.raises(UserError, match="occluders"):
        make(motion_folder, tmp_path / "out", frames=8, resume=True, occluders=0.5)
    assert replace(bursts.BurstSettings("m", 0), part="validation").pool == "heldout"
