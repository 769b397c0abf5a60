"""Avatars of 37 joints: feet, hands and head point where the person's do, stand in the middle, and never jump."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing, contextmanager

import numpy as np
import pytest

from realtime.bridges import osc
from realtime.bridges.avatar import unity
from realtime.bridges.avatar.extremities import folded
from realtime.bridges.avatar.feet import Ground, lowest_of_feet
from realtime.bridges.avatar.humanoid import PARENTS, heading, rotations
from realtime.bridges.avatar.standing import FRAMES
from realtime.bridges.avatar.turn_limit import MOST_DEG_S, TurnLimit
from realtime.bridges.avatar.vmc import Performer
from realtime.bridges.person import BridgedPerson
from realtime.bridges.send import OscSender
from realtime.rotations import about, from_quaternion, unit
from tests.support.paths import ROOT
from tests.support.people import walker, whole_body
from tests.support.publisher import FakePipeline

HZ, SECONDS = 30, 60
JUMP_DEG = 30.0


def body(t, noise=0.0, seed=0, hide=()):
    points = whole_body.whole_body(walker.walker(t))
    points = points + np.random.default_rng([seed, round(t * 1e3)]).normal(0, noise, points.shape)
    return {name: p for name, p in zip(whole_body.JOINTS, points) if name not in hide}


def seen(joints, person_id=1):
    return BridgedPerson(person_id, joints, {}, dict.fromkeys(joints, 0.01), dict.fromkeys(joints, 0), True)


def between_deg(a, b):
    return float(np.degrees(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1))))


def settled(performer, joints):
    """What is sent for somebody who stood there for a second."""
    for i in range(2 * FRAMES):
        messages = list(performer.messages(seen(joints), i / HZ))
    return {args[0]: np.array(args[1:]) for address, args in messages if address == "/VMC/Ext/Bone/Pos"}


# half a body

BELOW = ("spine", "pelvis", "hip", "knee", "ankle", "heel", "foot_index")
DESK = tuple(name for name in whole_body.JOINTS if name.endswith(BELOW))


def room_turns(bones):
    """Each bone's rotation in the room, from those against the parents."""
    found = {"": np.eye(3)}
    for bone, parent in PARENTS.items():
        found[bone] = found[parent] @ from_quaternion(bones[bone][3:])
    return found


def test_at_a_desk_head_and_arms_move_as_those_of_a_whole_body():
    whole, half = (room_turns(settled(Performer(), body(0.4, hide=hide))) for hide in ((), DESK))
    for bone in ("Head", "LeftUpperArm", "LeftLowerArm", "RightUpperArm", "RightLowerArm"):
        assert between_deg(whole[bone], half[bone]) < 15, bone


def test_hips_that_a_desk_hides_for_a_while_stay_where_they_hung():
    performer, joints = Performer(), body(0.4)
    before = settled(performer, joints)["Hips"]
    after = settled(performer, body(0.4, hide=DESK))["Hips"]
    assert np.linalg.norm(after[:3] - before[:3]) < 0.03


def test_an_arm_that_was_never_seen_hangs_and_nobody_without_a_thorax_is_made_up():
    bones = room_turns(settled(Performer(), body(0.4, hide=("left_elbow", "left_wrist", *DESK))))
    assert (bones["LeftUpperArm"] @ unity.MIRROR @ [1.0, 0.0, 0.0])[1] < -0.9
    assert settled(Performer(), {"nose": np.zeros(3)}) == {}


# head, hands and feet


def test_feet_point_along_their_soles_and_the_head_where_the_nose_is():
    joints = body(0.0)
    found = rotations(joints, {})
    for side in ("left", "right"):
        sole = unit(joints[f"{side}_foot_index"] - joints[f"{side}_heel"])
        assert found[f"{side.title()}Foot"][:, 2] @ sole > 0.9999
    ahead = heading(found["Hips"])
    toes_out = np.degrees(np.arctan2((ahead.T @ found["LeftFoot"][:, 2])[0], (ahead.T @ found["LeftFoot"][:, 2])[2]))
    assert toes_out == pytest.approx(np.degrees(whole_body.TOE_OUT), abs=1)
    assert between_deg(ahead.T @ found["Head"], whole_body.turned(whole_body.HEAD_TURN)) < 3


