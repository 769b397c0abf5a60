"""Lay out people as rerun's viewer draws them: points, bones and colours in numbers, without rerun.

Axes: the room's, right-handed, y up, metres.  Blue left, orange right; unseen joints are pale, within a ball as large
as 95 % of the error.  rerun's points know no transparency: pale is mixed with grey, and balls are shapes of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.bridges.person import BridgedPerson
from realtime.rotations import Real
from realtime.wire.messages import OBSERVED, Hello

LEFT, RIGHT, MIDDLE = (74, 178, 255), (255, 133, 66), (235, 235, 235)
GREY, PALE = 165, 0.6  # of what is not observed: its share of grey
JOINT_M, BONE_M = 0.015, 0.008
NINETY_FIVE = 1.96  # sigmas

Colours = NDArray[np.uint8]


@dataclass(frozen=True)
class Figure:
    names: tuple[str, ...]
    points: Real  # (N, 3) m
    colours: Colours  # (N, 3)
    bones: Real  # (B, 2, 3) m
    bone_colours: Colours  # (B, 3)
    balls: Real  # (U, 3) m, of unseen joints
    ball_radii: Real  # (U,) m
    ball_colours: Colours  # (U, 3)


def tint(joint: str, observed: bool) -> tuple[int, ...]:
    colour = LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else MIDDLE
    return colour if observed else tuple(round(PALE * GREY + (1 - PALE) * one) for one in colour)


def figure(person: BridgedPerson, hello: Hello) -> Figure:
    known = tuple(name for name in hello.joints if name in person.joints)
    pairs = [(hello.joints[p], name) for name, p in zip(hello.joints, hello.parents) if p >= 0]
    bones = [(a, b) for a, b in pairs if a in person.joints and b in person.joints]
    seen = {name: person.state[name] == OBSERVED for name in known}
    unseen = [name for name in known if not seen[name]]
    return Figure(
        known,
        np.array([person.joints[name] for name in known]).reshape(-1, 3),
        np.array([tint(name, seen[name]) for name in known], np.uint8).reshape(-1, 3),
        np.array([[person.joints[a], person.joints[b]] for a, b in bones]).reshape(-1, 2, 3),
        np.array([tint(b, seen[a] and seen[b]) for a, b in bones], np.uint8).reshape(-1, 3),
        np.array([person.joints[name] for name in unseen]).reshape(-1, 3),
        np.array([max(JOINT_M, NINETY_FIVE * person.sigma[name]) for name in unseen]),
        np.array([tint(name, True) for name in unseen], np.uint8).reshape(-1, 3),
    )
