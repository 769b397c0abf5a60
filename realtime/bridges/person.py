"""Turn one person of the stream upright and name its joints: what every bridge starts from.

Axes: right-handed, metres, x to the camera's right, y up by gravity, z towards the camera, origin in the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.rotations import Real, y_up
from realtime.wire.messages import ABSENT, Hello, Keypoints2D, Person3D, Pose3D

FACE = ("nose", "left_ear", "right_ear")
FACE_SCORE = 0.3  # a face point below it says nothing


class OtherBody(Exception):
    """The stream's joints are not those of a humanoid."""

    exit_code = 2


@dataclass(frozen=True)
class BridgedPerson:
    id: int
    joints: dict[str, Real]  # (3,) m; ABSENT joints are missing
    face: dict[str, Real]  # (3,) m, relative to the hips
    sigma: dict[str, float]
    state: dict[str, int]  # of every joint
    placed: bool  # positions are in the room; else relative to the root


def check_humanoid(hello: Hello | None, otherwise: str) -> None:
    """OtherBody where the stream has no pelvis; `otherwise` is what can be done with it."""
    if hello and "pelvis" not in hello.joints:
        raise OtherBody(f"a joint named pelvis is needed, found {', '.join(hello.joints)[:200]}; try: {otherwise}")


def chosen(pose: Pose3D, wanted: int | None, last: int | None) -> Person3D | None:
    """Return the person asked for; else the one bridged last; else the one with the lowest id."""
    people = {person.id: person for person in pose.people}
    if wanted is not None:
        return people.get(wanted)
    return people.get(last) if last in people else min(people.values(), key=lambda p: p.id, default=None)


def bridged(person: Person3D, pose: Pose3D, hello: Hello, keypoints: Keypoints2D | None = None) -> BridgedPerson | None:
    """Return None where nothing is known."""
    upright = y_up(np.array(pose.up))
    root = np.zeros(3) if person.root_cam is None else np.asarray(person.root_cam, np.float64)
    points = (np.asarray(person.xyz, np.float64) + root) @ upright.T
    known = {name: points[i] for i, name in enumerate(hello.joints) if person.state[i] != ABSENT}
    if not known:
        return None
    return BridgedPerson(
        person.id,
        known,
        face_of(person.id, keypoints, hello, upright) if keypoints else {},
        {name: float(person.sigma[i]) for i, name in enumerate(hello.joints)},
        {name: int(person.state[i]) for i, name in enumerate(hello.joints)},
        person.root_cam is not None,
    )


def face_of(person_id: int, keypoints: Keypoints2D, hello: Hello, upright: Real) -> dict[str, Real]:
    """Nose and ears in 3D, where the detector gives them and sees them."""
    person = next((p for p in keypoints.people if p.id == person_id), None)
    if person is None or person.world is None:
        return {}
    where = {name: hello.joints2d.index(name) for name in FACE if name in hello.joints2d}
    if len(where) < len(FACE) or min(person.score[i] for i in where.values()) < FACE_SCORE:
        return {}
    return {name: upright @ np.asarray(person.world[i], np.float64) for name, i in where.items()}
