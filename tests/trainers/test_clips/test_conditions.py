"""Conditions in words: of poses and cameras whose answer is plain, and of bursts from disk to a table."""

import json

import numpy as np
import pytest

from engines.skeleton import BLAZEPOSE_33, H36M_17
from tests.support.people.walkers import walkers
from trainers import cli
from trainers.data.shards.burst_clips import clips_of
from trainers.data.shards.burst_shards import PLACES, read_bursts, write_bursts
from trainers.data.shards.clip_shards import OUTSIDE
from trainers.geometry.joint_set_inverse import spread
from trainers.test_clips import conditions
from trainers.test_clips.from_detections import from_shards

WALKER = (walkers(1, 1)[0].numpy() * np.array([1, -1, 1], np.float32))[0]
LEFT = [H36M_17.index(f"left_{part}") for part in ("shoulder", "hip")]
RIGHT = [H36M_17.index(f"right_{part}") for part in ("shoulder", "hip")]


def turned(degrees: float) -> np.ndarray:
    """Return a person (1, 17, 3) in camera axes who faces the camera, turned about the vertical."""
    pose = np.zeros((1, 17, 3), np.float32)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pose[:, LEFT], pose[:, RIGHT] = (0.2 * c, 0, 0.2 * s), (-0.2 * c, 0, -0.2 * s)
    return pose


@pytest.mark.parametrize(
    ("degrees", "word"), [(0, "front"), (40, "front"), (-90, "side"), (130, "side"), (180, "back")]
)
def test_facing(degrees, word):
    assert conditions.facing(turned(degrees)) == word


@pytest.mark.parametrize(("pitch", "word"), [(0, "level"), (9, "level"), (-20, "tilted"), (30, "steep")])
def test_tilt(pitch, word):
    assert conditions.tilt(np.array([0, -np.cos(np.radians(pitch)), np.sin(np.radians(pitch))])) == word


def test_words_of_sizes():
    assert [conditions.distance(m) for m in (1.0, 4.0)] == ["near", "far"]
    assert [conditions.size(s) for s in (0.3, 0.7, 1.5)] == ["small", "middle", "large"]
    assert [conditions.shape(*wh) for wh in ((4, 3), (3, 4), (3, 3))] == ["landscape", "portrait", "square"]
    assert [conditions.cut(s) for s in (1.0, 0.9, 0.5)] == ["whole", "cut", "half outside"]


@pytest.fixture
def bursts(tmp_path):
    """Two scenes of two bursts of two frames, the last of one: a walker 2 and 6 m away, a level and a steep camera."""
    joints = np.concatenate([WALKER - WALKER[0], np.zeros((20, 3), np.float32)])
    points = spread(WALKER[None], "blazepose33")[0] - WALKER[0]
    rest = np.setdiff1d(np.arange(33), [BLAZEPOSE_33.index(n) for n in BLAZEPOSE_33.joints if n in H36M_17.joints])
    joints[17:] = points[rest]
    rows = []
    for scene, away in enumerate((2.0, 6.0)):
        root = np.array([0, 0, away], np.float32)
        seen = joints[PLACES] + root
        xy = seen[:, :2] / seen[:, 2:] * 500 + (320, 240)
        hidden = np.zeros(37, np.uint8)
        hidden[:8] = OUTSIDE * (scene == 0)
        flat = np.zeros(33)
        rows += [
            {"scene": scene, "burst": b, "xy": xy, "moved": xy, "score": flat + 0.9, "presence": flat + 0.9,
             "world": joints[PLACES] * 1.1, "back_error": flat, "patch_error": flat, "flow_known": flat,
             "look": np.zeros((33, 2)), "root": root, "xyz": joints, "hidden": hidden}
            for b in range(2) for _ in range(2 - (scene == 1 and b == 1))
        ]  # fmt: skip
    heads = {"camera": [[640, 480, 500, 320, 240]] * 2, "up": [[0, -1, 0], [0, -0.8, 0.6]], "desk": [0, 0]}
    write_bursts(tmp_path, 0, {k: np.array(v, np.float32) for k, v in heads.items()}, rows)
    (tmp_path / "synthesis.json").write_text(json.dumps({"kind": "bursts", "part": "validation", "model": "full"}))
    return tmp_path


def test_bursts_become_clips_of_their_frames(bursts):
    found = list(clips_of(read_bursts(bursts)))
    assert [clip.name for clip, _ in found] == [f"scene {s} burst {b}" for s in (0, 1) for b in (0, 1)]
    clip, up = found[2]
    assert len(clip) == 2 and np.allclose(up, (0, -0.8, 0.6)) and np.allclose(clip.score, 0.9, atol=1e-3)
    assert np.abs(clip.truth_xy - clip.xy).max() < 0.5 and clip.hidden.shape == (2, 50)


def test_a_lifter_is_told_apart_by_condition_on_bursts(bursts, capsys):
    trials = list(from_shards(bursts, (), "truth"))
    assert [len(t.x) for t in trials] == [2, 2, 2, 1]
    assert {t.conditions["camera"] for t in trials[:2]} == {"level"} and trials[3].conditions["camera"] == "steep"
    assert trials[0].conditions["distance"] == "near" and trials[3].conditions["distance"] == "far"
    assert trials[0].conditions["picture"] == "half outside" and trials[3].conditions["picture"] == "whole"
    out = bursts / "table.json"
    assert cli.main(["compare", "detector", "causal-37", "--data", str(bursts), "--out", str(out)]) == 0
    row = json.loads(out.read_text())["causal-37"]["conditions"]
    assert {"camera: level", "camera: steep", "distance: near", "distance: far"} <= set(row)
    assert "| camera: steep" in capsys.readouterr().out