def test_hands_point_where_their_knuckles_are():
    joints = body(0.0)
    bend = about(np.array(0.7), 1)
    for part in ("index", "pinky", "thumb"):
        joints[f"left_{part}"] = joints["left_wrist"] + bend @ (joints[f"left_{part}"] - joints["left_wrist"])
    found = rotations(joints, {})
    knuckles = (joints["left_index"] + joints["left_pinky"]) / 2 - joints["left_wrist"]
    assert found["LeftHand"][:, 0] @ unit(knuckles) > 0.9999
    assert found["LeftLowerArm"][:, 0] @ unit(joints["left_wrist"] - joints["left_elbow"]) > 0.9999


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_palm_is_rolled_as_the_knuckles_lie_and_the_forearm_half_as_far(side):
    joints = body(0.0)
    plain, axis = rotations(joints, {}), unit(joints[f"{side}_wrist"] - joints[f"{side}_elbow"])
    k = np.cross(np.eye(3), axis)
    roll = np.eye(3) + np.sin(0.6) * k + (1 - np.cos(0.6)) * k @ k
    for part in ("index", "pinky"):
        joints[f"{side}_{part}"] = joints[f"{side}_wrist"] + roll @ (joints[f"{side}_{part}"] - joints[f"{side}_wrist"])
    found = rotations(joints, {})
    hand, arm = f"{side.title()}Hand", f"{side.title()}LowerArm"
    assert between_deg(plain[hand], found[hand]) == pytest.approx(np.degrees(0.6), abs=0.5)
    assert between_deg(plain[arm], found[arm]) == pytest.approx(np.degrees(0.3), abs=0.5)


def test_a_roll_beyond_what_a_hand_can_do_fades_instead_of_jumping():
    angles = np.array([folded(a) for a in np.linspace(-np.pi, np.pi, 721)])
    assert np.abs(np.diff(angles)).max() < np.radians(1.5) and folded(np.pi) == pytest.approx(0, abs=1e-9)
    assert folded(1.2) == 1.2


def test_without_joints_of_their_own_hands_and_feet_go_on_as_their_limbs():
    few = {name: p for name, p in body(0.3).items() if name in walker.HELLO.joints}
    found = rotations(few, {})
    assert np.allclose(found["LeftHand"], found["LeftLowerArm"])
    assert np.allclose(found["RightFoot"], found["RightLowerLeg"])


def test_the_floor_is_under_the_soles_else_under_the_ankles():
    assert lowest_of_feet(body(0.0)) == pytest.approx(min(body(0.0)["left_heel"][1], body(0.0)["right_heel"][1]) - 0.02)
    assert lowest_of_feet({"left_ankle": np.array([0, 0.3, 0])}) == pytest.approx(0.22)
    assert lowest_of_feet({"left_knee": np.array([0, 0.5, 0])}) is None


# the middle


@pytest.mark.parametrize("turn", [0.0, 1.0, -2.5])
def test_the_first_person_stands_in_the_middle_on_the_floor_and_ahead_is_towards_the_camera(turn):
    place = about(np.array(turn), 1)
    there = {name: place @ p + [1.3, -1.2, -4.0] for name, p in body(0.0).items()}
    hips = settled(Performer(), there)["Hips"]
    assert np.allclose(hips[[0, 2]], 0, atol=0.01) and hips[1] == pytest.approx(0.95, abs=0.1)
    facing = unity.MIRROR @ from_quaternion(hips[3:])[:, 2]
    assert facing @ (place @ heading(rotations(body(0.0), {})["Hips"]))[:, 2] > 0.98
    away = settled(Performer(recentring=False), there)["Hips"]
    assert away[0] == pytest.approx(-1.3, abs=0.1) and away[2] == pytest.approx(-4.0, abs=0.1)


