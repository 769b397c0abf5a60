"""People who walk, wave and turn, as messages of the stream: exact, quick, any number, with joints hidden on demand."""

from __future__ import annotations

import numpy as np

from engines.skeleton import BLAZEPOSE_33, H36M_17, mapping
from realtime import clock
from realtime.wire.messages import (
    ABSENT,
    HELD,
    INFERRED,
    OBSERVED,
    Hello,
    Keypoints2D,
    Person2D,
    Person3D,
    PersonStatus,
    Pose3D,
    Stamp,
)

WIDTH, HEIGHT, FOCAL = 640, 480, 554.0
CAMERA_HEIGHT, DISTANCE = 1.2, 3.6
AGE_OF_STATE = {OBSERVED: 0.0, INFERRED: 400.0, HELD: 1500.0, ABSENT: 4000.0}

HELLO = Hello(
    "boot-1", "cam0", H36M_17.joints, H36M_17.parents, BLAZEPOSE_33.joints, "eq2", 0.5, "walker", "0" * 64, "none",
    0.0, "walk", parents2d=BLAZEPOSE_33.parents, clock=clock.identity(),
)  # fmt: skip


def walker(t: float, phase: float = 0.0, shrug: float = 0.02, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """(17, 3) at time t: metres, y up, facing +z (the camera) and turning; bones are constant but for the shrug."""
    swing = np.sin(2 * np.pi * 0.8 * t + phase)
    joints = {"pelvis": np.array([0.0, 0.93, 0.0])}

    def put(name: str, parent: str, *offset: float) -> None:
        joints[name] = joints[parent] + np.array(offset)

    for side, sign in (("right", -1.0), ("left", 1.0)):
        leg, knee = 0.5 * swing * sign, 0.25 + 0.25 * swing * sign
        put(f"{side}_hip", "pelvis", 0.13 * sign, 0.0, 0.0)
        put(f"{side}_knee", f"{side}_hip", 0.0, -0.44 * np.cos(leg), 0.44 * np.sin(leg))
        put(f"{side}_ankle", f"{side}_knee", 0.0, -0.43 * np.cos(leg - knee), 0.43 * np.sin(leg - knee))
    put("spine", "pelvis", 0.02 * swing, 0.24, 0.01)
    put("thorax", "spine", 0.01 * swing, 0.26, 0.0)
    put("nose", "thorax", 0.0, 0.12, 0.07)
    put("head", "nose", 0.0, 0.11, -0.03)
    for side, sign in (("right", -1.0), ("left", 1.0)):
        arm, bend = -0.5 * swing * sign, 0.35
        put(f"{side}_shoulder", "thorax", 0.17 * sign, -0.02 + shrug * swing * sign, 0.0)
        if side == "left":  # waves
            lift, wave = 1.1 + 0.2 * np.sin(1.3 * t + phase), 2.3 + 0.5 * np.sin(7 * t)
            put("left_elbow", "left_shoulder", 0.28 * np.sin(lift), -0.28 * np.cos(lift), 0.0)
            put("left_wrist", "left_elbow", 0.25 * np.sin(wave), -0.25 * np.cos(wave), 0.0)
            continue
        put("right_elbow", "right_shoulder", -0.04, -0.277 * np.cos(arm), 0.277 * np.sin(arm))
        put("right_wrist", "right_elbow", -0.03, -0.248 * np.cos(arm + bend), 0.248 * np.sin(arm + bend))
    xyz = np.array([joints[name] for name in H36M_17.joints])
    turn = 0.9 * np.sin(0.4 * t + phase)
    c, s = np.cos(turn), np.sin(turn)
    xyz = xyz @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    return xyz + np.random.default_rng([seed, int(t * 1e4)]).normal(0, noise, xyz.shape) if noise else xyz


def in_camera(xyz: np.ndarray, x: float = 0.0, z: float = 0.0) -> np.ndarray:
    """Room (y up) -> camera axes, absolute, for somebody who stands at x, z of the room."""
    place = xyz + np.array([x, 0.0, z])
    return place * [1, -1, -1] + np.array([0, CAMERA_HEIGHT, DISTANCE])


def project(xyz_cam: np.ndarray) -> np.ndarray:
    return xyz_cam[:, :2] / xyz_cam[:, 2:] * FOCAL + np.array([WIDTH / 2, HEIGHT / 2])


def stamp(seq: int, hz: float = 30.0, stream: int = 1, start_ns: int = 10**12, source: str = "cam0") -> Stamp:
    return Stamp(source, stream, seq, start_ns + round(seq / hz * 1e9), 1_700_000_000 * 10**9 + round(seq / hz * 1e9))


def states_of(hidden: dict[str, int]) -> np.ndarray:
    state = np.zeros(17, np.uint8)
    for name, value in hidden.items():
        state[H36M_17.index(name)] = value
    return state


def person(i: int, xyz_cam: np.ndarray, hidden: dict[str, int] | None = None, root: bool = True) -> Person3D:
    state = states_of(hidden or {})
    xyz = (xyz_cam - xyz_cam[0]).astype(np.float32)
    xyz[state == ABSENT] = 0.0
    sigma = np.select([state == OBSERVED, state == INFERRED], [0.015, 0.07], 0.16).astype(np.float32)
    age = np.array([AGE_OF_STATE[int(s)] for s in state], np.float32)  # type: ignore[index]
    reliability = np.where(state == OBSERVED, 0.9, 0.1).astype(np.float32)
    status: PersonStatus = "OCCLUDED" if (state != OBSERVED).all() else "TRACKED"
    return Person3D(
        i, status, xyz, sigma, state, age, reliability, project(xyz_cam).astype(np.float32),
        xyz_cam[0].astype(np.float32) if root else None, metric=False,
    )  # fmt: skip


def pose(seq: int, people: list[Person3D], st: Stamp | None = None, delay_ms: float = 20.0) -> Pose3D:
    st = st or stamp(seq)
    return Pose3D(
        st, WIDTH, HEIGHT, "OK" if people else "NO_PERSON", tuple(people), (0.0, -1.0, 0.0), "estimated", 0.0,
        st.t_capture_ns + round(delay_ms * 1e6), 0, {"detect": 11000, "lift": 900},
    )  # fmt: skip


def keypoints(seq: int, people: tuple[Person3D, ...], st: Stamp | None = None) -> Keypoints2D:
    """The 2D that goes with people: the joints of BlazePose made from H36M's, reliabilities with them."""
    back = np.argmax(mapping("blazepose33", "h36m17"), axis=0)
    found = []
    for p in people:
        pick = np.minimum(back, len(p.xy) - 1)
        reliability = p.reliability[pick]
        found.append(Person2D(p.id, p.xy[pick], reliability, reliability, None, None, reliability))
    return Keypoints2D(st or stamp(seq), WIDTH, HEIGHT, tuple(found))


def walk(count: int = 90, hz: float = 30.0, hidden=None, **options) -> list[Pose3D]:
    """A clip of one person; `hidden(seq)` -> {joint: state}."""
    return [
        pose(i, [person(1, in_camera(walker(i / hz, **options)), hidden(i) if hidden else None)], stamp(i, hz))
        for i in range(count)
    ]
