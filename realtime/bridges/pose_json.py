"""Write poses as JSON for browsers, MQTT and whatever else reads text.

Axes: right-handed, metres, x to the camera's right, y up by gravity, z towards the camera: three.js's own.
"""

from __future__ import annotations

import json

from realtime.bridges.person import BridgedPerson
from realtime.wire.messages import JOINT_STATES, Hello, Pose3D

VERSION = 1
AXES = "x right of the camera, y up, z towards the camera; right-handed"
DECIMALS = 4  # 0.1 mm


def hello_json(hello: Hello) -> str:
    """Return who publishes: names and parents in the order of every person's arrays."""
    return json.dumps({
        "type": "hello", "version": VERSION, "source": hello.source, "joints": hello.joints, "parents": hello.parents,
        "axes": AXES, "unit": "m", "states": [name.lower() for name in JOINT_STATES], "engine": hello.engine,
        "medium": hello.medium,
    }, separators=(",", ":"))  # fmt: skip


def pose_json(pose: Pose3D, people: list[BridgedPerson]) -> str:
    """Return one frame: `xyz` and `sigma` of an absent joint are null."""
    return json.dumps({
        "type": "pose", "source": pose.stamp.source, "stream": pose.stamp.stream, "seq": pose.stamp.seq,
        "t_capture_unix_ms": round(pose.stamp.t_capture_unix_ns * 1e-6, 3), "status": pose.status, "live": pose.live,
        "people": [person_json(one) for one in people],
    }, separators=(",", ":"))  # fmt: skip


def person_json(person: BridgedPerson) -> dict[str, object]:
    known = person.joints
    return {
        "id": person.id,
        "placed": person.placed,
        "xyz": [[round(float(v), DECIMALS) for v in known[n]] if n in known else None for n in person.state],
        "sigma": [round(person.sigma[n], DECIMALS) if n in known else None for n in person.state],
        "state": list(person.state.values()),
    }
