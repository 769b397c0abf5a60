"""Run the file stage: the offline chain, supervised, which publishes as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import chain as joined

from realtime import clock
from realtime.capture.open_source import open_source
from realtime.capture.prefetch import ahead
from realtime.capture.source import Picture, Source
from realtime.config.schema import SourceConfig
from realtime.config.source_spec import SourceError
from realtime.offline.chain import Answer, Chain, open_chain, pictures
from realtime.publish.publisher import Publication, introduce, nothing_yet
from realtime.supervise.stage_runner import Context
from realtime.transport.frame_ring import FrameWriter
from realtime.transport.pose_ring import PoseRingWriter
from realtime.transport.shared_memory import NoRoom
from realtime.wire.messages import Frame, Stamp

BEAT_S = 0.1
JOIN_S = 0.4  # whoever waits for this address, or read from the process that died, finds it within 0.1 s
LAST_SENDS_S = 0.3  # sockets do not linger: what was sent last needs this long to leave


def main(ctx: Context) -> None:
    run(ctx, lambda: open_chain(ctx.config, ctx.first_id))


def run(ctx: Context, opener: Callable[[], Chain]) -> None:
    """Run the chain over the film and publish every pose; after a crash, resume behind the last answered frame."""
    stream, seq = ctx.last_answered if ctx.starts else (None, -1)
    with ExitStack() as stack:
        publication, bound_ns = _open_publication(ctx, stack), clock.now_ns()
        stack.callback(ctx.stop.wait, LAST_SENDS_S)  # also after a crash: what counts as answered has left
        source = stack.enter_context(closing(open_source(ctx.config, stream)))
        coming = stack.enter_context(closing(ahead(pictures(source))))
        first = first_picture(ctx.config.source.spec, coming)
        chain = stack.enter_context(closing(opener()))
        ctx.set_info(**chain.info(), **film(ctx.config.source, source))
        ctx.ready()
        ctx.stop.wait(max(0.0, JOIN_S - (clock.now_ns() - bound_ns) * 1e-9))
        shown = stack.enter_context(closing(ShownPictures(ctx)))
        for picture in paced(ctx, (picture for picture in joined((first,), coming) if picture.stamp.seq > seq)):
            shown.write(picture)
            _publish(ctx, publication, [shown.referred(answer) for answer in chain.answer(picture)])
        if not ctx.stop.is_set():
            _publish(ctx, publication, [shown.referred(answer) for answer in chain.flush()])
            introduce(ctx, publication)


def film(config: SourceConfig, source: Source) -> dict[str, int]:
    """Return what the terminal needs to show progress: how many frames the file declares, 0 where it does not know."""
    return {"frames_total": getattr(source, "frames", 0)} if config.every_frame else {}


class ShownPictures:
    """Put a film's pictures where viewers on this machine find them, as capture does with a camera's.

    Only where somebody asked to see them or the film's own pace leaves the time; without room for them the run goes on.
    """

    def __init__(self, ctx: Context) -> None:
        wanted = ctx.config.view.with_video or not ctx.config.source.every_frame
        self._writer = FrameWriter(ctx.config.publish.bind, ctx.config.pipeline.frame_slots) if wanted else None
        self._frames: dict[Stamp, Frame] = {}  # of answers that still wait for frames ahead
        self._log = ctx.log

    def write(self, picture: Picture) -> None:
        if self._writer is None:
            return
        try:
            self._frames[picture.stamp] = self._writer.write(picture.image, picture.stamp)
        except NoRoom as error:
            self._log.warning("viewers get no pictures: %s", error)
            self.close()

    def referred(self, answer: Answer) -> Answer:
        """Return the same answer, with the place of its picture."""
        frame = self._frames.pop(answer.keypoints.stamp, None)
        if frame is None:
            return answer
        found = replace(answer.keypoints, slot=frame.slot, generation=frame.generation, ring=frame.ring)
        return replace(answer, keypoints=found)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self._writer = None


def first_picture(spec: str, coming: Iterator[Picture]) -> Picture:
    """Before READY: a file that opens and holds no picture is refused, not tried again."""
    first = next(coming, None)
    if first is None:
        raise SourceError(
            f"source {spec}: opens, but not one picture could be read; broken or not a video? "
            f"Try: ffmpeg -i {spec} clip.mp4"
        )
    return first


def paced(ctx: Context, source: Iterator[Picture]) -> Iterator[Picture]:
    """In media time that begins now; at the file's own pace, or as fast as they are asked for."""
    later_ns: int | None = None
    for picture in source:
        later_ns = clock.now_ns() - picture.stamp.t_capture_ns if later_ns is None else later_ns
        shifted = later(picture, later_ns)
        ctx.beat()
        while not ctx.config.source.every_frame and (left_ns := shifted.stamp.t_capture_ns - clock.now_ns()) > 0:
            ctx.stop.wait(min(left_ns * 1e-9, BEAT_S))
            ctx.beat()
        if ctx.stop.is_set():
            return
        yield shifted


def later(picture: Picture, by_ns: int) -> Picture:
    stamp = picture.stamp
    moved = replace(stamp, t_capture_ns=stamp.t_capture_ns + by_ns, t_capture_unix_ns=stamp.t_capture_unix_ns + by_ns)
    return replace(picture, stamp=moved, truth=picture.truth and replace(picture.truth, stamp=moved))


def _publish(ctx: Context, publication: Publication, ready: list[Answer]) -> None:
    for answer in ready:
        publication.keypoints(answer.keypoints)
        if answer.truth:
            publication.truth(answer.truth)
        took_ns = sum(answer.pose.stage_us.values()) * 1000
        dropped = ctx.answered(answer.pose.stamp, took_ns, len(answer.pose.people))
        publication.pose(replace(answer.pose, dropped=dropped))
    if publication.second_has_passed():
        introduce(ctx, publication)


def _open_publication(ctx: Context, stack: ExitStack) -> Publication:
    public, name = ctx.config.publish, ctx.config.source.name
    port = ctx.bus.public(public.bind, public.insecure, public.keys)
    ring = stack.enter_context(closing(PoseRingWriter(public.bind)))
    return Publication(name, port, ring, None, nothing_yet(name, *ctx.last_answered))
