"""Refuse messages whose fields contradict each other: what decodes and still cannot be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from realtime.wire.array_codec import refuse

if TYPE_CHECKING:
    from realtime.wire.messages import Hello, Pose3D

AHEAD_NS = 1_000_000_000  # a live frame cannot be captured later than this after it was published
LONGEST_NAME = 64  # characters, of a joint


def check_pose(pose: Pose3D) -> None:
    """MessageError for people in a stale frame, two with one id, a bent `up`, a frame published before it was seen."""
    if pose.people and pose.status != "OK":
        refuse("contradiction", f"{len(pose.people)} people in a frame that is {pose.status}")
    if len({person.id for person in pose.people}) < len(pose.people):
        refuse("contradiction", "two people have one id")
    if abs(math.hypot(*pose.up) - 1) > 0.01:
        refuse("contradiction", f"up is a unit vector, found {pose.up}")
    if pose.live and pose.t_publish_ns and pose.stamp.t_capture_ns > pose.t_publish_ns + AHEAD_NS:
        refuse("future", "captured more than a second after it was published")


def check_hello(hello: Hello) -> None:
    """MessageError where joints and parents are no skeleton."""
    check_tree("joints", hello.joints, hello.parents)
    if hello.parents2d or not hello.joints2d:
        check_tree("joints2d", hello.joints2d, hello.parents2d, rooted=False)


def check_tree(name: str, joints: tuple[str, ...], parents: tuple[int, ...], rooted: bool = True) -> None:
    """Every joint has a name of its own and a parent that is another joint, or none (-1)."""
    if len(joints) != len(parents) or len(set(joints)) < len(joints):
        refuse("contradiction", f"{name}: {len(set(joints))} names, {len(joints)} joints, {len(parents)} parents")
    if any(not 0 < len(joint) <= LONGEST_NAME for joint in joints):
        refuse("contradiction", f"{name}: a name has 1 to {LONGEST_NAME} characters")
    if any(not -1 <= parent < len(joints) or parent == joint for joint, parent in enumerate(parents)):
        refuse("contradiction", f"{name}: a parent is -1 or another joint's number")
    if rooted and -1 not in parents:
        refuse("contradiction", f"{name}: no joint is the root")
    if not _ends(parents):
        refuse("contradiction", f"{name}: parents run in a circle")


def _ends(parents: tuple[int, ...]) -> bool:
    """Tell whether every joint's line of parents ends at a root."""
    reached, left = {-1}, set(range(len(parents)))
    while new := {joint for joint in left if parents[joint] in reached}:
        reached |= new
        left -= new
    return not left
