"""The humanoid rig: it follows the joints, has a straight neck, turns feet, hands and head, and reads elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.export.rigging.humanoid import humanoid
from realtime.export.rigging.rig import forward
from realtime.export.rigging.rig_names import CHOICES, NAMES
from realtime.export.tracks import clips
from realtime.export.writers import bvh
from realtime.recording.file_format import RecordingError
from realtime.wire.messages import ABSENT, replace
from tests.support import bvh_reader
from tests.support.people import walker, whole_body

DATA = Path(__file__).parents[2] / "data"
FOLLOWS = {
    "Hips": "pelvis", "Spine1": "spine", "Neck": "thorax", "LeftArm": "left_shoulder", "LeftForeArm": "left_elbow",
    "LeftHand": "left_wrist", "RightArm": "right_shoulder", "RightForeArm": "right_elbow", "RightHand": "right_wrist",
    "LeftUpLeg": "left_hip", "LeftLeg": "left_knee", "LeftFoot": "left_ankle", "RightUpLeg": "right_hip",
    "RightLeg": "right_knee", "RightFoot": "right_ankle",
}  # fmt: skip


@pytest.fixture(scope="module")
def clip():
    return clips(walker.HELLO, walker.walk(90, noise=0.003))[0]


@pytest.fixture(scope="module")
def whole():
    return clips(whole_body.HELLO, whole_body.walk())[0]


@pytest.fixture(params=["17 joints", "37 joints"])
def either(request, clip, whole):
    return clip if request.param == "17 joints" else whole


def solved(clip):
    rig, motion, tips = humanoid(clip.joints, clip.xyz)
    return rig, motion, forward(rig, motion), tips


def test_every_bone_begins_at_its_joint(either):
    rig, _, places, _ = solved(either)
    for bone, joint in FOLLOWS.items():
        off = np.linalg.norm(places[:, rig.names.index(bone)] - either.xyz[:, either.joints.index(joint)], axis=-1)
        assert off.mean() < 0.012, bone


def world_turns(rig, motion):
    found = motion.local.copy()
    for node, parent in enumerate(rig.parents):
        if parent >= 0:
            found[:, node] = found[:, parent] @ motion.local[:, node]
    return {bone: found[:, i] for i, bone in enumerate(rig.names)}


def angle(a, b):
    return np.degrees(
        np.arccos(np.clip((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1), -1, 1))
    )


def test_the_neck_is_straight_where_the_joints_bend_at_the_nose(either):
    rig, _, places, _ = solved(either)
    neck = places[:, rig.names.index("Head")] - places[:, rig.names.index("Neck")]
    crown = either.xyz[:, either.joints.index("head")] - either.xyz[:, either.joints.index("thorax")]
    assert angle(neck, crown).max() < 8
    nose = either.xyz[:, either.joints.index("nose")] - either.xyz[:, either.joints.index("thorax")]
    assert angle(nose, crown).mean() > 15


def test_feet_are_turned_out_as_toes_and_heels_say(whole):
    rig, motion, places, _ = solved(whole)
    for side in ("left", "right"):
        name = side.capitalize()
        sole = places[:, rig.names.index(f"{name}ToeBase")] - places[:, rig.names.index(f"{name}Foot")]
        true = whole.xyz[:, whole.joints.index(f"{side}_foot_index")] - whole.xyz[:, whole.joints.index(f"{side}_heel")]
        assert angle(sole * [1, 0, 1], true * [1, 0, 1]).max() < 5
        assert angle(world_turns(rig, motion)[f"{name}Foot"][..., 2], true).max() < 2


def test_soles_lie_on_the_floor_of_a_recording(either):
    rig, motion, places, tips = solved(either)
    turns = world_turns(rig, motion)
    for side in ("Left", "Right"):
        toe = rig.names.index(f"{side}ToeBase")
        tip = places[:, toe] + turns[f"{side}ToeBase"] @ tips[toe]
        assert -0.06 < np.percentile(np.minimum(places[:, toe, 1], tip[:, 1]), 2) < 0.06


def test_the_head_turns_with_the_face(whole):
    rig, motion, _, _ = solved(whole)
    ears = whole.xyz[:, whole.joints.index("left_ear")] - whole.xyz[:, whole.joints.index("right_ear")]
    assert angle(world_turns(rig, motion)["Head"][..., 0], ears).max() < 3


def test_hands_lie_as_their_knuckles(whole):
    rig, motion, _, _ = solved(whole)
    for side, sign in (("left", 1), ("right", -1)):
        knuckles = (
            whole.xyz[:, whole.joints.index(f"{side}_index")] + whole.xyz[:, whole.joints.index(f"{side}_pinky")]
        ) / 2
        turn = world_turns(rig, motion)[f"{side.capitalize()}Hand"]
        assert angle(sign * turn[..., 0], knuckles - whole.xyz[:, whole.joints.index(f"{side}_wrist")]).max() < 2
        across = whole.xyz[:, whole.joints.index(f"{side}_index")] - whole.xyz[:, whole.joints.index(f"{side}_pinky")]
        assert angle(turn[..., 2], across).max() < 2


def rotation_vectors(turns):
    """(T, 3, 3) -> (T, 3) unit axes and (T,) degrees."""
    bend = np.degrees(np.arccos(np.clip((np.trace(turns, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
    parts = [turns[:, a, b] - turns[:, b, a] for a, b in ((2, 1), (0, 2), (1, 0))]
    axis = np.stack(parts, -1)
    return axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-9), bend


def test_knees_bend_about_one_axis_in_real_walking():
    """The twist of the thigh is what makes the shin's rotation a hinge's."""
    read_bvh = pytest.importorskip("trainers.data.mocap.bvh").read_bvh
    xyz = read_bvh(DATA / "motion" / "03_01.bvh")[0][::4]
    rig, motion, _ = humanoid(H36M_17.joints, xyz)
    for bone in ("LeftLeg", "RightLeg"):
        axis, bend = rotation_vectors(motion.local[:, rig.names.index(bone)])
        bent = bend > 40
        assert bent.sum() > 5 and axis[bent, 0].min() > 0.97, bone  # about +x: backwards


def test_an_elbow_bends_about_one_axis_however_the_arm_is_turned():
    joints = dict(zip(walker.HELLO.joints, walker.walker(0.0)))
    for turn in np.radians([0, 60, 120]):
        wrist = joints["left_elbow"] + 0.25 * np.array([np.cos(turn) * 0.2, np.sin(turn) * 0.9, np.cos(turn) * 0.9])
        xyz = np.array([wrist if name == "left_wrist" else joints[name] for name in walker.HELLO.joints])[None]
        rig, motion, _ = humanoid(walker.HELLO.joints, xyz)
        axis, bend = rotation_vectors(motion.local[:, rig.names.index("LeftForeArm")])
        assert bend[0] > 36 and axis[0, 1] < -0.97  # about -y: from a T-pose with palms down to the front


def test_rotations_are_rotations_and_do_not_jump(either):
    _, motion, _, _ = solved(either)
    assert np.allclose(motion.local @ np.swapaxes(motion.local, -1, -2), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(motion.local), 1)
    step = np.swapaxes(motion.local[:-1], -1, -2) @ motion.local[1:]
    assert np.degrees(np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1))).max() < 25


@pytest.mark.parametrize("since", [0, 40])
def test_head_and_arms_of_who_sits_at_a_desk_are_where_they_are_though_hips_are_not_seen(tmp_path, clip, since):
    state = clip.state.copy()
    below = [k for k, name in enumerate(clip.joints) if name.endswith(("pelvis", "spine", "hip", "knee", "ankle"))]
    state[since:, below] = ABSENT
    desk = replace(clip, state=state, xyz=np.where((state == ABSENT)[..., None], np.nan, clip.xyz))
    bvh.write(tmp_path / "desk.bvh", desk, names="mixamo")
    nodes, _, values = bvh_reader.parse((tmp_path / "desk.bvh").read_text())
    places = [bvh_reader.positions(nodes, row) for row in values]
    for bone, joint in (("LeftForeArm", "left_elbow"), ("RightHand", "right_wrist"), ("Neck", "thorax")):
        at = np.array([one[NAMES["mixamo"][bone]] for one in places])
        off = np.linalg.norm(at - clip.xyz[:, clip.joints.index(joint)], axis=-1)
        assert off.max() < 0.06, bone


def test_an_arm_that_was_never_seen_hangs(clip):
    xyz = clip.xyz.copy()
    xyz[:, [clip.joints.index(f"left_{part}") for part in ("elbow", "wrist")]] = np.nan
    rig, motion, _ = humanoid(clip.joints, xyz)
    places = forward(rig, motion)
    arm = places[:, rig.names.index("LeftHand")] - places[:, rig.names.index("LeftArm")]
    assert (arm[:, 1] < -0.8 * np.linalg.norm(arm, axis=-1)).all()


def test_what_was_not_seen_keeps_its_rotation(clip):
    hidden = clips(walker.HELLO, walker.walk(60, hidden=lambda i: {"left_wrist": ABSENT} if 20 <= i < 40 else {}))[0]
    rig, motion, _, _ = solved(hidden)
    arm = rig.names.index("LeftForeArm")
    assert np.allclose(motion.local[20:40, arm], motion.local[19, arm]) and np.isfinite(motion.local).all()


@pytest.mark.parametrize("names", CHOICES)
def test_bvh_reads_back_with_the_tools_names_and_constant_bones(tmp_path, clip, names):
    bvh.write(tmp_path / "a.bvh", clip, names=names)
    nodes, seconds, values = bvh_reader.parse((tmp_path / "a.bvh").read_text())
    places = [bvh_reader.positions(nodes, row) for row in values]
    found = [node.name for node in nodes if not node.end]
    assert seconds == pytest.approx(1 / 30) and len(set(found)) == len(found)
    if names in NAMES:
        assert set(found) == set(NAMES[names].values())
        wrist = np.array([p[NAMES[names]["LeftHand"]] for p in places])
        assert np.linalg.norm(wrist - clip.xyz[:, clip.joints.index("left_wrist")], axis=-1).mean() < 0.012
    for node in nodes:
        if node.parent and not node.end:
            lengths = [np.linalg.norm(p[node.name] - p[node.parent.name]) for p in places]
            assert np.ptp(lengths) < 3e-5, node.name


def test_euler_angles_take_the_nearer_of_two_ways(clip):
    turn = np.radians(np.array([[[10.0, 89.0, 20.0]], [[190.0, 89.0, 200.0]], [[370.0, 90.5, 20.0]]]))
    assert np.degrees(np.abs(np.diff(bvh.continuous(turn), axis=0))).max() < 4


def test_the_trainers_read_the_rig(tmp_path, clip):
    """A reader that is not the exporter's finds a person of the right size, left and right as they are."""
    read_bvh = pytest.importorskip("trainers.data.mocap.bvh").read_bvh
    bvh.write(tmp_path / "a.bvh", clip, scale=100.0, names="mixamo")
    xyz, fps = read_bvh(tmp_path / "a.bvh")
    at = [H36M_17.index(j) for j in ("left_wrist", "right_wrist", "left_knee", "right_ankle", "pelvis")]
    mine = [clip.joints.index(j) for j in ("left_wrist", "right_wrist", "left_knee", "right_ankle", "pelvis")]
    assert fps == pytest.approx(30, abs=0.01)
    rel = xyz[:, at] - xyz[:, at[-1:]]
    assert np.linalg.norm(rel - (clip.xyz[-len(xyz) :, mine] - clip.xyz[-len(xyz) :, mine[-1:]]), axis=-1).mean() < 0.03


def test_a_recording_without_a_trunk_is_told_what_else(tmp_path, clip):
    legless = replace(clip, joints=tuple("x_" + j for j in clip.joints))
    with pytest.raises(RecordingError, match=r"needs pelvis, .* try --names h36m"):
        bvh.write(tmp_path / "a.bvh", legless, names="mixamo")
