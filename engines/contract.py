"""Define what trainer, builder and runtime agree on: tensors, kinds, time, thresholds."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np

from engines.skeleton import JOINT_SETS, Array

Task = Literal["lift", "reliability", "detect2d"]
Kind = Literal["step", "window", "single"]

TICK_HZ = 30.0  # state of every streaming network lives on this nominal grid
TICK_S = 1.0 / TICK_HZ
BATCHES = (1, 4, 16)  # static batches a network is exported with
MAX_BATCH = 4096
MOST_TICKS, MOST_BATCHES, MOST_STATE = 100_000, 64, 1 << 26  # of a contract that is believed


def map_reliability(reliability: Array, weights: Array) -> Array:
    """(…, J_source) -> (…, J_target): a mapped joint is as reliable as the worst of its sources."""
    worst = np.where(weights != 0, reliability[..., None, :], np.float32(np.inf)).min(-1)
    return np.asarray(worst, np.float32)


@dataclass(frozen=True)
class Contract:
    """What an exported network promises.  Every field is written to its manifest and compared at load."""

    task: Task
    kind: Kind
    joints_in: str  # joint set of x, reliability and world
    joints_out: str
    receptive_field: int  # ticks
    look_ahead: int = 0  # ticks between the answered frame and the newest frame needed
    window: int = 1  # ticks of input of one call (kind window)
    world: bool = False  # takes the detector's own 3D
    sigma: bool = True  # answers log_sigma
    reliability_source: str = "eq2"  # what `reliability` was in training: eq2 | learned
    threshold: float = 0.5  # reliability at or above it: the keypoint counts as observed
    normalisation: str = "rays"  # of x: undistorted rays (u-cx)/f, (v-cy)/f; nothing else is known
    features: tuple[str, ...] = ()  # task reliability: channels of its input, in order
    state: tuple[tuple[str, tuple[int, ...]], ...] = field(default=())  # name -> shape of one slot
    batches: tuple[int, ...] = BATCHES
    tick_hz: float = TICK_HZ
    axes: str = "camera"  # x right, y down, z forward
    unit: str = "m"

    def __post_init__(self) -> None:
        for field_name, value, known in (
            ("task", self.task, get_args(Task)),
            ("kind", self.kind, get_args(Kind)),
            ("joints_in", self.joints_in, tuple(JOINT_SETS)),
            ("joints_out", self.joints_out, tuple(JOINT_SETS)),
            ("normalisation", self.normalisation, ("rays",)),
            ("axes", self.axes, ("camera",)),
            ("unit", self.unit, ("m",)),
        ):
            if value not in known:
                raise ValueError(f"contract: {field_name} is {value!r}, known: {', '.join(known)}")
        if not 0 <= self.look_ahead < max(self.window, self.receptive_field, 1):
            raise ValueError(f"contract: look_ahead {self.look_ahead} outside the receptive field")
        if not self.batches or not all(1 <= batch <= MAX_BATCH for batch in self.batches):
            raise ValueError(f"contract: batches {self.batches} outside 1 to {MAX_BATCH}")
        if not 1 <= self.window <= MOST_TICKS or not 0 <= self.receptive_field <= MOST_TICKS:
            raise ValueError(f"contract: window {self.window} or receptive field {self.receptive_field} beyond reason")
        if len(self.batches) > MOST_BATCHES or sum(math.prod(shape) for _, shape in self.state) > MOST_STATE:
            raise ValueError("contract: more batches or numbers of state than any network has")
        if any(size < 1 for _, shape in self.state for size in shape):
            raise ValueError("contract: a shape of the state has a size below 1")
        if not 1 <= self.tick_hz <= 1000 or not 0 <= self.threshold <= 1:
            raise ValueError(f"contract: {self.tick_hz} ticks a second or threshold {self.threshold} beyond reason")
        if self.kind != "window" and self.window != 1:
            raise ValueError(f"contract: a {self.kind} network has window 1, not {self.window}")

    @property
    def causal(self) -> bool:
        return self.look_ahead == 0

    def inputs(self, batch: int) -> dict[str, tuple[int, ...]]:
        """Input tensors by name with their shapes for a batch, in the order of the graph (all float32)."""
        j = len(JOINT_SETS[self.joints_in])
        lead: tuple[int, ...] = (batch, self.window) if self.kind == "window" else (batch,)
        if self.task == "reliability":
            shapes: dict[str, tuple[int, ...]] = {"features": (*lead, j, len(self.features)), "dt": lead}
        else:
            shapes = {"x": (*lead, j, 2), "reliability": (*lead, j), "dt": lead}
            if self.world:
                shapes["world"] = (*lead, j, 3)
        if self.kind == "step":
            shapes["reset"] = (batch,)
            shapes |= {f"state_{name}": (batch, *shape) for name, shape in self.state}
        return shapes

    def outputs(self, batch: int) -> dict[str, tuple[int, ...]]:
        j_in, j_out = len(JOINT_SETS[self.joints_in]), len(JOINT_SETS[self.joints_out])
        if self.task == "reliability":
            shapes: dict[str, tuple[int, ...]] = {"reliability": (batch, j_in)}
        else:
            shapes = {"xyz": (batch, j_out, 3)}
            if self.sigma:
                shapes["log_sigma"] = (batch, j_out)
        if self.kind == "step":
            shapes |= {f"next_state_{name}": (batch, *shape) for name, shape in self.state}
        return shapes

    def to_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        plain["state"] = [[name, list(shape)] for name, shape in self.state]
        plain["features"], plain["batches"] = list(self.features), list(self.batches)
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Contract:
        """Rebuild a contract from `to_dict`; unknown, missing and ill-typed fields raise ValueError."""
        known = {f.name: f for f in fields(cls)}
        if plain.keys() != known.keys():
            raise ValueError(f"contract: fields {sorted(plain.keys() ^ known.keys())} unknown or missing")
        shown = cls("lift", "single", "h36m17", "h36m17", 1).to_dict()
        for name, value in plain.items():
            if type(value) is not type(shown[name]) and not (isinstance(shown[name], float) and type(value) is int):
                raise ValueError(f"contract: {name} is {value!r}, expected {type(shown[name]).__name__}")
        state = tuple((str(name), tuple(int(n) for n in shape)) for name, shape in plain["state"])
        lists = {"features": tuple(map(str, plain["features"])), "batches": tuple(map(int, plain["batches"]))}
        return cls(**{**plain, **lists, "state": state})

    def differences(self, other: Contract) -> list[str]:
        """`field: mine, theirs` for every field that differs."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [f"{name}: {mine[name]!r}, {theirs[name]!r}" for name in mine if mine[name] != theirs[name]]
