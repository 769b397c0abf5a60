"""One person as channels of the Lab Streaming Layer (type MoCap), and capture times on its clock.

Channels of each joint: PositionX, PositionY, PositionZ (m), Sigma (m), State (0 to 3); NaN where the joint is absent.
The last channel is the person's id, -1 for nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from realtime import clock
from realtime.bridges.person import BridgedPerson
from realtime.wire.messages import ABSENT, Hello, Pose3D

PARTS = (("PositionX", "meters"), ("PositionY", "meters"), ("PositionZ", "meters"), ("Sigma", "meters"), ("State", ""))
NAN = float("nan")
NOBODY = -1.0
TRIES = 9


def channels(joints: tuple[str, ...]) -> list[tuple[str, str, str, str]]:
    """Label, type, unit, marker of every channel."""
    found = [(f"{joint}.{kind}", kind, unit, joint) for joint in joints for kind, unit in PARTS]
    return [*found, ("person", "Identifier", "", "")]


def sample(joints: tuple[str, ...], person: BridgedPerson | None) -> list[float]:
    """Return one value for each channel."""
    if person is None:
        return [NAN, NAN, NAN, NAN, float(ABSENT)] * len(joints) + [NOBODY]
    values: list[float] = []
    for joint in joints:
        at = person.joints.get(joint)
        place = [NAN, NAN, NAN, NAN] if at is None else [*map(float, at), person.sigma[joint]]
        values += [*place, float(person.state[joint])]
    return [*values, float(person.id)]


def clock_offset_s(their_clock: Callable[[], float]) -> float:
    """Their clock minus ours, s: of some readings the one that took least time."""
    readings = []
    for _ in range(TRIES):
        before = clock.now_ns()
        theirs = their_clock()
        after = clock.now_ns()
        readings.append((after - before, theirs - (before + after) / 2 * 1e-9))
    return min(readings)[1]


def captured_s(pose: Pose3D, hello: Hello, offset_s: float, their_now_s: float) -> float:
    """When the picture was taken, on their clock.

    By the stamp where it is of this machine's clock; from another machine, now less the age that the pose left with,
    so that the network's delay remains; of a film or a recording, now.
    """
    if not pose.live:
        return their_now_s
    if hello.clock == clock.identity():
        return pose.stamp.t_capture_ns * 1e-9 + offset_s
    return their_now_s - max(0, pose.t_publish_ns - pose.stamp.t_capture_ns) * 1e-9
