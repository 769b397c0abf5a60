"""Chain the pure cores in one process over a file, no frame lost: `process(source)`.

`process(source)` is for notebooks, tests and trainers; `stages/file.py` is the same, supervised and publishing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from realtime import clock
from realtime.capture.open_source import open_source
from realtime.capture.prefetch import ahead
from realtime.capture.source import Picture, Source
from realtime.config.keywords import configured
from realtime.config.schema import RunConfig
from realtime.config.source_spec import SourceError, check, is_file_run
from realtime.detect.tracker import Tracker
from realtime.transport.frame_ring import grey_copy
from realtime.wire.messages import Keypoints2D, Pose3D, Truth

if TYPE_CHECKING:
    from realtime.detect.mediapipe_detector import Detector
    from realtime.lift.lifter import Lifter
    from realtime.occlude.occlusion_filter import OcclusionFilter

Answered = TypeVar("Answered")


@dataclass(frozen=True)
class Answer:
    keypoints: Keypoints2D
    pose: Pose3D
    truth: Truth | None


@dataclass
class Chain:
    """Picture in, answers out: none while a lifter looks ahead, the rest at the end."""

    detector: Detector
    tracker: Tracker
    occlusion: OcclusionFilter
    lifter: Lifter
    _waiting: deque[tuple[Keypoints2D, Truth | None]] = field(default_factory=deque)

    def answer(self, picture: Picture) -> list[Answer]:
        found = self.find(picture)
        self._waiting.append((found, picture.truth))
        poses, took = _timed(lambda: self.lifter.lift(found))
        return [self._answered(pose, took) for pose in poses]

    def flush(self) -> list[Answer]:
        """Return what still waited for frames that will not come."""
        return [self._answered(pose, 0) for pose in self.lifter.flush()]

    def find(self, picture: Picture) -> Keypoints2D:
        """Return keypoints with their reliabilities."""
        image, stamp = picture.image, picture.stamp
        people, detect_us = _timed(lambda: self.detector.detect(image, stamp.t_capture_ns // clock.NS_PER_MS))
        found = self.tracker.update(people, stamp, image.shape[1], image.shape[0], image)
        judged, occlude_us = _timed(lambda: self.occlusion.update(found, *grey_copy(image)))
        return replace(judged, stage_us={"detect": detect_us, "occlude": occlude_us})

    def _answered(self, pose: Pose3D, lift_us: int) -> Answer:
        keypoints, truth = self._waiting.popleft()
        while keypoints.stamp != pose.stamp:  # a new stream began: its predecessor's future never comes
            keypoints, truth = self._waiting.popleft()
        return Answer(keypoints, replace(pose, stage_us=keypoints.stage_us | {"lift": lift_us}, live=False), truth)

    def info(self) -> dict[str, Any]:
        """Return what Hello says about detector and lifter."""
        joints = self.detector.joints
        seen = {"detector": self.detector.name, "joints2d": joints.joints, "parents2d": joints.parents}
        return seen | self.lifter.info()

    def close(self) -> None:
        self.detector.close()


def open_chain(config: RunConfig, first_id: int = 1) -> Chain:
    """Return all cores, opened and warm."""
    from realtime.detect.mediapipe_detector import open_detector
    from realtime.lift.lifter import open_lifter
    from realtime.occlude.occlusion_filter import open_filter

    lifter, occlusion = open_lifter(config), open_filter(config.occlusion, config.detector.people)
    tracker = Tracker(config.detector.people, config.tracking.lost_s, first_id)
    return Chain(open_detector(config.detector), tracker, occlusion, lifter)


def pictures(source: Source) -> Iterator[Picture]:
    while (picture := source.read()) is not None:
        yield picture


def answers(source: Source, chain: Chain) -> Iterator[Answer]:
    """Yield one for every picture, in order."""
    with closing(ahead(pictures(source))) as coming:
        for picture in coming:
            yield from chain.answer(picture)
    yield from chain.flush()


def process(
    source: str | Path | Source | Sequence[str | Path], config: RunConfig | str | Path | None = None, **settings: Any
) -> Iterator[Pose3D]:
    """Return poses of a video file, one for every frame, in order: `for pose in process("clip.mp4", people=2): ...`

    Nothing else runs: no server, no socket, no other process.

    Args:
        source: path of a video file, or pictures of your own (`realtime.Source`, examples/own_source.py); films of
            several calibrated cameras, which are fused: `process(["a.mp4", "b.mp4"], calibration="room.toml")`.
        config: a file of settings (docs/configuration.md), or the name of one that ships, such as "live".
        settings: keywords in their place: the flags of `realtime run` that matter to a film (people, model, height,
            fov, tilt, intrinsics, rotate, engine, device, seed) and every other key of its settings (held_ms=3000).

    Returns:
        An iterator of poses whose people know their joints' names.

    Raises:
        ConfigError: a setting is unknown (the nearest is named) or its value is not possible.
        SourceError: there is no such film, or it cannot be read.
        CalibrationError: a calibration cannot be used, or does not belong to the films.
        EngineError, ModelError: the lifter or the detector cannot be opened.
    """
    chosen = configured(config, settings)
    if isinstance(source, Sequence) and not isinstance(source, str):
        from realtime.offline.room import process_room

        return process_room([str(path) for path in source], chosen)
    if not isinstance(source, (str, Path)):
        return _poses(source, chosen)
    chosen = replace(chosen, source=replace(chosen.source, spec=str(source), every_frame=True))
    if not is_file_run(chosen.source):
        raise SourceError(f"source {source}: no file; for a camera: realtime run, then realtime.PoseClient")
    check(chosen.source)
    return _poses(None, chosen)


def _poses(source: Source | None, config: RunConfig) -> Iterator[Pose3D]:
    with ExitStack() as stack:
        opened = stack.enter_context(closing(source or open_source(config)))
        chain = stack.enter_context(closing(open_chain(config)))
        names = tuple(chain.info()["joints"])
        for answer in answers(opened, chain):
            yield answer.pose.with_joints(names)


def _timed(work: Callable[[], Answered]) -> tuple[Answered, int]:
    """Return what it answers, and the microseconds it took."""
    began_ns = clock.now_ns()
    answered = work()
    return answered, (clock.now_ns() - began_ns) // 1000
