"""Send plain OSC: a message per joint (TouchDesigner, Max), or trackers as VRChat takes them (port 9000).

joints: `/steadypose/SOURCE/ID/JOINT x y z sigma state`: metres; x right of the camera, y up by gravity, z towards the
        camera, right-handed (`--axes unity`: x mirrored, left-handed); 1 sigma per coordinate in metres; state 0
        observed, 1 inferred, 2 held.  An ABSENT joint is sent as `x y z` 0, sigma -1, state 3.
        `/steadypose/SOURCE/frame seq people` comes first, also when nobody is in view.
vrchat: `/tracking/trackers/N/position x y z` and `/rotation x y z` in Unity's axes, metres and degrees; 1 hip, 2 chest,
        3 4 left and right foot, 5 6 knees, 7 8 elbows; `/tracking/trackers/head/position` aligns the spaces.
        The floor and the middle are where the first person stood, ahead is the camera; ABSENT joints are not sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from realtime.bridges.avatar import unity
from realtime.bridges.avatar.calibration import Rest, ideal
from realtime.bridges.avatar.feet import Ground, lowest_of_feet
from realtime.bridges.avatar.humanoid import Rotations, rotations
from realtime.bridges.avatar.standing import Standing
from realtime.bridges.avatar.trunk import Trunk
from realtime.bridges.avatar.turn_limit import TurnLimit
from realtime.bridges.person import BridgedPerson
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


def frame_message(pose: Pose3D) -> Message:
    return f"/steadypose/{pose.stamp.source}/frame", [pose.stamp.seq, len(pose.people)]


def joint_messages(source: str, person: BridgedPerson, mirrored: bool) -> Iterator[Message]:
    for joint, state in person.state.items():
        address = f"/steadypose/{source}/{person.id}/{joint}"
        if state == ABSENT or joint not in person.joints:
            yield address, [0.0, 0.0, 0.0, -1.0, int(ABSENT)]
            continue
        point = person.joints[joint]
        xyz = unity.position(point) if mirrored else tuple(float(v) for v in point)
        yield address, [*xyz, person.sigma[joint], state]


@dataclass
class VRChat:
    """One person as VRChat's trackers; the first half second tells where the floor and the middle are."""

    recentring: bool = True  # on the first person; else the camera is the middle
    _standing: Standing = field(default_factory=Standing)
    _room: Rest | None = None
    _bones: Rotations | None = None
    _id: int | None = None
    _turns: TurnLimit = field(default_factory=TurnLimit)
    _ground: Ground = field(default_factory=Ground)
    _trunk: Trunk = field(default_factory=Trunk)

    def messages(self, person: BridgedPerson, now_s: float) -> Iterator[Message]:
        whole = self._trunk.filled(person)
        if whole is None:
            return
        self._bones = rotations(whole.joints, whole.face, self._bones)
        if self._room is None:
            self._standing.add(whole)
            if not self._standing.known:
                return
            self._room = replace(self._standing.centre(ideal(), self.recentring), scale=1.0)
        if person.id != self._id:
            self._turns.forget()  # somebody else stands elsewhere
        self._id = person.id
        turned = self._turns.limit({bone: self._room.facing.T @ r for bone, r in self._bones.items()}, now_s)
        ground = self._ground.height(lowest_of_feet(person.joints), now_s)
        for tracker, (joint, bone) in TRACKERS.items():
            if joint in person.joints:
                place = unity.position(self._room.place(person.joints[joint], ground))
                yield f"/tracking/trackers/{tracker}/position", list(place)
                yield f"/tracking/trackers/{tracker}/rotation", list(unity.euler(turned[bone]))
        if "head" in person.joints:
            yield (
                "/tracking/trackers/head/position",
                list(unity.position(self._room.place(person.joints["head"], ground))),
            )
