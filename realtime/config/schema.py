"""Define every setting of a run with its unit, bounds and default.

Reading a file and merging flags into it: `realtime/config/loader.py`.  A new setting is one line here and one in
`configs/run/live.yaml`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from hashlib import sha256
from json import dumps
from typing import Any, Literal

from realtime.config.redact import without_secret

Device = Literal["auto", "cpu", "cuda", "tensorrt", "tensorrt-rtx"]
Processes = Literal["joined", "apart", "auto"]
Smoothing = Literal["keep", "undo", "avoid"]
Looks = Literal["train", "heldout"]
Unit = Literal["auto", "m", "cm", "mm"]
DemoMotion = Literal["mix", "walk", "stand", "wave", "squat", "sit", "gestures", "reach", "turn"]


LEAST_AGE_MS = 150.0  # the greatest age of a current pose, unless told or measured otherwise


def quantity(default: Any, unit: str, low: float, high: float) -> Any:
    """Return a number with a unit and closed bounds; `settings.build` holds every value against them."""
    return field(default=default, metadata={"unit": unit, "low": low, "high": high})


SOURCE_NAME = {"pattern": r"[A-Za-z0-9_.-]{1,32}", "rule": "1 to 32 letters, digits, dots, dashes, underscores"}


@dataclass(frozen=True)
class SourceConfig:
    spec: str = "0"  # camera index, /dev/videoN, file, rtsp:// or http:// address, remote://HOST:PORT, or "demo"
    name: str = field(default="cam0", metadata=SOURCE_NAME)  # stable name; part of every topic
    width: int = quantity(640, "px", 16, 7680)  # asked of a camera or drawn by the demo; files and streams have theirs
    height: int = quantity(480, "px", 16, 4320)
    fps: float = quantity(30.0, "Hz", 1, 480)
    rotate: Literal[0, 90, 180, 270] = 0  # degrees clockwise
    every_frame: bool = False  # files and the demo: as fast as it can, no frame left out
    first_picture_s: float = quantity(10.0, "s", 0.1, 120)  # an opened source that gave none yet is waited for so long
    stall_s: float = quantity(0.5, "s", 0.1, 60)  # no picture for so long: DEGRADED, stalled
    restart_s: float = quantity(2.5, "s", 0.5, 120)  # no picture for so long: the source is opened anew
    frozen_s: float = quantity(2.0, "s", 0.1, 60)  # the same picture for so long: DEGRADED, frozen
    backoff_s: float = quantity(0.5, "s", 0.05, 60)  # first wait before opening a lost source again
    backoff_max_s: float = quantity(5.0, "s", 0.05, 600)


@dataclass(frozen=True)
class DemoConfig:
    seed: int = quantity(0, "a whole number", 0, 2**31 - 1)
    looks: Looks = "train"  # which clothes, rooms and patterns the seed draws from; heldout: never used in training
    motion: DemoMotion = "mix"
    boards: bool = True  # boards pass in front of the man


@dataclass(frozen=True)
class CameraConfig:
    fov_deg: float | None = quantity(None, "degrees, horizontal", 10, 170)  # None: guessed
    intrinsics: str | None = None  # YAML file: fx, fy, cx, cy, width, height, distortion
    height_m: float | None = quantity(None, "m, height of the person", 0.4, 2.6)  # None: guessed
    tilt_deg: float | None = quantity(None, "degrees, positive looks down", -90, 90)  # None: estimated


@dataclass(frozen=True)
class DetectorConfig:
    model: str = (
        "full"  # lite, full, heavy; auto: the best this machine sustains, measured at the start; a .task bundle
    )
    people: int = quantity(1, "people", 1, 16)
    look_s: float = quantity(0.5, "s between two looks for more people; 0: in every frame", 0, 60)
    smoothing: Smoothing = "undo"  # what happens to the detector's own smoothing
    min_detection: float = quantity(0.5, "score", 0, 1)
    min_presence: float = quantity(0.5, "score", 0, 1)
    min_tracking: float = quantity(0.5, "score", 0, 1)


@dataclass(frozen=True)
class TrackingConfig:
    lost_s: float = quantity(2.5, "s", 0, 60)  # a lost person stays, with score 0, for so long


@dataclass(frozen=True)
class CueConfig:
    """Each cue of the occlusion filter can be switched off."""

    confidence: bool = True
    flow: bool = True
    presence: bool = True
    forward_backward: bool = True
    out_of_frame: bool = True
    swap: bool = True
    acceleration: bool = True


@dataclass(frozen=True)
class OcclusionConfig:
    sigma: float = quantity(0.1, "box heights", 0.001, 10)  # Eq. 2 of Cheng 2019
    threshold: float = quantity(0.3, "of Eq. 2: from here on a keypoint counts as observed", 0, 1)
    engine: str = "reliability"  # learned reliability engine: name or folder; empty: Eq. 2
    cues: CueConfig = field(default_factory=CueConfig)

    def source(self) -> str:
        """Return what the reliabilities that leave the filter are made of; all of them mean "observed" from 0.5 on."""
        return "learned" if self.engine else "eq2"


@dataclass(frozen=True)
class LiftConfig:
    engine: str = "auto"  # name in the store or folder; auto: the store's best for the detector's model
    device: Device = "auto"
    allow_cpu: bool = False  # asked for a GPU, found none: go on, DEGRADED, instead of exit 6
    inferred_ms: float = quantity(1000.0, "ms", 0, 10000)  # unseen up to here: INFERRED
    held_ms: float = quantity(2000.0, "ms", 0, 20000)  # up to here: HELD; then ABSENT
    gate: float = quantity(1.0, "times what a body can do; 0: off", 0, 100)  # innovation gate
    max_gap_ms: float = quantity(1000.0, "ms", 34, 60000)  # a longer gap in the stream: state forgotten


@dataclass(frozen=True)
class PublishConfig:
    bind: str = "tcp://127.0.0.1:5555"
    keys: str | None = None  # folder of keys (realtime keys new): listed clients only, encrypted; None: no keys
    insecure: bool = False  # allows a bind beyond this machine, without keys
    max_age_ms: float | Literal["auto"] = quantity("auto", "ms, or auto", 10, 10_000)  # an older pose is not current

    def least_age_ms(self) -> float:
        """Greatest age of a current pose while nothing is measured, and on a machine that is fast enough, in ms."""
        return LEAST_AGE_MS if isinstance(self.max_age_ms, str) else self.max_age_ms


@dataclass(frozen=True)
class RemoteConfig:
    """Only the camera is here: its pictures go to another machine, which finds the poses."""

    to: str | None = None  # tcp://HOST:PORT of a run with source.spec remote://...; None: everything is here
    quality: int = quantity(85, "of JPEG", 30, 100)


@dataclass(frozen=True)
class PipelineConfig:
    processes: Processes = "joined"  # apart: the detector in a process of its own; auto: by the number of cores
    frame_slots: int = quantity(8, "pictures", 3, 256)  # of the FrameRing
    max_restarts: int = quantity(5, "restarts in 60 s", 0, 1000)
    lagging_s: float = quantity(1.0, "s", 0.1, 60)  # behind for so long: DEGRADED, lagging


@dataclass(frozen=True)
class RoomConfig:
    """Several cameras of one room; with their calibration they are fused."""

    sources: tuple[str, ...] = ()  # two or more, each as source.spec; they are called cam0, cam1, ...
    calibration: str | None = None  # OpenCV JSON, TOML of FreeMoCap, caliscope, Pose2Sim, or Qualisys text
    cameras: tuple[str, ...] = ()  # their names in the calibration, in the order of sources; empty: found by name
    unit: Unit = "auto"  # of the calibration's lengths
    tolerance_ms: float = quantity(20.0, "ms between frames of one moment", 1, 500)
    wait_ms: float = quantity(40.0, "ms that a camera's frame waits for the others'", 0, 1000)


@dataclass(frozen=True)
class RecordConfig:
    file: str | None = None  # None: nothing is written to disk


VIEWER_TOKEN = "STEADYPOSE_VIEWER_TOKEN"  # environment variable: a token of your own; else each start has a new one


@dataclass(frozen=True)
class ViewConfig:
    open: bool = False  # serve the viewer beside the pipeline
    http: str = "127.0.0.1:8008"
    with_video: bool = False  # the camera's picture too: a picture of people, on this machine only
    mirror: bool = False  # display only; messages stay unmirrored
    save_video: str | None = None  # a film of the run with the skeletons on it, MP4; None: no picture is written
    record_dir: str | None = None  # pages may record, into this folder only; None: they cannot


@dataclass(frozen=True)
class TerminalConfig:
    json: bool = False  # one JSON line a second in place of the live block
    quiet: bool = False
    seconds: float | None = quantity(None, "s", 0.1, 10_000_000)  # None: until stopped


@dataclass(frozen=True)
class RunConfig:
    source: SourceConfig = field(default_factory=SourceConfig)
    demo: DemoConfig = field(default_factory=DemoConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    occlusion: OcclusionConfig = field(default_factory=OcclusionConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)
    remote: RemoteConfig = field(default_factory=RemoteConfig)
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    room: RoomConfig = field(default_factory=RoomConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    view: ViewConfig = field(default_factory=ViewConfig)
    terminal: TerminalConfig = field(default_factory=TerminalConfig)


@dataclass(frozen=True)
class Intrinsics:
    """What a calibration of the camera answers; the picture's size says what the pixels refer to."""

    fx: float = quantity(0.0, "px", 1, 1e6)
    fy: float = quantity(0.0, "px", 1, 1e6)
    cx: float = quantity(0.0, "px", -1e5, 1e5)
    cy: float = quantity(0.0, "px", -1e5, 1e5)
    width: int = quantity(0, "px", 1, 100_000)
    height: int = quantity(0, "px", 1, 100_000)
    distortion: tuple[float, ...] = ()  # OpenCV's order: k1, k2, p1, p2, k3, ...


SHOWN_ONLY = ("record", "view", "terminal")  # these do not change a pose


def config_hash(config: RunConfig) -> str:
    """Sixteen hex digits over everything that can change a pose; travels in Hello."""
    plain = {name: section for name, section in asdict(config).items() if name not in SHOWN_ONLY}
    plain["source"]["spec"] = without_secret(config.source.spec)
    plain["room"]["sources"] = [without_secret(spec) for spec in config.room.sources]
    return sha256(dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
