"""Files: the same pure cores, one after another in one process, and no frame lost.

Knows: the cores and their order, media time, the end of a file.  Does not know: processes, restarts, OpenCV.
`process(source)` is for notebooks, tests and trainers; `main(ctx)` is the same as a supervised stage that publishes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from realtime import clock
from realtime.config import RunConfig, config_hash
from realtime.frames import grey_copy
from realtime.messages import Keypoints2D, Pose3D, Truth
from realtime.sources import Picture, Source, open_source
from realtime.tracking import Tracker

if TYPE_CHECKING:
    from realtime.child import Context
    from realtime.detector import Detector
    from realtime.lifting import Lifter
    from realtime.occlusion import OcclusionFilter
    from realtime.publishing import Publication

Answered = TypeVar("Answered")

BEAT_S = 0.1
LAST_SENDS_S = 0.3  # sockets do not linger: what was sent last needs this long to leave
IDS_PER_START = 100_000


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
        """What still waited for frames that will not come."""
        return [self._answered(pose, 0) for pose in self.lifter.flush()]

    def find(self, picture: Picture) -> Keypoints2D:
        """Keypoints with their reliabilities."""
        image, stamp = picture.image, picture.stamp
        people, detect_us = _timed(lambda: self.detector.detect(image, stamp.t_capture_ns // clock.NS_PER_MS))
        found = self.tracker.update(people, stamp, image.shape[1], image.shape[0])
        judged, occlude_us = _timed(lambda: self.occlusion.update(found, *grey_copy(image)))
        return replace(judged, stage_us={"detect": detect_us, "occlude": occlude_us})

    def _answered(self, pose: Pose3D, lift_us: int) -> Answer:
        keypoints, truth = self._waiting.popleft()
        while keypoints.stamp != pose.stamp:  # a new stream began: its predecessor's future never comes
            keypoints, truth = self._waiting.popleft()
        return Answer(keypoints, replace(pose, stage_us=keypoints.stage_us | {"lift": lift_us}), truth)

    def facts(self) -> dict[str, Any]:
        """What Hello says about detector and lifter."""
        joints = self.detector.joints
        seen = {"detector": self.detector.name, "joints2d": joints.joints, "parents2d": joints.parents}
        return seen | self.lifter.facts()

    def close(self) -> None:
        self.detector.close()


def open_chain(config: RunConfig, first_id: int = 1) -> Chain:
    """All cores, opened and warm."""
    from realtime.detector import open_detector
    from realtime.lifting import open_lifter
    from realtime.occlusion import open_filter

    lifter, occlusion = open_lifter(config), open_filter(config.occlusion, config.detector.people)
    tracker = Tracker(config.detector.people, config.tracking.lost_s, first_id)
    return Chain(open_detector(config.detector), tracker, occlusion, lifter)


def pictures(source: Source) -> Iterator[Picture]:
    while (picture := source.read()) is not None:
        yield picture


def answers(source: Source, chain: Chain) -> Iterator[Answer]:
    """One for every picture, in order."""
    for picture in pictures(source):
        yield from chain.answer(picture)
    yield from chain.flush()


def process(source: str, config: RunConfig | None = None) -> Iterator[Pose3D]:
    """A pose message for every frame of a video file: `for pose in realtime.process("clip.mp4"): ...`"""
    base = config or RunConfig()
    chosen = replace(base, source=replace(base.source, spec=source, every_frame=True))
    with ExitStack() as stack:
        opened = stack.enter_context(closing(open_source(chosen)))
        chain = stack.enter_context(closing(open_chain(chosen)))
        for answer in answers(opened, chain):
            yield answer.pose


def main(ctx: Context) -> None:
    run(ctx, lambda: open_chain(ctx.config, 1 + ctx.starts * IDS_PER_START))


def run(ctx: Context, opener: Callable[[], Chain]) -> None:
    """Publishes as it goes; after a crash it goes on behind the last frame that was answered."""
    stream, seq = ctx.last_answered if ctx.starts else (None, -1)
    with ExitStack() as stack:
        publication = _open_publication(ctx, stack)
        source = stack.enter_context(closing(open_source(ctx.config, stream)))
        chain = stack.enter_context(closing(opener()))
        ctx.tell(**chain.facts())
        ctx.ready()
        for picture in paced(ctx, pictures(source)):
            if picture.stamp.seq > seq:
                _publish(ctx, publication, chain.answer(picture))
        if not ctx.stop.is_set():
            _publish(ctx, publication, chain.flush())
            _introduce(ctx, publication)
            ctx.stop.wait(LAST_SENDS_S)


def paced(ctx: Context, source: Iterator[Picture]) -> Iterator[Picture]:
    """At the file's own pace, or as fast as they are asked for; beats while it waits."""
    offset_ns: int | None = None
    for picture in source:
        offset_ns = clock.now_ns() - picture.stamp.t_capture_ns if offset_ns is None else offset_ns
        due_ns = picture.stamp.t_capture_ns + offset_ns
        ctx.beat()
        while not ctx.config.source.every_frame and (left_s := (due_ns - clock.now_ns()) * 1e-9) > 0:
            ctx.stop.wait(min(left_s, BEAT_S))
            ctx.beat()
        if ctx.stop.is_set():
            return
        yield picture


def _publish(ctx: Context, publication: Publication, ready: list[Answer]) -> None:
    for answer in ready:
        publication.keypoints(answer.keypoints)
        if answer.truth:
            publication.truth(answer.truth)
        took_ns = sum(answer.pose.stage_us.values()) * 1000
        dropped = ctx.answered(answer.pose.stamp, took_ns, len(answer.pose.people))
        publication.pose(replace(answer.pose, dropped=dropped))
    if publication.second_has_passed():
        _introduce(ctx, publication)


def _open_publication(ctx: Context, stack: ExitStack) -> Publication:
    from realtime.publishing import Publication, nothing_yet
    from realtime.ring import PoseRingWriter

    public, name = ctx.config.publish, ctx.config.source.name
    port = ctx.bus.public(public.bind, public.insecure)
    ring = stack.enter_context(closing(PoseRingWriter(public.bind)))
    return Publication(name, port, ring, None, nothing_yet(name, *ctx.last_answered))


def _introduce(ctx: Context, publication: Publication) -> None:
    from realtime.publishing import hello_of
    from realtime.rundir import boot_id

    name, age_ms = ctx.config.source.name, ctx.config.publish.max_age_ms
    hello = hello_of(boot_id(ctx.directory), name, config_hash(ctx.config), age_ms, ctx.facts())
    publication.each_second(hello, ctx.health())


def _timed(work: Callable[[], Answered]) -> tuple[Answered, int]:
    """What it answers, and the microseconds it took."""
    began_ns = clock.now_ns()
    answered = work()
    return answered, (clock.now_ns() - began_ns) // 1000
