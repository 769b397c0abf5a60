"""Tell which joints the camera cannot see, and why: occluder, own body, another person, outside the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import BLAZEPOSE_33, H36M_17
from realtime.demo.anatomy import Body, J
from realtime.demo.camera import DemoCamera
from realtime.demo.occluders import Occluder, behind
from realtime.demo.shape import HEAD_AXIS

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]
NAMES = (*H36M_17.joints, *BLAZEPOSE_33.joints)  # order of every array of this room: 17 joints, then 33 points
_SLACK = 0.03  # metres a part must lie in front of a joint to hide it

# part -> (from, to, radius in metres of an adult)
_CAPSULES: dict[str, tuple[str, str, float]] = {
    **{
        f"{side}_{name}": (f"{side}_{a}", f"{side}_{b}", radius)
        for side in ("left", "right")
        for name, a, b, radius in (
            ("upper_arm", "shoulder", "elbow", 0.045), ("forearm", "elbow", "wrist", 0.036),
            ("thigh", "hip", "knee", 0.072), ("shin", "knee", "ankle", 0.047),
        )
    },
    "trunk": ("pelvis", "thorax", 0.115),
    "left_flank": ("left_hip", "left_shoulder", 0.085),  # drawn inwards by half
    "right_flank": ("right_hip", "right_shoulder", 0.085),
}  # fmt: skip
PARTS = (*_CAPSULES, "left_hand", "right_hand", "head")
_TRUNK_PARTS = {"trunk", "left_flank", "right_flank"}


def _own_parts(point: str) -> set[str]:
    """Return the limb a point belongs to: its own parts never hide it."""
    side, _, part = point.partition("_")
    arm, leg = {f"{side}_{p}" for p in ("upper_arm", "forearm", "hand")}, {f"{side}_{p}" for p in ("thigh", "shin")}
    if part == "shoulder":
        return {f"{side}_upper_arm"} | _TRUNK_PARTS
    if part == "hip":
        return {f"{side}_thigh"} | _TRUNK_PARTS
    if part in ("elbow", "wrist", "pinky", "index", "thumb"):
        return arm
    if part in ("knee", "ankle", "heel", "foot_index", "foot"):
        return leg
    return {"trunk", "left_flank", "right_flank", "head"} if point in ("pelvis", "spine", "thorax", "head") else set()


_OWN = np.array([[part in _own_parts(name) for part in PARTS] for name in NAMES])  # (50, parts)


@dataclass(frozen=True)
class HiddenJoints:
    """(50,) each: the 17 joints, then the 33 BlazePose points."""

    board: Flags
    own: Flags  # behind a part of the own body
    other: Flags  # behind another person
    outside: Flags

    @property
    def any(self) -> Flags:
        return self.board | self.own | self.other | self.outside


def all_points(person: Body) -> F64:
    return np.concatenate([person.joints, person.points])


def hidden(people: list[Body], camera: DemoCamera, boards: tuple[Occluder, ...] = ()) -> list[HiddenJoints]:
    parts = [_capsules(person) for person in people]
    return [_hidden_of(i, people, parts, camera, boards) for i in range(len(people))]


def _hidden_of(
    i: int, people: list[Body], parts: list[tuple[F64, F64, F64]], camera: DemoCamera, boards: tuple[Occluder, ...]
) -> HiddenJoints:
    points = all_points(people[i])
    by_board = np.zeros(len(points), bool)
    for board in boards:
        by_board |= behind(points, board)
    own = (_covered(points, *parts[i]) & ~_OWN).any(1)
    others = np.zeros(len(points), bool)
    for k, part in enumerate(parts):
        if k != i:
            others |= _covered(points, *part).any(1)
    return HiddenJoints(by_board, own, others, ~camera.sees(points))


def _capsules(person: Body) -> tuple[F64, F64, F64]:
    """End (P, 3), (P, 3) and radii (P,) of the parts, camera axes."""
    x, s = person.joints, person.scale
    a = [x[J[a]] for a, _, _ in _CAPSULES.values()]
    b = [x[J[b]] for _, b, _ in _CAPSULES.values()]
    radius = [r for _, _, r in _CAPSULES.values()]
    middle = (x[J["pelvis"]], (x[J["left_shoulder"]] + x[J["right_shoulder"]]) / 2)
    for k in (PARTS.index("left_flank"), PARTS.index("right_flank")):
        a[k], b[k] = (a[k] + middle[0]) / 2, (b[k] + middle[1]) / 2
    for i, side in enumerate(("left", "right")):
        wrist = x[J[f"{side}_wrist"]]
        a, b, radius = [*a, wrist], [*b, wrist + 0.13 * s * person.hands[i][1]], [*radius, 0.03]
    skull = x[J["nose"]] + s * (HEAD_AXIS * person.head[2])
    a, b = [*a, skull - 0.01 * s * person.head[1]], [*b, skull + 0.05 * s * person.head[1]]
    return np.array(a), np.array(b), np.array([*radius, 0.068]) * s


def _covered(points: NDArray[Any], a: F64, b: F64, radius: F64) -> Flags:
    """Map (N, 3) points and P capsules -> (N, P): the line of sight passes through the capsule before the point."""
    sight = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    reach = np.linalg.norm(points, axis=1)
    on_ray, gap = _closest(sight, a, b)
    entry = on_ray - np.sqrt(np.maximum(radius[None] ** 2 - gap**2, 0))
    return np.asarray((gap < radius[None]) & (on_ray > 0) & (entry + _SLACK + radius[None] * 0.5 < reach[:, None]))


def _closest(sight: F64, a: F64, b: F64) -> tuple[F64, F64]:
    """Map rays from the eye (N, 3, unit) and segments (P, 3) -> distance along the ray and gap, (N, P)."""
    along = b - a
    length2 = np.maximum((along**2).sum(1), 1e-12)[None]
    lean = sight @ along.T
    ahead = sight @ a.T
    behind_a = (along * a).sum(1)[None]
    flat = np.maximum(length2 - lean**2, 1e-9)
    t = np.clip((lean * ahead - behind_a) / flat, 0, 1)
    at = a[None] + t[..., None] * along[None]  # (N, P, 3)
    on_ray = (at * sight[:, None]).sum(-1)
    return on_ray, np.asarray(np.linalg.norm(at - np.maximum(on_ray, 0)[..., None] * sight[:, None], axis=-1))
