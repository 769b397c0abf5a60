"""Bridges against a real OSC server: the avatar that follows the messages stands as the person stood."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest

from realtime.bridges import osc
from realtime.bridges.avatar import unity
from realtime.bridges.avatar.calibration import Calibration, ideal
from realtime.bridges.avatar.humanoid import LIMBS, PARENTS, heading, rotations
from realtime.bridges.avatar.standing import FRAMES
from realtime.bridges.avatar.vmc import CALIBRATED, CALIBRATING, UNCALIBRATED, WAITING, Performer
from realtime.bridges.person import BridgedPerson, bridged, chosen
from realtime.cli import main as cli
from realtime.rotations import about, from_quaternion, unit
from realtime.wire.messages import ABSENT, INFERRED, Keypoints2D, Person2D
from tests.support.people import walker as fake
from tests.support.publisher import FakePipeline

dispatcher = pytest.importorskip("pythonosc.dispatcher")
osc_server = pytest.importorskip("pythonosc.osc_server")

T_POSE = {
    "pelvis": (0, 0.93, 0), "left_hip": (0.13, 0.93, 0), "right_hip": (-0.13, 0.93, 0), "left_knee": (0.13, 0.49, 0),
    "right_knee": (-0.13, 0.49, 0), "left_ankle": (0.13, 0.06, 0), "right_ankle": (-0.13, 0.06, 0),
    "spine": (0, 1.17, 0), "thorax": (0, 1.43, 0), "nose": (0, 1.55, 0.07), "head": (0, 1.66, 0.0),
    "left_shoulder": (0.17, 1.41, 0), "right_shoulder": (-0.17, 1.41, 0), "left_elbow": (0.45, 1.41, 0),
    "right_elbow": (-0.45, 1.41, 0), "left_wrist": (0.7, 1.41, 0), "right_wrist": (-0.7, 1.41, 0),
}  # fmt: skip
FACE = {"nose": (0, 0.7, 0.12), "left_ear": (0.07, 0.7, 0.02), "right_ear": (-0.07, 0.7, 0.02)}


def joints_of(points, turn=None, shift=(0, 0, 0)):
    turn = np.eye(3) if turn is None else turn
    return {name: turn @ np.array(p, float) + np.array(shift, float) for name, p in points.items()}


def walking(t):
    return dict(zip(fake.HELLO.joints, fake.walker(t, shrug=0.0)))


@pytest.fixture
def calibrated():
    calibration = Calibration()
    for _ in range(20):
        calibration.add(joints_of(T_POSE), joints_of(FACE))
    return calibration.rest()


# axes


def test_unity_mirrors_x_and_turns_the_other_way_about_y_and_z():
    assert unity.position(np.array([1.0, 2.0, 3.0])) == (-1.0, 2.0, 3.0)
    assert unity.rotation(about(np.array(0.6), 1))[1] == pytest.approx(-np.sin(0.3))
    assert unity.rotation(about(np.array(0.6), 0))[0] == pytest.approx(np.sin(0.3))
    assert np.allclose(unity.euler(about(np.array(0.5), 1)), [0, -np.degrees(0.5), 0])


def test_unity_euler_angles_build_the_same_rotation():
    rng = np.random.default_rng(0)
    for x, y, z in rng.uniform(-1.4, 1.4, (50, 3)):
        r = about(np.array(y), 1) @ about(np.array(x), 0) @ about(np.array(z), 2)
        found = np.radians(unity.euler(unity.MIRROR @ r @ unity.MIRROR))
        assert np.allclose(found, [x, y, z], atol=1e-7)


# humanoid and calibration


def test_a_t_pose_is_the_identity_of_every_bone():
    found = rotations(joints_of(T_POSE), joints_of(FACE))
    assert set(found) == set(PARENTS) and all(np.allclose(r, np.eye(3), atol=0.05) for r in found.values())


def test_turning_the_person_turns_every_bone():
    turn = about(np.array(0.8), 1)
    plain = rotations(walking(0.7), joints_of(FACE))
    turned = rotations({n: turn @ p for n, p in walking(0.7).items()}, joints_of(FACE, turn))
    assert all(np.allclose(turned[b], turn @ plain[b], atol=1e-9) for b in PARENTS)
    assert np.allclose(heading(turned["Hips"]), turn @ heading(plain["Hips"]), atol=1e-9)


def test_the_head_turns_with_the_face_points_alone():
    looking_left = about(np.array(0.5), 1)
    found = rotations(joints_of(T_POSE), joints_of(FACE, looking_left))
    assert np.allclose(found["Head"], looking_left, atol=1e-9)
    neck = np.arctan2(found["Neck"][0, 2], found["Neck"][2, 2])
    assert 0.1 < neck < 0.4 and np.allclose(found["Chest"], np.eye(3), atol=1e-9)


def test_a_bone_that_cannot_be_seen_keeps_its_last_rotation_against_its_parent():
    first = rotations(walking(0.4), {})
    turn = about(np.array(0.3), 1)
    later = {n: turn @ p for n, p in walking(0.4).items() if n not in ("left_wrist", "right_knee")}
    found = rotations(later, {}, first)
    assert np.allclose(found["LeftLowerArm"], turn @ first["LeftLowerArm"], atol=1e-9)
    assert np.allclose(found["RightUpperLeg"], turn @ first["RightUpperLeg"], atol=1e-9)


def test_calibration_makes_the_held_pose_the_rest_pose(calibrated):
    local = calibrated.local(rotations(joints_of(T_POSE), joints_of(FACE)))
    assert all(np.allclose(r, np.eye(3), atol=1e-9) for r in local.values())
    assert calibrated.offsets["LeftLowerArm"] == pytest.approx([0.28, 0, 0])
    assert calibrated.offsets["Hips"][1] == pytest.approx(0.95, abs=0.001)


def test_a_calibration_turned_away_and_aside_gives_the_same_avatar(calibrated):
    turn = about(np.array(0.4), 1)
    calibration = Calibration()
    for _ in range(20):
        calibration.add(joints_of(T_POSE, turn, (1, 0, -3)), joints_of(FACE, turn))
    rest = calibration.rest()
    moved = {n: turn @ p + [1, 0, -3] for n, p in walking(0.9).items()}
    plain, other = rotations(walking(0.9), {}), rotations(moved, {})
    for bone, r in calibrated.local(plain).items():
        if bone not in ("Head", "Neck"):
            assert np.allclose(rest.local(other)[bone], r, atol=1e-6), bone
    assert np.allclose(rest.place(moved["pelvis"]), calibrated.place(walking(0.9)["pelvis"]), atol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(lambda j: j.pop("left_wrist"), "not in view: left_wrist"),
     (lambda j: j.update(right_wrist=np.array([-0.2, 0.9, 0])), "right arm is .* degrees off the horizontal")],
)  # fmt: skip
def test_a_pose_that_is_no_t_pose_is_explained(spoil, words):
    calibration = Calibration()
    for _ in range(20):
        joints = joints_of(T_POSE)
        spoil(joints)
        calibration.add(joints, {})
    with pytest.raises(ValueError, match=words):
        calibration.rest()


def test_too_few_frames_are_no_calibration():
    with pytest.raises(ValueError, match="only 0 frames"):
        Calibration().rest()


# VMC


def seen_of(joints, face=None, placed=True):
    state = dict.fromkeys(joints, 0)
    return BridgedPerson(1, joints, face or {}, dict.fromkeys(joints, 0.01), state, placed)


def avatar(messages):
    """What a receiver builds: every bone's place and rotation in Unity's world, from local positions and rotations."""
    bones = {args[0]: (np.array(args[1:4]), np.array(args[4:8])) for a, args in messages if a == "/VMC/Ext/Bone/Pos"}
    place, turn = {"": np.zeros(3)}, {"": np.eye(3)}
    for bone, parent in PARENTS.items():
        position, quaternion = bones[bone]
        place[bone] = place[parent] + turn[parent] @ position
        turn[bone] = turn[parent] @ from_quaternion(quaternion)
    return place


def test_the_avatar_stands_as_the_person_stands(calibrated):
    performer = Performer(rest=calibrated, state=CALIBRATED)
    for t in np.arange(0, 3, 0.25):
        person = walking(t)
        place = avatar(list(performer.messages(seen_of(person), t)))
        ends = {"LeftLowerArm": "LeftHand", "RightLowerArm": "RightHand", "LeftLowerLeg": "LeftFoot",
                "RightLowerLeg": "RightFoot", "LeftUpperArm": "LeftLowerArm", "RightUpperArm": "RightLowerArm",
                "LeftUpperLeg": "LeftLowerLeg", "RightUpperLeg": "RightLowerLeg"}  # fmt: skip
        for bone, limb in LIMBS.items():
            wanted = unit(unity.MIRROR @ (person[limb.end] - person[limb.start]))
            assert unit(place[ends[bone]] - place[bone]) @ wanted > np.cos(np.radians(1.0)), bone
        hips = unity.position(calibrated.place(person["pelvis"]))
        assert np.allclose(place["Hips"], hips, atol=0.12) and np.allclose(place["Hips"][[0, 2]], [hips[0], hips[2]])
        assert np.linalg.norm(place["LeftHand"] - unity.MIRROR @ calibrated.place(person["left_wrist"])) < 0.15


def test_every_bone_is_sent_once_with_a_unit_quaternion():
    performer = Performer()
    for i in range(FRAMES):
        messages = list(performer.messages(seen_of(walking(0.3)), 1.0 + (i + 1 - FRAMES) / 30))
    bones = [args for address, args in messages if address == "/VMC/Ext/Bone/Pos"]
    assert sorted(b[0] for b in bones) == sorted(PARENTS)
    assert all(np.linalg.norm(b[4:8]) == pytest.approx(1) for b in bones)
    assert messages[0] == ("/VMC/Ext/OK", [1, UNCALIBRATED, 0, 1]) and messages[1] == ("/VMC/Ext/T", [1.0])


def test_nobody_is_told_and_moves_nothing():
    messages = dict(Performer().messages(None, 2.0))
    assert messages["/VMC/Ext/OK"] == [1, UNCALIBRATED, 0, 0] and "/VMC/Ext/Bone/Pos" not in messages


def test_calibration_counts_down_collects_and_tells():
    performer = Performer()
    performer.calibrate(0.0)
    states, told = [], []
    for i in range(200):
        list(performer.messages(seen_of(joints_of(T_POSE), joints_of(FACE)), i / 30))
        states.append(performer.state)
        told += [performer.news] if performer.news else []
        performer.news = ""
    assert [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]] == [WAITING, CALIBRATING, CALIBRATED]
    assert told[-1] == "calibrated" and "T-pose" in told[0]


def test_a_failed_calibration_keeps_the_old_rest_pose():
    performer = Performer()
    for i in range(FRAMES):
        list(performer.messages(seen_of(walking(0.1)), (i - FRAMES) / 30))
    before = performer.rest
    performer.obey("/VMC/Ext/Set/Calib/Exec", 0.0)
    for i in range(80):
        list(performer.messages(seen_of(walking(0.1)), i / 30))
    assert performer.state == UNCALIBRATED and performer.rest is before and "off the horizontal" in performer.news


def test_recentring_makes_here_the_middle_and_this_way_ahead(calibrated):
    performer = Performer(rest=calibrated, state=CALIBRATED)
    turn = about(np.array(1.0), 1)
    away = seen_of(joints_of(T_POSE, turn, (2, 0, -1)), joints_of(FACE, turn))
    before = avatar(list(performer.messages(away, 0)))
    performer.recentre()
    after = avatar(list(performer.messages(away, 0)))
    assert np.hypot(*before["Hips"][[0, 2]]) > 1 and np.allclose(after["Hips"][[0, 2]], 0, atol=1e-6)
    assert after["LeftHand"][0] == pytest.approx(-0.7, abs=1e-6)
    Performer().recentre()  # nobody in view: told, not raised


# choosing and reading people


def test_the_person_is_the_one_asked_for_or_the_last_or_the_first():
    pose = fake.pose(0, [fake.person(k, fake.in_camera(fake.walker(0))) for k in (3, 5)])
    assert chosen(pose, None, None).id == 3 and chosen(pose, None, 5).id == 5 and chosen(pose, None, 9).id == 3
    assert chosen(pose, 5, 3).id == 5 and chosen(pose, 9, 3) is None


def test_a_person_is_upright_and_absent_joints_are_missing():
    one = fake.person(1, fake.in_camera(fake.walker(0.5)), {"left_wrist": ABSENT, "head": INFERRED})
    found = bridged(one, fake.pose(0, [one]), fake.HELLO)
    assert "left_wrist" not in found.joints and "head" in found.joints and found.state["left_wrist"] == ABSENT
    assert found.joints["thorax"][1] - found.joints["pelvis"][1] == pytest.approx(0.5, abs=0.01)
    desk = fake.person(1, fake.in_camera(fake.walker(0.5)), {"pelvis": ABSENT})
    half = bridged(desk, fake.pose(0, [desk]), fake.HELLO)
    assert "pelvis" not in half.joints and np.allclose(half.joints["thorax"], found.joints["thorax"])
    gone = fake.person(1, fake.in_camera(fake.walker(0.5)), dict.fromkeys(fake.HELLO.joints, ABSENT))
    assert bridged(gone, fake.pose(0, [gone]), fake.HELLO) is None


def test_face_points_come_from_the_detector_and_only_when_seen():
    one = fake.person(1, fake.in_camera(fake.walker(0)))
    plain = fake.keypoints(0, (one,)).people[0]
    world = np.zeros((33, 3), np.float32)
    for name, point in FACE.items():
        world[fake.HELLO.joints2d.index(name)] = np.array(point) * [1, -1, -1]

    def face(score):
        person = replace(plain, world=world, score=np.full(33, score, np.float32))
        keypoints = Keypoints2D(fake.stamp(0), 640, 480, (person,))
        return bridged(one, fake.pose(0, [one]), fake.HELLO, keypoints).face

    assert {k: v.tolist() for k, v in face(0.9).items()} == pytest.approx(
        {k: pytest.approx(v) for k, v in FACE.items()}
    )
    assert face(0.1) == {} and isinstance(plain, Person2D)


# plain OSC


def test_joints_carry_place_sigma_and_state():
    one = fake.person(1, fake.in_camera(fake.walker(0.5)), {"left_wrist": ABSENT, "head": INFERRED})
    found = bridged(one, fake.pose(0, [one]), fake.HELLO)
    room, mirrored = (dict(osc.joint_messages("cam0", found, m)) for m in (False, True))
    assert len(room) == 17 and room["/steadypose/cam0/1/left_wrist"] == [0.0, 0.0, 0.0, -1.0, 3]
    head = room["/steadypose/cam0/1/head"]
    assert head[:3] == pytest.approx(list(found.joints["head"])) and head[3:] == [pytest.approx(0.07), 1]
    assert mirrored["/steadypose/cam0/1/head"][0] == pytest.approx(-head[0])


def test_vrchat_trackers_stand_on_the_floor_in_unity_axes():
    vrchat = osc.VRChat()
    for t in np.arange(0, 2, 0.1):
        messages = dict(vrchat.messages(seen_of({n: p - [0, 1.2, 3.6] for n, p in walking(t).items()}), t))
    assert {a.split("/")[3] for a in messages} == {*map(str, range(1, 9)), "head"}
    heights = [messages[f"/tracking/trackers/{n}/position"][1] for n in (3, 4)]
    assert min(heights) > 0.05 and max(heights) < 0.5 and messages["/tracking/trackers/head/position"][1] > 1.4
    assert len(messages["/tracking/trackers/1/rotation"]) == 3


# the command, with a real receiver


@contextmanager
def receiver():
    """A real OSC server; (address, arguments) in order of arrival."""
    got: queue.Queue = queue.Queue()
    table = dispatcher.Dispatcher()
    table.set_default_handler(lambda address, *values: got.put((address, list(values))))
    server = osc_server.BlockingOSCUDPServer(("127.0.0.1", 0), table)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1], got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def bridging(*flags):
    command = [sys.executable, "-m", "realtime.cli.main", "bridge", *map(str, flags)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(got, wanted, limit_s=20.0):
    end, found = time.monotonic() + limit_s, []
    while time.monotonic() < end:
        found.append(got.get(timeout=limit_s))
        if wanted(found):
            return found
    raise AssertionError(f"not among {len(found)} messages")


class Asker:
    """Another program that asks for a calibration."""

    def __init__(self):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as holder:
            holder.bind(("127.0.0.1", 0))
            self.port = holder.getsockname()[1]
        self.client = pytest.importorskip("pythonosc.udp_client").SimpleUDPClient("127.0.0.1", self.port)

    def ask(self, address, *values):
        self.client.send_message(address, values)

    def close(self):
        self.client._sock.close()


def test_vmc_reaches_a_real_server_calibrates_on_request_and_ends_on_q():
    def t_pose(t):
        return [fake.person(1, fake.in_camera(np.array([T_POSE[name] for name in fake.HELLO.joints], float)))]

    with FakePipeline(t_pose) as stream, receiver() as (port, got), closing(Asker()) as asker:
        flags = ("--connect", stream.address, "--target", f"127.0.0.1:{port}", "--listen", asker.port)
        with bridging("vmc", *flags) as process:
            found = until(got, lambda m: sum(a == "/VMC/Ext/Bone/Pos" for a, _ in m) >= 34)
            assert {args[0] for a, args in found if a == "/VMC/Ext/Bone/Pos"} == set(PARENTS)
            asker.ask("/VMC/Ext/Set/Calib/Exec", 0)
            until(got, lambda m: m[-1][0] == "/VMC/Ext/OK" and m[-1][1][1] == CALIBRATED)
            stream.script = lambda t: []
            until(got, lambda m: m[-1][0] == "/VMC/Ext/OK" and m[-1][1][3] == 0)
            process.stdin.write("q")
            process.stdin.flush()
            assert process.wait(10) == 0


@pytest.mark.parametrize("layout", ["joints", "vrchat"])
def test_osc_reaches_a_real_server(layout):
    with FakePipeline() as stream, receiver() as (port, got):
        flags = ("--target", f"127.0.0.1:{port}", "--layout", layout, "--smooth")
        with bridging("osc", "--connect", stream.address, *flags):
            found = until(got, lambda m: len(m) > 60)
    addresses = {a for a, _ in found}
    if layout == "joints":
        assert "/steadypose/cam0/frame" in addresses
        assert {f"/steadypose/cam0/1/{joint}" for joint in fake.HELLO.joints} <= addresses
    else:
        assert {f"/tracking/trackers/{n}/position" for n in range(1, 9)} <= addresses


def test_errors_name_the_next_step(capsys, monkeypatch):
    assert cli.main(["bridge", "vmc", "--target", "nowhere"]) == 2
    assert "HOST:PORT, such as 127.0.0.1:39539" in capsys.readouterr().err
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as holder:
        holder.bind(("127.0.0.1", 0))
        taken = holder.getsockname()[1]
        assert cli.main(["bridge", "vmc", "--listen", str(taken), "--connect", "tcp://127.0.0.1:1"]) == 3
        assert "--listen PORT" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pythonosc", None)
    assert cli.main(["bridge", "osc"]) == 2
    assert "steadypose[bridges]" in capsys.readouterr().err


def test_an_ideal_rest_pose_covers_every_bone():
    assert set(ideal().offsets) == set(PARENTS) == set(ideal().turned)
