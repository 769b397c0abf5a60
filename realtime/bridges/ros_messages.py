"""Make ROS 2 messages of people: markers of skeletons, transforms of joints; as plain dictionaries, without ROS.

Axes as REP 103 has them: metres, right-handed, x ahead of the camera, y to its left, z up by gravity.  Each joint's
frame has x ahead, y left, z up of the person in a T-pose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realtime.bridges.avatar.humanoid import LIMBS, rotations
from realtime.bridges.person import BridgedPerson
from realtime.rotations import Real, to_quaternion
from realtime.wire.messages import OBSERVED, Hello

Message = dict[str, Any]

ROOM = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # room axes -> REP 103
OWN = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])  # a bone's x ahead, y left, z up -> the humanoid's
BONE_AT = {one.start: bone for bone, one in LIMBS.items()} | {
    "pelvis": "Hips", "spine": "Chest", "thorax": "Neck", "head": "Head", "left_wrist": "LeftHand",
    "right_wrist": "RightHand", "left_ankle": "LeftFoot", "right_ankle": "RightFoot",
}  # fmt: skip
SPHERE_LIST, LINE_LIST, TEXT = 7, 5, 9  # visualization_msgs/Marker
ADD = 0
LIFETIME_NS = 500_000_000  # a skeleton that is not sent again goes
JOINT_M, BONE_M, TEXT_M = 0.045, 0.02, 0.12
LEFT, RIGHT, MIDDLE = (0.29, 0.70, 1.0), (1.0, 0.52, 0.26), (0.92, 0.92, 0.92)
UNSEEN = 0.35  # alpha of what is not observed
LABEL_M = 0.35  # above the highest joint


def time_of(ns: int) -> Message:
    return {"sec": ns // 1_000_000_000, "nanosec": ns % 1_000_000_000}


def header(frame: str, t_ns: int) -> Message:
    return {"stamp": time_of(t_ns), "frame_id": frame}


def vector(xyz: Real) -> Message:
    x, y, z = (float(v) for v in ROOM @ xyz)
    return {"x": x, "y": y, "z": z}


def quaternion(r: Real) -> Message:
    return dict(zip("xyzw", map(float, to_quaternion(ROOM @ r @ OWN))))


def colour(joint: str, state: int) -> Message:
    tint = LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else MIDDLE
    return {"r": tint[0], "g": tint[1], "b": tint[2], "a": 1.0 if state == OBSERVED else UNSEEN}


def marker(person: BridgedPerson, frame: str, t_ns: int, number: int, kind: int, size_m: float) -> Message:
    identity = {"position": {"x": 0.0, "y": 0.0, "z": 0.0}, "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}}
    return {
        "header": header(frame, t_ns), "ns": f"person_{person.id}", "id": number, "type": kind, "action": ADD,
        "pose": identity, "scale": {"x": size_m, "y": size_m, "z": size_m},
        "color": {"r": 1.0, "g": 1.0, "b": 1.0, "a": 1.0}, "lifetime": time_of(LIFETIME_NS),
    }  # fmt: skip


def joints_marker(person: BridgedPerson, frame: str, t_ns: int) -> Message:
    found = marker(person, frame, t_ns, 0, SPHERE_LIST, JOINT_M)
    found["points"] = [vector(at) for at in person.joints.values()]
    found["colors"] = [colour(name, person.state[name]) for name in person.joints]
    return found


def bones_marker(person: BridgedPerson, hello: Hello, frame: str, t_ns: int) -> Message:
    """Return two points and colours for each bone whose ends are known."""
    found = marker(person, frame, t_ns, 1, LINE_LIST, BONE_M)
    names = hello.joints
    bones = [(names[p], name) for name, p in zip(names, hello.parents) if p >= 0]
    known = [(a, b) for a, b in bones if a in person.joints and b in person.joints]
    found["points"] = [vector(person.joints[end]) for bone in known for end in bone]
    found["colors"] = [colour(b, max(person.state[a], person.state[b])) for a, b in known for _ in range(2)]
    return found


def label_marker(person: BridgedPerson, frame: str, t_ns: int) -> Message:
    found = marker(person, frame, t_ns, 2, TEXT, TEXT_M)
    top = max(person.joints.values(), key=lambda at: float(at[1])) + np.array([0.0, LABEL_M, 0.0])
    found["pose"] = found["pose"] | {"position": vector(top)}
    found["text"] = str(person.id)
    return found


def marker_array(people: list[BridgedPerson], hello: Hello, frame: str, t_ns: int) -> Message:
    """visualization_msgs/MarkerArray: joints, bones and the id of everybody."""
    return {
        "markers": [
            one
            for person in people
            for one in (
                joints_marker(person, frame, t_ns),
                bones_marker(person, hello, frame, t_ns),
                label_marker(person, frame, t_ns),
            )
        ]
    }


def transforms(people: list[BridgedPerson], frame: str, t_ns: int) -> Message:
    """tf2_msgs/TFMessage: `FRAME/person_ID/JOINT` of every known joint; turned where a bone of a humanoid begins."""
    return {"transforms": [one for person in people for one in person_transforms(person, frame, t_ns)]}


def person_transforms(person: BridgedPerson, frame: str, t_ns: int) -> list[Message]:
    turned = rotations(person.joints, person.face)
    return [
        {
            "header": header(frame, t_ns),
            "child_frame_id": f"{frame}/person_{person.id}/{name}",
            "transform": {"translation": vector(at), "rotation": quaternion(turned[BONE_AT.get(name, "Hips")])},
        }
        for name, at in person.joints.items()
    ]
