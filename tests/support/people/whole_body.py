"""The walking skeleton with 37 joints: H36M's 17, then BlazePose's other 20, placed on it exactly."""

from __future__ import annotations

import numpy as np

from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.wire.messages import Hello, Person3D, Pose3D, replace
from tests.support.people import walker

OTHERS = tuple(name for name in BLAZEPOSE_33.joints if name not in H36M_17.joints)
JOINTS = H36M_17.joints + OTHERS
PARENT_OF = {"heel": "ankle", "foot_index": "ankle", "pinky": "wrist", "index": "wrist", "thumb": "wrist"}


def parent(name: str) -> int:
    side, _, part = name.partition("_")
    return JOINTS.index(f"{side}_{PARENT_OF[part]}") if part in PARENT_OF else JOINTS.index("nose")


HELLO: Hello = replace(walker.HELLO, joints=JOINTS, parents=H36M_17.parents + tuple(parent(n) for n in OTHERS))
TOE_OUT, HEAD_TURN = np.radians(20.0), np.radians(30.0)  # both feet, the head to its left


def turned(angle: float) -> np.ndarray:
    """About the vertical, from ahead to the person's left."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def whole_body(xyz: np.ndarray) -> np.ndarray:
    """(17, 3) y up -> (37, 3); feet flat and turned out, head turned, palms to the back."""
    at = dict(zip(H36M_17.joints, xyz))
    left = at["left_hip"] - at["right_hip"]
    left = left * [1, 0, 1] / np.linalg.norm(left * [1, 0, 1])
    body = np.stack([left, [0, 1, 0], np.cross(left, [0, 1, 0])], -1)  # columns: left, up, ahead
    for side, sign in (("left", 1.0), ("right", -1.0)):
        foot = body @ turned(sign * TOE_OUT)
        at[f"{side}_heel"] = at[f"{side}_ankle"] + foot @ [0, -0.08, -0.05]
        at[f"{side}_foot_index"] = at[f"{side}_ankle"] + foot @ [0, -0.08, 0.17]
        along = at[f"{side}_wrist"] - at[f"{side}_elbow"]
        along = along / np.linalg.norm(along)
        across = np.cross(along, np.cross(body[:, 2], along))
        across = across / np.linalg.norm(across)
        knuckles = at[f"{side}_wrist"] + 0.09 * along
        at[f"{side}_index"], at[f"{side}_pinky"] = knuckles + 0.03 * across, knuckles - 0.03 * across
        at[f"{side}_thumb"] = at[f"{side}_wrist"] + 0.05 * along + 0.04 * across
    head = body @ turned(HEAD_TURN)
    middle = (at["thorax"] + at["head"]) / 2
    at["nose"] = middle + head @ [0, 0, 0.11]
    face = {
        "ear": (0.075, 0, 0),
        "eye": (0.03, 0.03, 0.1),
        "eye_inner": (0.02, 0.03, 0.1),
        "eye_outer": (0.04, 0.03, 0.1),
    }
    for part, place in face.items():
        for side, sign in (("left", 1.0), ("right", -1.0)):
            at[f"{side}_{part}"] = middle + head @ (np.array(place) * [sign, 1, 1])
    at["mouth_left"], at["mouth_right"] = middle + head @ [0.02, -0.05, 0.1], middle + head @ [-0.02, -0.05, 0.1]
    return np.array([at[name] for name in JOINTS])


def person(xyz: np.ndarray, i: int = 1) -> Person3D:
    """Of 37 joints in camera axes, all seen."""
    return replace(
        walker.person(i, xyz[:17]), xyz=(xyz - xyz[0]).astype(np.float32), xy=walker.project(xyz).astype(np.float32),
        state=np.zeros(len(JOINTS), np.uint8), sigma=np.full(len(JOINTS), 0.015, np.float32),
        age_ms=np.zeros(len(JOINTS), np.float32), reliability=np.full(len(JOINTS), 0.9, np.float32),
    )  # fmt: skip


def walking(t: float) -> list[Person3D]:
    """The script of a pipeline: one person who walks."""
    return [person(walker.in_camera(whole_body(walker.walker(t))))]


def walk(count: int = 60, hz: float = 30.0) -> list[Pose3D]:
    """A clip of one person with 37 joints."""
    return [walker.pose(i, walking(i / hz), walker.stamp(i, hz)) for i in range(count)]
