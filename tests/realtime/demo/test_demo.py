"""The demo's people: same seed same picture, bones keep their length, truth agrees with the pixels."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from engines.skeleton import H36M_17
from realtime.demo import CylinderWorld, render
from realtime.demo.anatomy import B, J, body
from realtime.demo.camera import look_at
from realtime.demo.hidden import NAMES
from realtime.demo.looks import (
    BOARD_PATTERNS,
    CLOTH_PATTERNS,
    FLOOR_PATTERNS,
    HAIRS,
    SKINS,
    WALL_PATTERNS,
    SceneAppearance,
    draw_look,
)
from realtime.demo.motion import MOTIONS, draw_motion
from realtime.demo.occluders import Occluder, behind
from realtime.demo.render import flesh_out, render_people
from realtime.demo.skeleton import Bones

UP = np.array([0.0, 1.0, 0.0])


def standing(turn: float = 0.0) -> np.ndarray:
    """(17, 3) world joints of someone standing, facing +Z when turn is 0."""
    motion = draw_motion(0, "stand")
    joints = motion.at(1.0, Bones()) - motion.at(1.0, Bones())[0] * (1, 0, 1)
    c, s = np.cos(turn), np.sin(turn)
    front = joints[J["left_hip"]] - joints[J["right_hip"]]
    turn0 = np.arctan2(-front[2], front[0])
    c, s = np.cos(turn - turn0), np.sin(turn - turn0)
    return joints @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def camera(size=(640, 480), away=3.2, fov=60.0, **kw):
    return look_at(size, (0.0, 1.2, away), (0.0, 0.95, 0.0), fov, **kw)


def test_same_seed_gives_the_same_frames_in_any_order():
    a, b = CylinderWorld(5, size=(160, 120)), CylinderWorld(5, size=(160, 120))
    forward = [a.frame(i) for i in (0, 7, 40)]
    backward = [b.frame(i) for i in (40, 7, 0)][::-1]
    for (image_a, truth_a), (image_b, truth_b) in zip(forward, backward):
        assert np.array_equal(image_a, image_b)
        assert np.array_equal(truth_a.xyz_cam, truth_b.xyz_cam)
    other = CylinderWorld(6, size=(160, 120)).frame(7)
    assert not np.array_equal(forward[1][0], other[0])


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (320, 240), (1280, 720), (101, 67)])
def test_any_size_and_several_people(size):
    image, truth = CylinderWorld(2, size=size, people=2, fps=25).frame(11)
    assert image.shape == (size[1], size[0], 3) and image.dtype == np.uint8
    assert truth.xyz_cam.shape == (2, 17, 3) and truth.hidden.shape == (2, 17)
    assert np.isfinite(truth.xyz_cam).all() and np.isfinite(truth.xy).all()


def test_world_refuses_what_it_cannot_render():
    with pytest.raises(ValueError, match="people"):
        CylinderWorld(0, people=0)
    with pytest.raises(ValueError, match="known: mix, walk"):
        CylinderWorld(0, motion="fly")


@pytest.mark.parametrize("kind", MOTIONS)
def test_bones_keep_their_length_and_motion_is_smooth(kind):
    bones = Bones()
    motion = draw_motion(3, kind, bones=bones)
    joints = np.stack([motion.at(t, bones) for t in np.arange(0, 60.5, 1 / 30)])
    lengths = np.linalg.norm(joints - joints[:, [max(p, 0) for p in H36M_17.parents]], axis=-1)
    limbs = [J[name] for name in H36M_17.joints if name.split("_")[-1] in ("knee", "ankle", "elbow", "wrist")]
    assert np.ptp(lengths[:, limbs], axis=0).max() < 1e-9
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * 30
    assert speed.max() < 6.0
    assert np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).max() * 900 < 80.0


def test_feet_stand_on_the_floor_and_knees_bend_forward():
    bones = Bones()
    motion = draw_motion(4, "mix", bones=bones)
    for t in np.arange(0, 60, 0.7):
        x = motion.at(t, bones)
        assert min(x[J["left_ankle"], 1], x[J["right_ankle"], 1]) == pytest.approx(0.085)
        person = body(x, UP, 0.0)
        for side in ("left", "right"):
            hip, knee, ankle = (x[J[f"{side}_{part}"]] for part in ("hip", "knee", "ankle"))
            ahead = person.hips[2] @ (knee - (hip + ankle) / 2)
            assert ahead > -0.06


def test_truth_is_the_projection_of_the_joints():
    world = CylinderWorld(1, size=(320, 240))
    _, truth = world.frame(3)
    xyz, k = truth.xyz_cam.astype(float), world.camera.matrix
    xy = xyz[..., :2] / xyz[..., 2:] * k[0, 0] + k[:2, 2]
    assert np.abs(xy - truth.xy).max() < 1e-2


def test_the_33_points_surround_the_head_hands_and_feet():
    person = body(standing(), UP, 0.0)
    p = person.points
    assert p[B["left_eye"], 0] > p[B["right_eye"], 0]  # someone facing +Z has the left side at +X
    assert p[B["left_foot_index"], 2] - p[B["left_heel"], 2] == pytest.approx(0.2 * person.scale, abs=0.03)
    assert abs(p[B["left_foot_index"], 1] - p[B["left_heel"], 1]) < 0.03
    assert p[B["mouth_left"], 1] < p[B["nose"], 1] < p[B["left_eye"], 1]
    assert 0.05 < np.linalg.norm(p[B["left_index"]] - p[B["left_wrist"]]) < 0.13
    assert p[B["left_thumb"], 2] > p[B["left_pinky"], 2]  # hanging hands carry the thumb in front


def board_at(point: np.ndarray, half: float, share: float = 0.7) -> Occluder:
    x, y, z = (float(v) for v in point * share)
    return Occluder((x, y, z), (half, 0.0, 0.0), (0.0, half, 0.0), "checker", (40, 200, 240), 3)


def test_a_board_hides_exactly_what_its_pixels_cover():
    cam, look = camera(), SceneAppearance(noise=0.0, blur=0.0)
    person = flesh_out(cam.to_camera(standing()), cam)
    board = board_at(person.joints[J["left_wrist"]], 0.12)
    plain = render_people([person], [look], cam).astype(int)
    covered = render_people([person], [look], cam, (board,)).astype(int)
    changed = np.abs(plain - covered).max(-1) > 8
    xy = cam.project(person.joints)
    flags = behind(person.joints, board)
    assert flags[J["left_wrist"]] and not flags[J["right_wrist"]]
    for (x, y), flag in zip(xy, flags):
        assert changed[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3].any() == flag


def test_a_board_behind_the_person_hides_nothing():
    cam = camera()
    joints = cam.to_camera(standing())
    assert not behind(joints, board_at(joints[J["pelvis"]], 0.5, share=1.6)).any()


def flags_of(turn: float) -> dict[str, bool]:
    from realtime.demo.hidden import hidden

    cam = camera()
    own = hidden([flesh_out(cam.to_camera(standing(turn)), cam)], cam)[0].own
    return dict(zip(NAMES[:17], own.tolist()))


def test_in_profile_the_far_arm_is_behind_the_body_and_in_front_nothing_is():
    front = flags_of(0.0)
    assert not any(
        front[f"{side}_{part}"] for side in ("left", "right") for part in ("shoulder", "wrist", "knee", "ankle")
    )
    assert not front["nose"]
    left_near = flags_of(-np.pi / 2)
    far, near = ("right", "left") if left_near["right_elbow"] else ("left", "right")
    assert left_near[f"{far}_elbow"] and left_near[f"{far}_hip"]
    assert not left_near[f"{near}_elbow"] and not left_near[f"{near}_wrist"]
    assert flags_of(np.pi)["nose"]


def test_outside_the_picture_counts_as_hidden():
    world = CylinderWorld(0, camera=look_at((320, 240), (0.0, 1.7, 1.2), (0.0, 1.6, 0.0), 50.0), boards=False)
    reasons, (_, truth) = world.hidden(0)[0], world.frame(0)
    assert reasons.outside[J["left_ankle"]] and truth.hidden[0, J["left_ankle"]]
    assert not reasons.outside[J["nose"]]


@pytest.mark.parametrize("roll", [0.0, 35.0])
@pytest.mark.parametrize("pose", ["near", "lying", "behind", "head over"])
def test_renders_any_pose_from_anywhere(pose, roll):
    joints = standing()
    if pose == "lying":
        joints = joints @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) + (0, 0.15, -0.9)
    if pose == "head over":
        joints = joints * (1, -1, -1) + (0, 1.8, 0)
    away = {"near": 0.45, "behind": -0.1}.get(pose, 2.5)
    cam = camera((240, 320), away, 80.0, roll_deg=roll)
    image = render(cam.to_camera(joints), cam, draw_look(9))
    assert image.shape == (320, 240, 3)


def test_the_picture_shows_the_person_where_the_truth_says():
    cam, look = camera(), SceneAppearance(noise=0.0, blur=0.0, furniture=0)
    far_away = standing() + (0, 0, -60)
    with_person = render(cam.to_camera(standing()), cam, look).astype(int)
    without = render(cam.to_camera(far_away), cam, look).astype(int)
    moved = np.abs(with_person - without).max(-1) > 12
    for name in ("left_elbow", "right_knee", "nose", "pelvis", "left_ankle"):
        x, y = cam.project(cam.to_camera(standing()))[J[name]].astype(int)
        assert moved[y - 2 : y + 3, x - 2 : x + 3].mean() > 0.5, name


def test_heldout_looks_share_nothing_with_training():
    for table in (SKINS, HAIRS, WALL_PATTERNS, FLOOR_PATTERNS, BOARD_PATTERNS):
        assert not set(table["train"]) & set(table["heldout"])
    assert set(CLOTH_PATTERNS["train"]) & set(CLOTH_PATTERNS["heldout"]) == {"plain"}
    for seed in range(30):
        assert draw_look(seed, "heldout").wall_pattern in WALL_PATTERNS["heldout"]
        assert draw_look(seed, "train").floor_pattern in FLOOR_PATTERNS["train"]


def test_sixty_frames_a_second_on_one_core():
    """Processor time of the best of several runs: the promise holds on a busy machine too."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    world = CylinderWorld(3)
    world.frame(0)
    costs = []
    for start in range(5):
        before = time.process_time()
        for i in range(8):
            world.frame(start * 20 + i)
        costs.append((time.process_time() - before) / 8)
    cv2.setNumThreads(threads)
    assert min(costs) < 1 / 60
