"""Read a recording's people as clips of poses with the keypoints they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engines.contract import map_reliability
from engines.skeleton import BODY_37, H36M_17, JOINT_SETS, mapping
from realtime.recording.file_format import HELLO, KEYPOINTS2D, POSE3D, RecordingReader
from realtime.wire import messages
from realtime.wire.messages import ABSENT, Hello, Keypoints2D, MessageError, Pose3D
from trainers.errors import UserError

GAP_NS = 500_000_000  # a longer pause ends a clip
KINDS: dict[int, Any] = {HELLO: Hello, KEYPOINTS2D: Keypoints2D, POSE3D: Pose3D}
Key = tuple[int, int, int]  # stream, seq, id
Viewed = tuple[Any, Any, Any]  # rays (17, 2), confidence (17,), the detector's own 3D (17, 3) m or NaN
NOTHING: Viewed = (np.zeros((17, 2), np.float32), np.zeros(17, np.float32), np.full((17, 3), np.nan, np.float32))

CORE = len(H36M_17)  # joints of a clip: the first of every pose


@dataclass
class RecordingClip:
    """One person, frame after frame without a pause."""

    keys: list[Key] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    xyz: list[Any] = field(default_factory=list)  # (17, 3) m
    rays: list[Any] = field(default_factory=list)  # (17, 2)
    confidence: list[Any] = field(default_factory=list)  # (17,)
    world: list[Any] = field(default_factory=list)  # (17, 3) m
    means: list[Any] = field(default_factory=list)  # (17,) bool: pose and keypoint mean something

    def add(self, key: Key, now_ns: int, person: Any, viewed: Viewed | None) -> None:
        rays, confidence, world = viewed or NOTHING
        self.keys.append(key)
        self.times_ns.append(now_ns)
        self.xyz.append(person.xyz[:CORE])
        self.rays.append(rays)
        self.confidence.append(confidence)
        self.world.append(world)
        self.means.append((person.state[:CORE] != ABSENT) & (viewed is not None))


def gathered(path: Path, fov: float) -> list[RecordingClip]:
    """Return the people of a recording that have poses and keypoints; either may stand first in the file."""
    poses, keypoints = read(path, fov)
    open_clips: dict[tuple[int, int], RecordingClip] = {}
    clips: list[RecordingClip] = []
    for pose in poses:
        for person in pose.people:
            name, now = (pose.stamp.stream, person.id), pose.stamp.t_capture_ns
            clip = open_clips.get(name)
            if clip is None or not 0 < now - clip.times_ns[-1] <= GAP_NS:
                clip = open_clips[name] = RecordingClip()
                clips.append(clip)
            key = (*stamp(pose), person.id)
            clip.add(key, now, person, keypoints.get(key))
    found = [c for c in clips if any(m.any() for m in c.means)]
    if not found:
        raise UserError(
            f"{path}: {len(poses)} poses, {len(keypoints)} people's keypoints, none of both of one frame; record anew: "
            "realtime run --record FILE"
        )
    return found


def read(path: Path, fov: float) -> tuple[list[Pose3D], dict[Key, Viewed]]:
    held = [message for message in map(decoded, RecordingReader(path)) if message is not None]
    names = {check_joints(path, message) for message in held if isinstance(message, Hello)}
    if len(names) != 1:
        raise UserError(f"{path}: joints of {len(names)} kinds by its Hellos, expected one; record anew")
    (joints2d,) = names
    keypoints: dict[Key, Viewed] = {}
    for message in held:
        if isinstance(message, Keypoints2D):
            keypoints |= viewed(message, joints2d, fov)
    return [m for m in held if isinstance(m, Pose3D) and m.status != "STALE"], keypoints


def decoded(record: Any) -> Any:
    """Return None for a record that holds no message of this version."""
    try:
        return messages.decode(KINDS[record.type], record.payload) if record.type in KINDS else None
    except MessageError:
        return None


def check_joints(path: Path, hello: Hello) -> str:
    """Return the joint set of the keypoints."""
    if hello.joints not in (H36M_17.joints, BODY_37.joints):
        raise UserError(
            f"{path}: poses of {len(hello.joints)} joints ({hello.joints[0]}, ...), expected {H36M_17.name} or body37"
        )
    name = next((name for name, known in JOINT_SETS.items() if known.joints == hello.joints2d), None)
    if name is None:
        raise UserError(
            f"{path}: keypoints of {len(hello.joints2d)} unknown joints, expected one of {', '.join(JOINT_SETS)}"
        )
    return name


def stamp(message: Keypoints2D | Pose3D) -> tuple[int, int]:
    return message.stamp.stream, message.stamp.seq


def viewed(message: Keypoints2D, joints2d: str, fov: float) -> dict[Key, Viewed]:
    """Everybody's keypoints, in the pose's joints."""
    weights = mapping(joints2d, H36M_17.name)
    size = np.array([message.width, message.height], np.float32)
    focal = max(size) / 2 / np.tan(np.radians(fov / 2))
    found = {}
    for person in message.people:
        told = person.score if person.reliability is None else person.reliability
        if told.shape == weights.shape[1:]:
            rays = ((weights @ person.xy - size / 2) / focal).astype(np.float32)
            world = NOTHING[2] if person.world is None else (weights @ person.world).astype(np.float32)
            key = (*stamp(message), person.id)
            found[key] = (rays, map_reliability(told, weights).clip(0, 1), world)
    return found
