"""Joint angles on exact poses, with their signs, and against Pose2Sim's own functions where it is installed."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from realtime.export.angles import angles
from realtime.export.tracks import clips
from realtime.export.writers import angle_files
from realtime.wire.messages import ABSENT
from tests.support.people import walker, whole_body

STRAIGHT = {
    "pelvis": (0, 1.0, 0), "spine": (0, 1.25, 0), "thorax": (0, 1.5, 0), "nose": (0, 1.62, 0.1), "head": (0, 1.75, 0),
    "left_hip": (0.13, 1.0, 0), "left_knee": (0.13, 0.55, 0), "left_ankle": (0.13, 0.1, 0),
    "left_shoulder": (0.18, 1.48, 0), "left_elbow": (0.18, 1.18, 0), "left_wrist": (0.18, 0.92, 0),
    "left_heel": (0.13, 0.02, -0.05), "left_foot_index": (0.13, 0.02, 0.18),
}  # fmt: skip


def pose(**moved):
    """One frame of somebody who stands straight and faces +z, with some joints elsewhere."""
    at = dict(STRAIGHT)
    at |= {name.replace("left", "right"): (-x, y, z) for name, (x, y, z) in STRAIGHT.items() if "left" in name}
    at |= moved
    base = clips(whole_body.HELLO, whole_body.walk(1))[0]
    xyz = np.array([[at.get(name, (0, 1.6, 0)) for name in base.joints]], float)
    return replace(base, xyz=xyz)


def of(clip, name):
    return float(angles(clip)[name][0])


def arc(centre, length, degrees, plane="sagittal"):
    """Where a limb that hangs from `centre` ends after it swung forward, or out to the left, by so much."""
    a = np.radians(degrees)
    side, ahead = (0, np.sin(a)) if plane == "sagittal" else (np.sin(a), 0)
    return tuple(np.array(centre) + length * np.array([side, -np.cos(a), ahead]))


def test_standing_straight_is_zero_in_every_angle():
    assert {name: pytest.approx(0, abs=1e-6) for name in angles(pose())} == {n: v[0] for n, v in angles(pose()).items()}


@pytest.mark.parametrize("degrees", [-20, 15, 45, 90, 110])
def test_hip_flexion_is_signed_and_continuous(degrees):
    knee = arc(STRAIGHT["left_hip"], 0.45, degrees)
    assert of(pose(left_knee=knee), "left_hip_flexion") == pytest.approx(degrees)
    assert of(pose(left_knee=knee), "left_hip_abduction") == pytest.approx(0, abs=1e-6)
    assert of(pose(left_knee=knee), "right_hip_flexion") == pytest.approx(0, abs=1e-6)


def test_abduction_is_outwards_on_both_sides():
    left = arc(STRAIGHT["left_hip"], 0.45, 30, "frontal")
    mirrored = (-left[0], left[1], left[2])
    found = pose(left_knee=left, right_knee=mirrored)
    assert of(found, "left_hip_abduction") == pytest.approx(30) == of(found, "right_hip_abduction")


@pytest.mark.parametrize("degrees", [10, 60, 120])
def test_knees_and_elbows_are_the_angle_from_straight(degrees):
    ankle, wrist = arc(STRAIGHT["left_knee"], 0.45, -degrees), arc(STRAIGHT["left_elbow"], 0.26, degrees)
    found = pose(left_ankle=ankle, left_wrist=wrist)
    assert of(found, "left_knee_flexion") == pytest.approx(degrees) == of(found, "left_elbow_flexion")


@pytest.mark.parametrize("plane", ["sagittal", "frontal"])
@pytest.mark.parametrize("degrees", [30, 90, 170])
def test_shoulder_elevation_in_any_plane(plane, degrees):
    elbow = arc(STRAIGHT["left_shoulder"], 0.3, degrees, plane)
    assert of(pose(left_elbow=elbow), "left_shoulder_elevation") == pytest.approx(degrees)


def test_dorsiflexion_is_toes_up():
    up, down = (0.13, 0.02 + 0.23 * np.sin(np.radians(20)), 0.18), (0.13, 0.02 - 0.08, 0.18)
    assert of(pose(left_foot_index=up), "left_ankle_dorsiflexion") == pytest.approx(20, abs=1.5)
    assert of(pose(left_foot_index=down), "left_ankle_dorsiflexion") < -15


def about_pelvis(degrees, axis):
    a = np.radians(degrees)
    c, s = np.cos(a), np.sin(a)
    turn = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    upper = ("spine", "thorax", "nose", "head", "left_shoulder", "right_shoulder")
    at = {
        n: np.array(STRAIGHT.get(n) or (-np.array(STRAIGHT[n.replace("right", "left")]) * [1, -1, -1])) for n in upper
    }
    return {n: tuple(np.array([0, 1.0, 0]) + np.array(turn[axis]) @ (v - [0, 1.0, 0])) for n, v in at.items()}


@pytest.mark.parametrize(
    ("axis", "degrees", "name", "expected"),
    [("x", 25, "trunk_lean_forward", 25), ("z", 15, "trunk_lean_right", 15), ("y", 35, "trunk_rotation_left", 35)],
)
def test_the_trunk_leans_and_turns(axis, degrees, name, expected):
    found = pose(**about_pelvis(degrees, axis))
    assert of(found, name) == pytest.approx(expected, abs=1e-6)


def test_a_turned_person_has_the_same_angles():
    clip = clips(whole_body.HELLO, whole_body.walk(30))[0]
    c, s = np.cos(1.1), np.sin(1.1)
    turned = replace(clip, xyz=clip.xyz @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T)
    for name, values in angles(clip).items():
        assert np.allclose(angles(turned)[name], values, atol=1e-6), name


@pytest.mark.filterwarnings("ignore")
def test_against_pose2sim_on_the_same_poses():
    common = pytest.importorskip("Pose2Sim.common", reason="Pose2Sim is not installed", exc_type=ImportError)
    clip = clips(whole_body.HELLO, whole_body.walk(60))[0]
    found, at = angles(clip), dict(zip(clip.joints, clip.xyz.transpose(1, 0, 2)))
    for side, s in (("right", "R"), ("left", "L")):
        known = {"Hip": at["pelvis"], "Neck": at["thorax"]}
        parts = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        known |= {s + part.capitalize(): at[f"{side}_{part}"] for part in parts}

        def theirs(name):
            points = [known[marker] for marker in common.angle_dict[f"{side} {name}"][0]]  # noqa: B023
            return np.abs(common.fixed_angles(points, f"{side} {name}"))  # noqa: B023

        assert np.allclose(theirs("knee"), found[f"{side}_knee_flexion"], atol=1e-4)
        assert np.allclose(theirs("elbow"), found[f"{side}_elbow_flexion"], atol=1e-4)
        assert np.allclose(theirs("shoulder"), found[f"{side}_shoulder_elevation"], atol=1e-4)
        flexion, abduction = (np.radians(found[f"{side}_hip_{a}"]) for a in ("flexion", "abduction"))
        whole = np.degrees(np.arccos(np.cos(flexion) * np.cos(abduction)))
        assert np.allclose(theirs("hip"), whole, atol=0.3)  # ours is square to the hips, theirs to the trunk


def test_csv_is_empty_where_a_joint_is_missing(tmp_path):
    poses = walker.walk(20, hidden=lambda i: {"left_ankle": ABSENT} if i < 5 else {})
    angle_files.write_csv(tmp_path / "a.csv", [clips(walker.HELLO, poses)[0]])
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20 and rows[2]["left_knee_flexion_deg"] == "" and rows[2]["right_knee_flexion_deg"] != ""
    assert rows[9]["left_knee_flexion_deg"] != "" and {row["left_ankle_dorsiflexion_deg"] for row in rows} == {""}


def test_mot_layout(tmp_path):
    clip = clips(walker.HELLO, walker.walk(20))[0]
    angle_files.write_mot(tmp_path / "a.mot", clip)
    lines = (tmp_path / "a.mot").read_text().splitlines()
    assert lines[:6] == [
        "Coordinates",
        "version=1",
        "nRows=20",
        f"nColumns={len(lines[6].split())}",
        "inDegrees=yes",
        "endheader",
    ]
    names = lines[6].split("\t")
    table = np.array([[float(v) for v in line.split("\t")] for line in lines[7:]])
    assert table.shape == (20, len(names)) and np.allclose(table[:, 0], clip.times_s, atol=1e-6)
    found = angles(clip)
    assert np.allclose(table[:, names.index("knee_angle_r")], found["right_knee_flexion"], atol=1e-5)
    assert np.allclose(table[:, names.index("hip_adduction_l")], -found["left_hip_abduction"], atol=1e-5)
    assert "ankle_angle_r" not in names
