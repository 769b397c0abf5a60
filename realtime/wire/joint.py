"""One joint of one person by its name, and the four states a joint can be in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from realtime.wire.arrays import F32


class JointState(IntEnum):
    """How a joint is known: OBSERVED 0, INFERRED 1, HELD 2, ABSENT 3; the value that travels as `state`.

    The larger, the less is known: `person.state <= JointState.INFERRED` are the joints a program may act on.
    """

    OBSERVED = 0  # the camera sees it now
    INFERRED = 1  # unseen up to 1 s: the network's answer
    HELD = 2  # unseen 1 to 2 s: the last bone kept
    ABSENT = 3  # unseen for longer, or never seen: position and sigma mean nothing


@dataclass(frozen=True, eq=False)
class Joint:
    """One joint of one person in one frame; `numpy.asarray(joint)` is its position.

    Attributes:
        name: as in `Hello.joints`, such as "right_wrist".
        xyz: (3,) m relative to the person's root; camera axes: x right, y down, z forward.
        sigma: m per coordinate; about 68 % of errors lie within one.
        state: JointState; of an ABSENT joint `xyz` and `sigma` mean nothing.
        age_ms: ms since it was last observed.
        reliability: 0 to 1, of its keypoint.
        xy: (2,) px in the picture.
    """

    name: str
    xyz: F32
    sigma: float
    state: JointState
    age_ms: float
    reliability: float
    xy: F32

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.xyz, dtype) if copy or dtype is not None else self.xyz

    def __repr__(self) -> str:
        x, y, z = self.xyz
        return f"{self.name} {x:+.2f} {y:+.2f} {z:+.2f} m ±{self.sigma:.2f} {self.state.name}"


class UnnamedJoints(LookupError):
    """Joints were asked for by name before their names were known."""

    exit_code = 2


def index_of(name: str, names: tuple[str, ...]) -> int:
    """Find a joint's row in a person's arrays; KeyError with the nearest name, UnnamedJoints without any names."""
    if not names:
        raise UnnamedJoints("the joints have no names yet: they come with Hello; PoseClient.hello() waits for it")
    if name not in names:
        near = difflib.get_close_matches(name, names, 1, 0.0)
        raise KeyError(f"no joint {name!r}; nearest is {near[0]!r}; all: {', '.join(names)}")
    return names.index(name)


def count_states(state: Iterable[int]) -> str:
    """Count the joints in each state, in words: "15 observed, 2 inferred"."""
    present = [int(value) for value in state]
    counts = {one: present.count(one) for one in JointState}
    return ", ".join(f"{count} {one.name.lower()}" for one, count in counts.items() if count) or "no joints"
