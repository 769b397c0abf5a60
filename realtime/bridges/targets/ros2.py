"""`realtime bridge ros2`: skeletons as markers and tf, by the rclpy of the ROS 2 that is sourced."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from realtime.bridges.loop import Bridge, Changes, MissingLibrary
from realtime.bridges.person import BridgedPerson
from realtime.bridges.ros_messages import Message, marker_array, transforms
from realtime.wire.messages import Hello, Pose3D

QUEUE = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--frame", default="steadypose", help="of the camera: x ahead, y left, z up; default steadypose"
    )
    parser.add_argument("--topic", default="/steadypose/markers", help="of the markers, default /steadypose/markers")


def library() -> Any:
    try:
        return importlib.import_module("rclpy")
    except ImportError as error:
        raise MissingLibrary(
            f"bridge ros2 needs the rclpy of ROS 2, in this Python: source /opt/ros/DISTRO/setup.bash ({error})"
        ) from None


def message_class(kind: str) -> Any:
    """`geometry_msgs/Point` -> the class."""
    package, _, name = kind.partition("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def filled(kind: str, values: Message) -> Any:
    """Return a message of this kind with these values; what they do not name keeps its default."""
    made = message_class(kind)()
    kinds = made.get_fields_and_field_types()
    for name, value in values.items():
        inner = kinds[name]
        if inner.startswith("sequence<") and "/" in inner:
            value = [filled(inner.removeprefix("sequence<").rstrip(">").partition(",")[0], one) for one in value]
        elif isinstance(value, dict):
            value = filled(inner, value)
        setattr(made, name, value)
    return made


class RosNode:
    def __init__(self, topic: str, frame: str) -> None:
        self._rclpy, self._frame = library(), frame
        self._rclpy.init(args=[], signal_handler_options=self._rclpy.signals.SignalHandlerOptions.NO)
        self._node = self._rclpy.create_node("steadypose_bridge")
        self._markers = self._publisher("visualization_msgs/MarkerArray", topic)
        self._tf, self._without_tf = None, ""
        try:
            self._tf = self._publisher("tf2_msgs/TFMessage", "/tf")
        except ImportError:
            self._without_tf = "; without tf: the package tf2_msgs is not there"

    def _publisher(self, kind: str, topic: str) -> Any:
        return self._node.create_publisher(message_class(kind), topic, QUEUE)

    def send(self, pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        if hello is None or not people:
            return
        t_ns = pose.stamp.t_capture_unix_ns
        self._markers.publish(filled("visualization_msgs/MarkerArray", marker_array(people, hello, self._frame, t_ns)))
        if self._tf:
            self._tf.publish(filled("tf2_msgs/TFMessage", transforms(people, self._frame, t_ns)))

    def state(self) -> str:
        count = self._markers.get_subscription_count()
        return f"{count or 'no'} subscriber{'' if count == 1 else 's'} of the markers{self._without_tf}"

    def close(self) -> None:
        self._node.destroy_node()
        self._rclpy.shutdown()


def open_bridge(args: argparse.Namespace) -> Bridge:
    node, changes = RosNode(args.topic, args.frame), Changes()
    return Bridge(
        f"{args.topic} and /tf", node.send, node.close, everybody=True, news=lambda: changes.changed(node.state())
    )
