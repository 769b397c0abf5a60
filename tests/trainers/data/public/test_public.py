"""Public data sets from made-up files of their layouts: joints, units, axes, cameras, trust."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - 3DPW comes so
from pathlib import Path

import numpy as np
import pytest

from engines.skeleton import H36M_17
from tests.support.people.walkers import walkers
from trainers import cli
from trainers.data import motion, views
from trainers.data.public import threedhp, threedpw, world

J = H36M_17.index
T = 60


def walk(turn: int = 0) -> np.ndarray:
    """(T, 17, 3) m, Y up."""
    return walkers(4, T)[turn].numpy()


def z_up(xyz: np.ndarray) -> np.ndarray:
    return np.stack([xyz[..., 0], -xyz[..., 2], xyz[..., 1]], -1)


def run(*argv: object) -> int:
    return cli.main(["prepare", *map(str, argv)])


# --- Human3.6M ----------------------------------------------------------------------------------------------------


def h36m(folder: Path, **people: dict[str, np.ndarray]) -> Path:
    """32 joints, world metres, Z up."""
    found = {}
    for subject, actions in people.items():
        full = {name: np.full((len(xyz), 32, 3), 7.0, np.float32) for name, xyz in actions.items()}
        for name, xyz in actions.items():
            full[name][:, world.H36M_KEEP] = z_up(xyz)
        found[subject] = full
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array(found, object))
    return folder / "data_3d_h36m.npz"


def cameras(folder: Path, *subjects: str) -> Path:
    """One camera 4 m before the person at its height, looking back at it along +Y of the world."""
    lens = {"id": "54138969", "center": [500, 500], "focal_length": [1100, 1100], "res_w": 1000, "res_h": 1002}
    half = float(np.sqrt(0.5))
    place = {"orientation": [half, -half, 0.0, 0.0], "translation": [0, -4000, 900]}  # x right, z ahead, y down
    path = folder / "cameras.json"
    path.write_text(json.dumps({"intrinsics": [lens], "extrinsics": {s: [place] for s in subjects}}))
    return path


def test_h36m_keeps_the_17_joints_stands_up_and_names_its_actions(tmp_path, capsys):
    file = h36m(tmp_path, S1={"Eating 1": walk(), "WalkDog": walk(1)}, S9={"Photo 2": walk(2)})
    assert run("h36m", "--file", file, "--out", tmp_path / "out", "--trust") == 0
    found = motion.load(tmp_path / "out")
    assert found.subjects == ("S1", "S9") and {s.action for s in found.segments} == {"Eating", "WalkDog", "Photo"}
    assert {s.fps for s in found.segments} == {50.0}
    np.testing.assert_allclose(found.clip("S1/Eating 1").segments[0].xyz, walk(), atol=1e-4)
    train, valid = motion.split(found, ("S9", "S11"))
    assert (train.subjects, valid.subjects) == (("S1",), ("S9",))


def test_h36m_cameras_give_views_in_camera_axes_and_exact_keypoints(tmp_path):
    file = h36m(tmp_path, S1={"Eating": walk()})
    assert run("h36m", "--file", file, "--cameras", cameras(tmp_path, "S1"), "--out", tmp_path, "--trust") == 0
    (view,) = views.load(tmp_path).views
    up, away = walk()[..., 1], walk()[..., 2]
    np.testing.assert_allclose(view.xyz[..., 1], 0.9 - up, atol=1e-4)
    np.testing.assert_allclose(view.xyz[..., 2], 4 - away, atol=1e-4)
    np.testing.assert_allclose(view.xyz[..., 0], walk()[..., 0], atol=1e-4)
    np.testing.assert_allclose(view.rays(), view.xyz[..., :2] / np.maximum(view.xyz[..., 2:], 0.1), atol=1e-4)
    assert (view.camera, view.size, view.action) == ("54138969", (1000.0, 1002.0), "Eating")


def test_h36m_keypoints_of_a_detector_may_outlast_the_truth(tmp_path):
    file = h36m(tmp_path, S1={"Eating": walk()})
    xy = np.random.default_rng(0).uniform(0, 1000, (T + 5, 17, 2)).astype(np.float32)
    np.savez(
        tmp_path / "data_2d.npz",
        positions_2d=np.array({"S1": {"Eating": [xy]}}, object),
        metadata=np.array({"layout_name": "h36m"}, object),
    )
    given = ["--cameras", cameras(tmp_path, "S1"), "--keypoints", tmp_path / "data_2d.npz"]
    assert run("h36m", "--file", file, *given, "--out", tmp_path, "--trust") == 0
    np.testing.assert_allclose(views.load(tmp_path).views[0].xy, xy[:T])


def test_broken_actions_are_named_and_the_rest_is_kept(tmp_path, capsys):
    torn = walk(1)
    torn[13, 4, 0] = np.nan
    file = h36m(tmp_path, S1={"Eating": walk(), "Sitting": torn, "Waiting": walk()[:1]})
    assert run("h36m", "--file", file, "--out", tmp_path / "out", "--trust") == 0
    printed = capsys.readouterr().out
    assert "S1 Sitting: NaN or inf in frame 13" in printed and "S1 Waiting: 1 frames" in printed
    assert len(motion.load(tmp_path / "out")) == 1


# --- trust --------------------------------------------------------------------------------------------------------


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["h36m", "humaneva", "3dhp"])
def test_pickles_are_not_run_without_trust(tmp_path, capsys, name):
    trap = tmp_path / "ran"
    np.savez(tmp_path / "a.npz", positions_3d=np.array({"S1": Trap(trap)}, object), data=np.array(Trap(trap), object))
    assert run(name, "--file", tmp_path / "a.npz", "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "a.npz: holds pickled objects" in error and "--trust" in error and error.count("\n") == 1
    assert not trap.exists() and not list((tmp_path / "out").glob("*.npz"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such file"), (b"<html>", "not readable"), ("other", "no 'positions_3d' in it (found poses)")],
)
def test_a_wrong_file_is_named(tmp_path, capsys, content, says):
    path = tmp_path / "a.npz"
    if content == "other":
        np.savez(path, poses=np.zeros(3))
    elif content:
        path.write_bytes(content)
    assert run("h36m", "--file", path, "--out", tmp_path / "out", "--trust") == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "expected JSON"),
     ('{"intrinsics": [{"id": "1"}], "extrinsics": {}}', "keys center, focal_length, res_h, res_w"),
     ('{"intrinsics": [], "extrinsics": {"S5": []}}', "no extrinsics of S1, only of S5")],
)  # fmt: skip
def test_wrong_cameras_are_named(tmp_path, capsys, text, says):
    (tmp_path / "cameras.json").write_text(text)
    file = h36m(tmp_path, S1={"Eating": walk()})
    argv = ["--file", file, "--cameras", tmp_path / "cameras.json", "--out", tmp_path / "out", "--trust"]
    assert run("h36m", *argv) == 2
    assert says in capsys.readouterr().err


# --- the others ---------------------------------------------------------------------------------------------------


def test_humaneva_has_15_joints_and_says_which_it_lacks(tmp_path):
    names = [H36M_17.index(j) for j in world.EVA]
    poses = {
        "Train/S1": {"Walking 1 chunk0": z_up(walk())[:, names]},
        "Validate/S1": {"Jog 1 chunk2": z_up(walk(1))[:, names]},
    }
    np.savez(tmp_path / "e.npz", positions_3d=np.array(poses, object))
    argv = ["--file", tmp_path / "e.npz", "--cameras", cameras(tmp_path, "S1"), "--out", tmp_path, "--trust"]
    assert run("humaneva", *argv) == 0
    found = motion.load(tmp_path)
    assert found.subjects == ("Train-S1", "Validate-S1") and {s.action for s in found.segments} == {"Walking", "Jog"}
    np.testing.assert_allclose(found.segments[0].xyz[:, J("left_wrist")], walk()[:, J("left_wrist")], atol=1e-4)
    known = views.load(tmp_path).known
    assert not known[J("nose")] and not known[J("spine")] and known.sum() == 15


def test_3dhp_reads_millimetres_the_chest_cameras_and_the_test_set(tmp_path):
    local = walk() * np.float32([1, -1, -1]) + np.float32([0, 1, 4])
    stored = np.zeros((T, 17, 3), np.float32)
    stored[:, threedhp.ORDER] = local * 1000
    xy = np.zeros((T, 17, 2), np.float32)
    xy[:, threedhp.ORDER] = local[..., :2] / local[..., 2:] * 1500 + 1024
    arrays = {"data_2d": xy, "data_3d": stored}
    train = {"S1 Seq1": [{str(c): arrays for c in (0, 1, 2)}, 50]}
    np.savez(tmp_path / "train.npz", data=np.array(train, object))
    valid = (np.arange(T) < 40).astype(np.float32)
    np.savez(tmp_path / "test.npz", data=np.array({"TS5": arrays | {"valid": valid}}, object))
    argv = ["--file", tmp_path / "train.npz", "--test", tmp_path / "test.npz", "--out", tmp_path, "--trust"]
    assert run("3dhp", *argv) == 0
    seen = views.load(tmp_path).views
    assert [(v.subject, v.camera, v.fps) for v in seen] == [("S1", "0", 50.0), ("S1", "2", 50.0), ("TS5", "0", 25.0)]
    np.testing.assert_allclose(seen[0].xyz, local, atol=1e-4)
    assert seen[2].size == (1920.0, 1080.0) and seen[2].valid.sum() == 40 and seen[0].size == (2048.0, 2048.0)
    upright = motion.load(tmp_path).clip("S1 Seq1").segments[0].xyz
    np.testing.assert_allclose(upright - upright[:, :1], walk() - walk()[:, :1], atol=2e-4)
    assert 0.05 < upright[:, [J("left_ankle"), J("right_ankle")], 1].min() < 0.1


def threedpw_sequence(**changes: object) -> dict:
    smpl = np.zeros((T, 24, 3))
    smpl[:, threedpw.SMPL] = walk()
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.diag([1.0, -1, -1]), [0, 1, 5]
    points = np.zeros((T, 3, 18))
    points[:, 2] = 0.8
    return {
        "poses2d": [points], "jointPositions": [smpl.reshape(T, 72)], "cam_poses": np.tile(pose, (T, 1, 1)),
        "cam_intrinsics": np.array([[1900.0, 0, 960], [0, 1900, 540], [0, 0, 1]]),
    } | changes  # fmt: skip


def test_3dpw_becomes_views_of_every_person(tmp_path, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()
    content = threedpw_sequence()
    (raw / "courtyard_00.pkl").write_bytes(pickle.dumps(content))
    (raw / "broken_00.pkl").write_bytes(pickle.dumps({"poses2d": []}))
    assert run("3dpw", "--root", raw, "--out", tmp_path / "out", "--trust") == 0
    (view,) = views.load(tmp_path / "out").views
    np.testing.assert_allclose(
        view.xyz[:, J("left_wrist")], walk()[:, J("left_wrist")] * [1, -1, -1] + [0, 1, 5], atol=1e-4
    )
    assert view.size == (1920.0, 1080.0) and view.focal == (1900.0, 1900.0)
    assert view.score[0, J("left_knee")] == pytest.approx(0.8) and view.score[0, J("head")] == 0
    assert "broken_00.pkl: keys jointPositions" in " ".join(capsys.readouterr().out.split())


def test_3dpw_is_refused_without_trust(tmp_path, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.pkl").write_bytes(pickle.dumps(threedpw_sequence()))
    assert run("3dpw", "--root", raw, "--out", tmp_path / "out") == 2
    assert "holds pickled objects" in capsys.readouterr().err
