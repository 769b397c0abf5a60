"""`bridge ros2`: messages are those of ROS 2's definitions, survive its encoding, and lie where REP 103 has them."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from realtime.bridges.avatar.humanoid import rotations
from realtime.bridges.person import bridged
from realtime.bridges.ros_messages import ROOM, marker_array, transforms
from realtime.cli import main as cli
from realtime.rotations import from_quaternion, unit
from realtime.wire.messages import ABSENT, INFERRED
from tests.support.consumers.bridge_command import BridgeCommand
from tests.support.people import walker, whole_body
from tests.support.publisher import FakePipeline

T_NS = 1_700_000_000_250_000_000


@pytest.fixture
def seen():
    pose = whole_body.walk(1)[0]
    return bridged(pose.people[0], pose, whole_body.HELLO)


def typed(store, kind, values):
    """The message class that rosbags makes of ROS 2's definition, with these values; others as ROS has them."""
    definition = store.fielddefs[kind][1]
    made = {}
    for name, (node, inner) in definition:
        if name == "structure_needs_at_least_one_member":
            continue
        made[name] = field(store, int(node), inner, values.get(name))
    assert set(values) <= set(made), f"{kind} has no {set(values) - set(made)}"
    return store.types[kind](**made)


def field(store, node, inner, value):
    if node == 2:  # another message
        return typed(store, inner, value or {})
    if node in (3, 4):  # array, sequence
        of_messages = int(inner[0][0]) == 2
        items = [typed(store, inner[0][1], one) for one in value or []] if of_messages else value or []
        return items if of_messages or inner[0][1][0] == "string" else np.array(items, np.uint8)
    plain = {"string": "", "bool": False}.get(inner[0], 0.0 if inner[0].startswith("float") else 0)
    return plain if value is None else value


@pytest.fixture
def store():
    rosbags = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed: pip install rosbags")
    return rosbags.get_typestore(rosbags.Stores.ROS2_JAZZY)


def round_trip(store, kind, values):
    """Encoded as ROS 2 encodes it (CDR), and read again."""
    return store.deserialize_cdr(store.serialize_cdr(typed(store, kind, values), kind), kind)


def test_markers_are_ros_messages_with_every_joint_and_bone(store, seen):
    found = round_trip(
        store, "visualization_msgs/msg/MarkerArray", marker_array([seen], whole_body.HELLO, "steadypose", T_NS)
    )
    joints, bones, label = found.markers
    assert [m.type for m in found.markers] == [7, 5, 9] and len({(m.ns, m.id) for m in found.markers}) == 3
    assert len(joints.points) == len(joints.colors) == 37 and len(bones.points) == len(bones.colors) == 2 * 36
    assert (joints.header.frame_id, joints.header.stamp.sec, joints.header.stamp.nanosec) == (
        "steadypose", 1_700_000_000, 250_000_000)  # fmt: skip
    first = joints.points[0]
    assert np.allclose([first.x, first.y, first.z], ROOM @ seen.joints["pelvis"])
    assert label.text == "1" and label.pose.position.z > max(p.z for p in joints.points)
    assert all(m.pose.orientation.w == 1 and m.lifetime.nanosec > 0 for m in found.markers)


def test_axes_are_x_ahead_y_left_z_up():
    """A metre ahead of the camera, half a metre to its left, above it."""
    assert np.allclose(ROOM @ [-0.5, 0.3, -1.0], [1.0, 0.5, 0.3]) and np.linalg.det(ROOM) == pytest.approx(1)


def test_absent_joints_have_no_points_and_unseen_ones_are_pale():
    one = walker.person(1, walker.in_camera(walker.walker(0.5)), {"left_wrist": ABSENT, "head": INFERRED})
    pose = walker.pose(0, [one])
    found = marker_array([bridged(one, pose, walker.HELLO)], walker.HELLO, "c", T_NS)["markers"]
    assert len(found[0]["points"]) == 16 and len(found[1]["points"]) == 2 * 15
    assert sorted({c["a"] for c in found[0]["colors"]}) == [0.35, 1.0]


def test_transforms_are_ros_messages_whose_x_is_where_the_person_faces(store, seen):
    found = round_trip(store, "tf2_msgs/msg/TFMessage", transforms([seen], "cam", T_NS)).transforms
    by_name = {one.child_frame_id: one.transform for one in found}
    assert len(by_name) == 37 and all(one.header.frame_id == "cam" for one in found)
    hips = by_name["cam/person_1/pelvis"].rotation
    turned = from_quaternion(np.array([hips.x, hips.y, hips.z, hips.w]))
    bones = rotations(seen.joints, {})
    assert np.allclose(turned[:, 0], ROOM @ bones["Hips"][:, 2], atol=1e-6)  # x: ahead of the person
    assert np.allclose(turned[:, 2], ROOM @ bones["Hips"][:, 1], atol=1e-6)  # z: up
    foot = by_name["cam/person_1/left_ankle"].rotation
    ahead = from_quaternion(np.array([foot.x, foot.y, foot.z, foot.w]))[:, 0]
    assert ahead @ unit(ROOM @ (seen.joints["left_foot_index"] - seen.joints["left_heel"])) > 0.999


def test_without_ros_what_to_source_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rclpy", None)
    assert cli.main(["bridge", "ros2"]) == 2
    assert "source /opt/ros" in capsys.readouterr().err


LISTENER = """
import sys, time
import rclpy
from visualization_msgs.msg import MarkerArray
got = []
rclpy.init()
node = rclpy.create_node("listener")
node.create_subscription(MarkerArray, "/steadypose/markers", got.append, 10)
end = time.monotonic() + 60
while len(got) < 20 and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.2)
print(len(got), len(got[-1].markers), len(got[-1].markers[0].points), got[-1].markers[0].header.frame_id)
"""


def test_a_node_of_ros_2_gets_the_markers():
    pytest.importorskip("rclpy", reason="no ROS 2 in this Python (rclpy)", exc_type=ImportError)
    with (
        FakePipeline(whole_body.walking, hello=whole_body.HELLO) as stream,
        BridgeCommand("ros2", "--connect", stream.address) as bridge,
    ):
        bridge.said("no subscribers of the markers")
        heard = subprocess.run([sys.executable, "-c", LISTENER], capture_output=True, text=True, timeout=90, check=True)
        bridge.said("1 subscriber of the markers")
        time.sleep(0.1)
        assert bridge.stop() == 0
    count, markers, points, frame = heard.stdout.split()
    assert int(count) >= 20 and (markers, points, frame) == ("3", "37", "steadypose")