@pytest.mark.parametrize("size", [0.7, 1.0, 1.3])
def test_feet_of_an_avatar_that_was_not_calibrated_reach_the_floor_whoever_it_follows(size):
    """A child, and whoever the lifter takes to be half as far away as they are."""
    bones = settled(Performer(), {name: size * p + [0.4, -1.2, -3.0] for name, p in body(0.0).items()})
    place, turn = {"": np.zeros(3)}, {"": np.eye(3)}
    for bone, parent in PARENTS.items():
        place[bone] = place[parent] + turn[parent] @ bones[bone][:3]
        turn[bone] = turn[parent] @ from_quaternion(bones[bone][3:])
    assert min(place["LeftFoot"][1], place["RightFoot"][1]) == pytest.approx(0.08, abs=0.03)


def test_a_wrong_distance_sinks_nobody_and_a_jump_shows():
    ground, heights = Ground(), []
    for i in range(150):
        drift = -0.4 * min(1.0, i / 60)  # the estimate sinks by 40 cm in two seconds
        jump = 0.3 * np.sin(np.pi * (i - 120) / 12) if 120 <= i < 132 else 0.0
        joints = {name: p + [0, drift + jump, 0] for name, p in body(0.0).items()}
        heights.append(joints["pelvis"][1] - ground.height(lowest_of_feet(joints), i / HZ))
    still = heights[0]
    assert np.abs(np.array(heights[100:118]) - still).max() < 0.02  # settled again
    assert max(heights[120:132]) - still > 0.25
    assert Ground().height(None, 0.0) is None


def test_vrchats_trackers_stand_in_the_middle_too():
    vrchat = osc.VRChat()
    there = {name: about(np.array(2.0), 1) @ p + [1.3, -1.2, -4.0] for name, p in body(0.0).items()}
    for i in range(FRAMES + 1):
        messages = dict(vrchat.messages(seen(there), i / HZ))
    x, y, z = messages["/tracking/trackers/1/position"]
    assert np.hypot(x, z) < 0.01 and y == pytest.approx(0.95, abs=0.1)
    assert messages["/tracking/trackers/1/rotation"][1] == pytest.approx(-np.degrees(2.0), abs=10)


# no jumps


def test_a_bone_turns_no_faster_than_the_limit_and_arrives():
    limit, half = TurnLimit(), {"Hips": about(np.array(np.pi), 0)}
    limit.limit({"Hips": np.eye(3)}, 0.0)
    shown = [limit.limit(half, (i + 1) / HZ)["Hips"] for i in range(12)]
    steps = [between_deg(a, b) for a, b in zip([np.eye(3), *shown], shown)]
    assert max(steps) == pytest.approx(MOST_DEG_S / HZ, abs=0.01) and between_deg(shown[-1], half["Hips"]) < 0.01
    assert between_deg(limit.limit({"Hips": np.eye(3)}, 60.0)["Hips"], np.eye(3)) == 0  # after a pause: at once


def test_a_turn_within_the_limit_is_shown_as_it_is():
    limit = TurnLimit()
    for i in range(60):
        wanted = {"Head": about(np.array(0.3 * i), 1)}  # 17 degrees a frame
        assert np.allclose(limit.limit(wanted, i / HZ)["Head"], wanted["Head"])


def recorded_walk():
    """A minute of walking as an estimate is: 1 cm of noise, twice a second a joint that is half a metre off."""
    rng = np.random.default_rng(3)
    for i in range(SECONDS * HZ):
        joints = body(i / HZ, 0.01)
        if i % 15 == 14:
            joints[rng.choice(list(joints))] += rng.normal(0, 0.3, 3)
        yield i / HZ, joints


def worst_jump(turns, times_s):
    """The largest turn of any bone in the time of a frame, deg: (N, bones, 4) quaternions, (N,).

    On a machine that is too slow for every frame, a turn over the time of two frames may be twice as large.
    """
    angles = 2 * np.degrees(np.arccos(np.abs((turns[1:] * turns[:-1]).sum(-1)).clip(0, 1)))
    return float((angles / np.maximum(1, np.diff(times_s) * HZ)[:, None]).max())


