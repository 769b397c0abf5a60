"""The vocabulary: what travels between stages and to the outside, and its bytes on the wire.

Knows: fields, units, shapes, the wire format.  Does not know: sockets, stages, engines.
Units: pixels, metres, nanoseconds of the monotonic clock (`*_unix_ns`: wall clock), milliseconds where named so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

VERSION = 1

OBSERVED, INFERRED, HELD, ABSENT = 0, 1, 2, 3  # state of a joint
JOINT_STATES = ("OBSERVED", "INFERRED", "HELD", "ABSENT")
Status = Literal["OK", "NO_PERSON", "STALE"]
PersonStatus = Literal["TRACKED", "OCCLUDED"]
UpSource = Literal["given", "estimated", "assumed"]
StageState = Literal["STARTING", "READY", "DEGRADED", "DOWN"]


@dataclass(frozen=True)
class Stamp:
    """Identity and time of one captured frame; copied untouched through every stage."""

    source: str  # stable name: cam0
    stream: int  # new for every opened source; a change means: forget all state
    seq: int  # +1 per captured frame; gaps are drops
    t_capture_ns: int  # monotonic, at grab
    t_capture_unix_ns: int


@dataclass(frozen=True)
class Frame:
    """A reference to pixels in the FrameRing."""

    stamp: Stamp
    slot: int
    generation: int
    width: int
    height: int
    ring: str = ""  # name of the shared memory segment


@dataclass(frozen=True)
class Person2D:
    id: int
    xy: F32  # (J, 2) px
    score: F32  # (J,) the detector's visibility; 0 for a lost track
    presence: F32  # (J,)
    world: F32 | None = None  # (J, 3) m, the detector's own 3D, camera axes
    flow: F32 | None = None  # (J,) flow residual, in box heights; NaN-free, -1 where unknown
    reliability: F32 | None = None  # (J,) in [0, 1]


@dataclass(frozen=True)
class Keypoints2D:
    stamp: Stamp
    width: int
    height: int
    people: tuple[Person2D, ...] = ()
    slot: int = -1  # where the pixels of this frame lie, for flow
    generation: int = -1
    ring: str = ""
    stage_us: dict[str, int] = field(default_factory=dict)  # time spent per stage so far
    dropped: int = 0  # frames of this stream never answered, so far


@dataclass(frozen=True)
class Person3D:
    id: int
    status: PersonStatus
    xyz: F32  # (J, 3) m, root-relative, camera axes: x right, y down, z forward
    sigma: F32  # (J,) m per coordinate
    state: U8  # (J,) OBSERVED | INFERRED | HELD | ABSENT
    age_ms: F32  # (J,) since last observed
    reliability: F32  # (J,) as the lifter used it
    xy: F32  # (J, 2) px
    root_cam: F32 | None = None  # (3,) m, position of the root in the camera
    metric: bool = False  # intrinsics and height were given


@dataclass(frozen=True)
class Pose3D:
    stamp: Stamp
    width: int
    height: int
    status: Status
    people: tuple[Person3D, ...] = ()
    up: tuple[float, float, float] = (0.0, -1.0, 0.0)  # unit vector, camera axes
    up_source: UpSource = "assumed"
    look_ahead_ms: float = 0.0
    t_publish_ns: int = 0
    dropped: int = 0
    stage_us: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Health:
    stage: str
    state: StageState
    reason: str = ""  # frozen, lagging, stalled, mismatch, ...
    rate_hz: float = 0.0
    dropped: int = 0
    restarts_1h: int = 0
    reconnects_1h: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass(frozen=True)
class Hello:
    boot: str
    source: str
    joints: tuple[str, ...]  # of pose3d
    parents: tuple[int, ...]
    joints2d: tuple[str, ...]  # of keypoints2d
    reliability_source: str  # eq2 | learned
    threshold: float
    engine: str
    engine_sha256: str
    detector: str
    look_ahead_ms: float
    config_hash: str
    max_age_ms: float = 150.0
    axes: str = "camera"
    unit: str = "m"
    version: int = VERSION


@dataclass(frozen=True)
class Truth:
    """Demo only: what is really there."""

    stamp: Stamp
    xyz_cam: F32  # (P, J, 3) m, camera axes, absolute
    xy: F32  # (P, J, 2) px
    hidden: U8  # (P, J) 1: behind a board, the body or outside the picture


Message = Frame | Keypoints2D | Pose3D | Health | Hello | Truth

__all__ = ["replace"]
