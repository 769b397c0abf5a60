"""Define the messages between stages and to the outside, and their bytes on the wire.

Units: pixels, metres, nanoseconds of the monotonic clock (`*_unix_ns`: wall clock), milliseconds where named so.

On the wire a message is one part: `b"pose3d/cam0\\0"` + one msgpack map.  Its keys are `v`, the schema version, and the
names of the fields below; those of `Stamp` stand beside the others.  Arrays are `bin`, little-endian float32 (state and
hidden: uint8), row by row; J follows from the length; every number is finite.  A new key may appear within a version;
`v` changes when one goes, or changes its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from realtime.wire import codec
from realtime.wire.array_codec import Below, MessageError, Within, refuse
from realtime.wire.arrays import F32, U8
from realtime.wire.codec import MAX_BYTES
from realtime.wire.consistency import check_hello, check_pose
from realtime.wire.joint import Joint, JointState, count_states, index_of

VERSION = 1

OBSERVED, INFERRED, HELD, ABSENT = map(int, JointState)  # NumPy searches an enum for array attributes every time
JOINT_STATES = tuple(state.name for state in JointState)
Status = Literal["OK", "NO_PERSON", "STALE"]
PersonStatus = Literal["TRACKED", "OCCLUDED"]
UpSource = Literal["given", "estimated", "assumed"]
StageState = Literal["STARTING", "READY", "DEGRADED", "DOWN"]
Medium = Literal["live", "film", "recording"]

Nanoseconds = Annotated[int, Within(0, 2**62)]
Count = Annotated[int, Within(0, 2**53)]
Index = Annotated[int, Within(-1, 2**63)]  # -1: none
Id = Annotated[int, Within(0, 2**31 - 1)]  # fits every format that poses are sent on in
Pixels = Annotated[int, Within(0, 100_000)]
Share = Annotated[float, Within(0, 1)]
Milliseconds = Annotated[float, Within(0, 1e12)]
Rate = Annotated[float, Within(0, 1e6)]  # Hz
UNIT, POSITIVE = Within(0, 1), Within(0, 1e9)  # of every number of an array


@dataclass(frozen=True)
class Stamp:
    """Identity and time of one captured frame; copied untouched through every stage."""

    source: str  # stable name: cam0
    stream: Index  # new for every opened source; a change means: forget all state
    seq: Index  # +1 per captured frame; gaps are drops
    t_capture_ns: Nanoseconds  # ns of the sender's monotonic clock, when the picture was grabbed
    t_capture_unix_ns: Nanoseconds  # ns of its wall clock, the same moment


@dataclass(frozen=True)
class Frame:
    """A reference to pixels in the FrameRing."""

    stamp: Stamp = field(metadata={"flat": True})
    slot: Index
    generation: Index
    width: Pixels
    height: Pixels
    ring: str = ""  # name of the shared memory segment


@dataclass(frozen=True)
class Person2D:
    """One person's keypoints; J is the number of `Hello.joints2d`."""

    id: Id  # the same as in pose3d
    xy: Annotated[F32, "J", 2]  # px
    score: Annotated[F32, "J", UNIT]  # the detector's visibility; 0 for a lost track
    presence: Annotated[F32, "J", UNIT]  # the detector's belief that the joint is in the picture
    world: Annotated[F32, "J", 3] | None = None  # m, the detector's own 3D, camera axes; or null
    flow: Annotated[F32, "J", Within(-1, 1e9)] | None = None  # flow residual, box heights; -1: unknown
    reliability: Annotated[F32, "J", UNIT] | None = None  # in [0, 1]; counts as observed from 0.5 on


@dataclass(frozen=True)
class Keypoints2D:
    """The 2D keypoints that the poses of a frame were made from."""

    stamp: Stamp = field(metadata={"flat": True})
    width: Pixels  # px, of the picture
    height: Pixels  # px
    people: tuple[Person2D, ...] = ()  # everybody in the frame
    slot: Index = -1  # where the pixels of this frame lie in shared memory
    generation: Index = -1  # of that slot; another one: the pixels are gone
    ring: str = ""  # name of the shared memory segment
    stage_us: dict[str, int] = field(default_factory=dict)  # µs, time spent per stage so far
    dropped: Count = 0  # frames of this stream never answered, so far


