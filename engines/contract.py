"""The contract between trainer, builder and runtime: joint sets, mappings, tensors, time.

Knows: what a lifter is given and must answer.  Does not know: torch, runtimes, files, sockets.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Task = Literal["lift", "reliability", "detect2d"]
Kind = Literal["step", "window", "single"]

TICK_HZ = 30.0  # state of every streaming network lives on this nominal grid
TICK_S = 1.0 / TICK_HZ
BATCHES = (1, 4, 16)  # static batches a network is exported with
MAX_BATCH = 4096


@dataclass(frozen=True)
class JointSet:
    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]  # -1 marks the root
    left: tuple[int, ...]  # left[i] mirrors right[i]
    right: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        return self.joints.index(joint)

    def outwards(self) -> list[int]:
        """Every joint after its parent."""
        order: list[int] = []
        while len(order) < len(self):
            order += [j for j, p in enumerate(self.parents) if j not in order and (p < 0 or p in order)]
        return order

    def mirror(self) -> NDArray[np.int64]:
        """Permutation that exchanges left and right."""
        order = np.arange(len(self))
        order[list(self.left)], order[list(self.right)] = list(self.right), list(self.left)
        return order


H36M_17 = JointSet(
    "h36m17",
    (
        "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "thorax",
        "nose", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    ),
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    (4, 5, 6, 11, 12, 13),
    (1, 2, 3, 14, 15, 16),
)  # fmt: skip

BLAZEPOSE_33 = JointSet(
    "blazepose33",
    (
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
        "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
        "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
        "left_heel", "right_heel", "left_foot_index", "right_foot_index",
    ),
    (-1, 0, 1, 2, 0, 4, 5, 3, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16, 11, 12, 23, 24, 25, 26, 27, 28,
     29, 30),
    (1, 2, 3, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31),
    (4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32),
)  # fmt: skip

COCO_17 = JointSet(
    "coco17",
    (
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    (-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    (1, 3, 5, 7, 9, 11, 13, 15),
    (2, 4, 6, 8, 10, 12, 14, 16),
)  # fmt: skip

HALPE_26 = JointSet(
    "halpe26",
    COCO_17.joints + (
        "head", "neck", "pelvis", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel",
        "right_heel",
    ),
    (18, 0, 0, 1, 2, 18, 18, 5, 6, 7, 8, 19, 19, 11, 12, 13, 14, 0, 19, -1, 15, 16, 15, 16, 15, 16),
    COCO_17.left + (20, 22, 24),
    COCO_17.right + (21, 23, 25),
)  # fmt: skip

JOINT_SETS = {s.name: s for s in (H36M_17, BLAZEPOSE_33, COCO_17, HALPE_26)}

# How each H36M joint is made from joints of another set: {target: {source: weight}}, weights sum to 1.
_LIMBS = {j: {j: 1.0} for j in H36M_17.joints if j.split("_")[0] in ("left", "right")}
_TRUNK = {
    "pelvis": {"left_hip": 0.5, "right_hip": 0.5},
    "spine": {"left_hip": 0.25, "right_hip": 0.25, "left_shoulder": 0.25, "right_shoulder": 0.25},
    "thorax": {"left_shoulder": 0.5, "right_shoulder": 0.5},
    "nose": {"nose": 1.0},
}
_EARS = {"left_ear": 0.5, "right_ear": 0.5}
_RECIPES: dict[tuple[str, str], dict[str, dict[str, float]]] = {
    # the head joint lies above the ears by 1.3 times the distance between mouth and eyes
    ("blazepose33", "h36m17"): {
        **_LIMBS, **_TRUNK,
        "head": {"left_ear": 0.5, "right_ear": 0.5, "left_eye": 0.65, "right_eye": 0.65, "mouth_left": -0.65,
                 "mouth_right": -0.65},
    },
    # without a mouth: above the ears, as far as the nose lies below the eyes, four times
    ("coco17", "h36m17"): {
        **_LIMBS, **_TRUNK, "head": {**_EARS, "left_eye": 2.0, "right_eye": 2.0, "nose": -4.0},
    },
    ("halpe26", "h36m17"): {
        **_LIMBS, **_TRUNK, "pelvis": {"pelvis": 1.0}, "thorax": {"neck": 1.0},
        "spine": {"pelvis": 0.5, "neck": 0.5}, "head": {"head": 1.0},
    },
    ("blazepose33", "coco17"): {j: {j: 1.0} for j in COCO_17.joints},
}  # fmt: skip


def mapping(source: str, target: str) -> Array:
    """Weights W (J_target, J_source), so that target points = W @ source points."""
    src, dst = JOINT_SETS[source], JOINT_SETS[target]
    if source == target:
        return np.eye(len(src), dtype=np.float32)
    if (source, target) not in _RECIPES:
        known = ", ".join(f"{a}->{b}" for a, b in _RECIPES)
        raise ValueError(f"no mapping from {source} to {target}; known: {known}")
    weights = np.zeros((len(dst), len(src)), np.float32)
    for joint, parts in _RECIPES[source, target].items():
        for part, weight in parts.items():
            weights[dst.index(joint), src.index(part)] = weight
    return weights


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
        """The contract that `to_dict` wrote; unknown, missing and ill-typed fields raise ValueError."""
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
