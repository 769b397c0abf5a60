"""Send plain OSC: a message per joint (TouchDesigner, Max), or trackers as VRChat takes them (port 9000).

joints: `/steadypose/SOURCE/ID/JOINT x y z sigma state`: metres; x right of the camera, y up by gravity, z towards the
        camera, right-handed (`--axes unity`: x mirrored, left-handed); 1 sigma per coordinate in metres; state 0
        observed, 1 inferred, 2 held.  An ABSENT joint is sent as `x y z` 0, sigma -1, state 3.
        `/steadypose/SOURCE/frame seq people` comes first, also when nobody is in view.
vrchat: `/tracking/trackers/N/position x y z` and `/rotation x y z` in Unity's axes, metres and degrees; 1 hip, 2 chest,
        3 4 left and right foot, 5 6 knees, 7 8 elbows; `/tracking/trackers/head/position` aligns the spaces.
        The floor is where the feet of the first frames stood; hidden joints that are ABSENT are not sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from realtime.bridges import unity
from realtime.bridges.humanoid import Rotations, rotations
from realtime.bridges.person import BridgedPerson
from realtime.rotations import Real
from realtime.wire.messages import ABSENT, Pose3D

Message = tuple[str, list[object]]

# tracker -> joint, the bone whose rotation it has
TRACKERS = {
    "1": ("pelvis", "Hips"),
    "2": ("thorax", "Chest"),
    "3": ("left_ankle", "LeftFoot"),
    "4": ("right_ankle", "RightFoot"),
    "5": ("left_knee", "LeftUpperLeg"),
    "6": ("right_knee", "RightUpperLeg"),
    "7": ("left_elbow", "LeftUpperArm"),
    "8": ("right_elbow", "RightUpperArm"),
}
ANKLE_M = 0.08  # an ankle above the floor
FLOOR_FRAMES = 60


def frame_message(pose: Pose3D) -> Message:
    return f"/steadypose/{pose.stamp.source}/frame", [pose.stamp.seq, len(pose.people)]


def joint_messages(source: str, seen: BridgedPerson, mirrored: bool) -> Iterator[Message]:
    for joint, state in seen.state.items():
        address = f"/steadypose/{source}/{seen.id}/{joint}"
        if state == ABSENT or joint not in seen.joints:
            yield address, [0.0, 0.0, 0.0, -1.0, int(ABSENT)]
            continue
        point = seen.joints[joint]
        xyz = unity.position(point) if mirrored else tuple(float(v) for v in point)
        yield address, [*xyz, seen.sigma[joint], state]


@dataclass
class VRChat:
    """One person as VRChat's trackers."""

    _floor: float | None = None
    _frames: int = 0
    _bones: Rotations | None = None

    def messages(self, seen: BridgedPerson) -> Iterator[Message]:
        self._bones = rotations(seen.joints, seen.face, self._bones)
        self._stand(seen)
        for tracker, (joint, bone) in TRACKERS.items():
            if joint in seen.joints:
                yield f"/tracking/trackers/{tracker}/position", list(unity.position(self._above(seen.joints[joint])))
                yield f"/tracking/trackers/{tracker}/rotation", list(unity.euler(self._bones[bone]))
        if "head" in seen.joints:
            yield "/tracking/trackers/head/position", list(unity.position(self._above(seen.joints["head"])))

    def _stand(self, seen: BridgedPerson) -> None:
        ankles = [seen.joints[name][1] for name in ("left_ankle", "right_ankle") if name in seen.joints]
        if not ankles or self._frames >= FLOOR_FRAMES:
            return
        self._frames += 1
        low = float(min(ankles)) - ANKLE_M
        self._floor = low if self._floor is None else min(self._floor, low)

    def _above(self, point: Real) -> Real:
        return np.asarray(point - np.array([0.0, self._floor or 0.0, 0.0]))