@dataclass(frozen=True, repr=False)
class Person3D:
    """One person in one frame; `person["right_wrist"]` is a `Joint` of it.

    Arrays have one row for each of the J joints, in the order of `joints`.
    """

    id: Id  # stable through crossings and short absences, never used twice
    status: PersonStatus  # TRACKED; OCCLUDED while fewer than four joints are observed
    xyz: Annotated[F32, "J", 3]  # m, relative to the root; camera axes: x right, y down, z forward
    sigma: Annotated[F32, "J", POSITIVE]  # m per coordinate: about 68 % of errors lie within one, 95 % within 1.96
    state: Annotated[U8, "J", Below(4)]  # 0 OBSERVED, 1 INFERRED, 2 HELD, 3 ABSENT: xyz and sigma mean nothing
    age_ms: Annotated[F32, "J", Within(0, 1e12)]  # ms since last observed; since the track began where it never was
    reliability: Annotated[F32, "J", UNIT]  # in [0, 1], of the keypoint, as the lifter used it
    xy: Annotated[F32, "J", 2]  # px, where the joint is in the picture
    root_cam: Annotated[F32, 3] | None = None  # m, where the root is, camera axes; or null
    metric: bool = False  # root_cam is in true metres: field of view and height were given
    joints: tuple[str, ...] = field(default=(), metadata={"wire": False})  # names, from Hello; they do not travel here

    def __getitem__(self, name: str) -> Joint:
        """Return one joint by its name.

        Args:
            name: as in `joints`, such as "right_wrist".

        Returns:
            Its position, sigma, state, age, reliability and place in the picture.

        Raises:
            KeyError: there is no such joint; the text names the nearest.
            UnnamedJoints: the names are not known yet (a message decoded without its Hello).
        """
        j = index_of(name, self.joints)
        return Joint(
            name, self.xyz[j], float(self.sigma[j]), JointState(self.state[j]), float(self.age_ms[j]),
            float(self.reliability[j]), self.xy[j],
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Person({self.id} {self.status}: {count_states(self.state)})"


@dataclass(frozen=True, repr=False)
class Pose3D:
    """Everybody in one frame, or why there is nobody.

    `pose.status` is "OK", "NO_PERSON" (looked, nobody there) or "STALE" (no current pose).
    """

    stamp: Stamp = field(metadata={"flat": True})
    width: Pixels  # px, of the picture
    height: Pixels  # px
    status: Status  # OK; NO_PERSON: looked, nobody there; STALE: no current pose, people is empty
    people: tuple[Person3D, ...] = ()  # everybody in the frame
    up: tuple[float, float, float] = (0.0, -1.0, 0.0)  # unit vector against gravity, camera axes
    up_source: UpSource = "assumed"  # where `up` comes from: given, estimated or assumed
    look_ahead_ms: Annotated[float, Within(0, 60_000)] = 0.0  # how much future the engine waits for
    t_publish_ns: Nanoseconds = 0  # ns of the sender's monotonic clock, when the message left
    dropped: Count = 0  # frames of this stream never answered, so far
    stage_us: dict[str, int] = field(default_factory=dict)  # µs, time spent per stage
    live: bool = True  # false: from a file or a recording; its capture times are media time and say nothing of age

    def with_joints(self, names: tuple[str, ...]) -> Pose3D:
        """Name the joints of a pose's people; unchanged where their number differs."""
        fits = all(len(person.state) == len(names) for person in self.people)
        return replace(self, people=tuple(replace(one, joints=names) for one in self.people)) if fits else self

    def __repr__(self) -> str:
        people = "; ".join(f"{one.id} {one.status}: {count_states(one.state)}" for one in self.people)
        return f"Pose({self.stamp.source} #{self.stamp.seq} {self.status}{', ' if people else ''}{people})"


@dataclass(frozen=True)
class Health:
    """How one stage of the pipeline does."""

    stage: str  # capture, detect, occlude, lift, publish, file, fuse or record; of a room's cameras "cam0 capture", ...
    state: StageState  # what the stage does now
    reason: str = ""  # frozen, lagging, stalled, mismatch, ...
    rate_hz: Rate = 0.0  # answers a second
    dropped: Count = 0  # frames of this stream never answered, so far
    restarts_1h: Count = 0  # restarts in the last hour
    reconnects_1h: Count = 0  # times the source was opened anew in the last hour
    p50_ms: Milliseconds = 0.0  # median time for one frame
    p99_ms: Milliseconds = 0.0  # its 99th percentile


@dataclass(frozen=True)
class Hello:
    """Who publishes: all that a reader must know to use the other topics."""

    # within this version: an older sender lacks them
    ADDED: ClassVar[tuple[str, ...]] = ("model_choice", "sources", "medium")

    boot: str  # new at every start
    source: str  # stable name: cam0
    joints: tuple[str, ...]  # names, in the order of pose3d's arrays
    parents: tuple[int, ...]  # index of each joint's parent; -1: the root
    joints2d: tuple[str, ...]  # names, in the order of keypoints2d's arrays
    reliability_source: str  # eq2 or learned: what reliabilities are made of
    threshold: Share  # of the reliability: from here on a keypoint counts as observed
    engine: str  # name of the lifting network
    engine_sha256: str  # digest of its file
    detector: str  # name of the 2D detector
    look_ahead_ms: Annotated[float, Within(0, 60_000)]  # how much future the engine waits for
    config_hash: str  # over every setting that can change a pose
    max_age_ms: Milliseconds = 150.0  # an older pose is published as STALE
    parents2d: tuple[int, ...] = ()  # of keypoints2d
    clock: str = ""  # whose monotonic clock the stamps are of
    axes: str = "camera"  # x right, y down, z forward
    unit: str = "m"  # of every length
    model_choice: str = ""  # of detector.model auto: which was taken for what rate, and what was measured
    sources: tuple[str, ...] = ()  # all that publish here, where several do; the first one is whom to follow
    medium: Medium = "live"  # what the frames come from; of a film and a recording, time passes at its own pace
    version: int = VERSION  # of the schema


@dataclass(frozen=True)
class Truth:
    """Demo only: what is really there."""

    stamp: Stamp = field(metadata={"flat": True})
    xyz_cam: Annotated[F32, "P", "J", 3]  # m, camera axes, absolute
    xy: Annotated[F32, "P", "J", 2]  # px
    hidden: Annotated[U8, "P", "J", Below(2)]  # 1: behind a board, the body or outside the picture


Message = Frame | Keypoints2D | Pose3D | Health | Hello | Truth
Kind = TypeVar("Kind")


def prefix(topic: str, source: str) -> bytes:
    """Return the prefix of a topic's messages, to subscribe to."""
    return f"{topic}/{source}\0".encode()


def encode(topic: str, source: str, message: Message) -> bytes:
    """Encode a message; MessageError where a shape is wrong or a number is not finite."""
    return prefix(topic, source) + codec.dumps({"v": VERSION} | codec.pack(message))


def split(data: bytes) -> tuple[str, str, memoryview]:
    """Topic, source and body."""
    if len(data) > MAX_BYTES:
        refuse("size", f"{len(data)} bytes; a message has at most {MAX_BYTES}")
    head, zero, _ = data[:200].partition(b"\0")
    topic, slash, source = head.decode("ascii", "replace").partition("/")
    if not (zero and slash and topic and source):
        refuse("topic", "a message starts with topic/source and a zero byte")
    return topic, source, memoryview(data)[len(head) + 1 :]


def plain(data: bytes) -> dict[str, Any]:
    """Return the map in these bytes, of this version and within bounds; its fields are not looked at."""
    found: Any = codec.loads(split(data)[2])
    version = found.get("v") if type(found) is dict else None
    if version != VERSION:
        refuse("version", f"schema version {version!r}; this reader knows {VERSION}")
    return found  # type: ignore[no-any-return]


def decode(kind: type[Kind], data: bytes) -> Kind:
    """Decode a message; MessageError, and nothing else, for whatever is none."""
    message: Kind = codec.unpack(kind, plain(data))
    if isinstance(message, Pose3D):
        check_pose(message)
    elif isinstance(message, Hello):
        check_hello(message)
    return message


__all__ = ["MAX_BYTES", "Joint", "JointState", "MessageError", "decode", "encode", "prefix", "replace", "split"]