def test_the_walk_would_jump_without_the_limit():
    bones, jumps = None, []
    for _, joints in zip(range(300), (j for _, j in recorded_walk())):
        last, bones = bones, rotations(joints, {}, bones)
        jumps.append(max((between_deg(last[b], bones[b]) for b in PARENTS), default=0) if last else 0)
    assert max(jumps) > 2 * JUMP_DEG


@pytest.mark.slow
def test_vrchats_trackers_turn_without_a_jump_for_a_minute_of_walking():
    vrchat, found = osc.VRChat(), []
    for t, joints in recorded_walk():
        messages = dict(vrchat.messages(seen(joints), t))
        if messages:
            found.append([messages.get(f"/tracking/trackers/{n}/rotation", [np.nan] * 3) for n in range(1, 9)])
    x, y, z = np.moveaxis(np.radians(found), -1, 0)
    turns = about(y, 1) @ about(x, 0) @ about(z, 2)
    steps = np.swapaxes(turns[:-1], -1, -2) @ turns[1:]
    angles = np.degrees(np.arccos(np.clip((np.trace(steps, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
    assert len(found) == SECONDS * HZ - FRAMES + 1 and angles.max() < JUMP_DEG


@contextmanager
def vmc_receiver():
    """The package vmcp in a process of its own: its port, and the lines it prints."""
    pytest.importorskip("vmcp.osc", reason="the independent VMC receiver is not installed: pip install 'vmcp[osc4py3]'")
    pytest.importorskip("osc4py3", reason="vmcp has no OSC backend: pip install 'vmcp[osc4py3]'")
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    command = [sys.executable, "-m", "tests.support.consumers.vmc_receiver", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield port, process.stdout
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_independent_receiver_sees_a_minute_of_walking_without_a_jump():
    """The minute is sent as fast as the receiver takes it; every frame arrives, complete."""
    performer, frames = Performer(), []
    with vmc_receiver() as (port, lines), closing(OscSender("127.0.0.1", port)) as sender:
        for t, joints in recorded_walk():
            messages = list(performer.messages(seen(joints), t))
            sender.send(messages)
            if len(messages) > len(PARENTS):
                frames.append(json.loads(lines.readline()))
    assert len(frames) == SECONDS * HZ - FRAMES + 1
    assert all(set(frame) == {*PARENTS, "t"} for frame in frames)
    turns = np.array([[frame[bone][3:] for bone in PARENTS] for frame in frames])
    assert np.allclose(np.linalg.norm(turns, axis=-1), 1, atol=1e-5)
    assert worst_jump(turns, np.arange(len(turns)) / HZ) < JUMP_DEG
    feet = unity.MIRROR @ from_quaternion(turns[:, list(PARENTS).index("LeftFoot")]) @ unity.MIRROR
    assert np.degrees(np.ptp(np.arcsin(feet[:, 1, 2]))) > 20  # the foot turns against its shin: it is no follower


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_command_sends_a_minute_of_live_walking_without_a_jump():
    """In real time: the stream, `realtime bridge vmc`, the receiver, each a program of its own."""
    with FakePipeline(whole_body.walking, hello=whole_body.HELLO) as stream, vmc_receiver() as (port, lines):
        words = ["bridge", "vmc", "--connect", stream.address, "--target", f"127.0.0.1:{port}", "--listen", "0"]
        command = [sys.executable, "-m", "realtime.cli.main", *words]
        bridge = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            frames = [json.loads(lines.readline())]
            while frames[-1]["t"] - frames[0]["t"] < SECONDS:
                frames.append(json.loads(lines.readline()))
        finally:
            bridge.terminate()
            said = bridge.communicate(timeout=10)[1]
    turns = np.array([[frame[bone][3:] for bone in PARENTS] for frame in frames])
    assert len(frames) > 0.5 * SECONDS * HZ, said
    assert worst_jump(turns, np.array([frame["t"] for frame in frames])) < JUMP_DEG
    assert "poses a second, 1.0 people in each" in said
