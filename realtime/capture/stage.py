"""Run the capture stage: a live source -> pixels in the FrameRing and a reference to them on the bus.

When the source is lost this raises SourceError and the process ends: whatever the driver holds goes with it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from realtime import clock
from realtime.capture.grabber import Grabber
from realtime.capture.open_source import open_source
from realtime.capture.source import Picture, Source
from realtime.capture.source_watchdog import SourceWatchdog
from realtime.supervise.stage_runner import Context
from realtime.transport.frame_ring import FrameWriter
from realtime.wire.frame_order import starts_anew
from realtime.wire.messages import Stamp

TAKE_S = 0.05


def main(ctx: Context) -> None:
    run(ctx, open_source(ctx.config))


def run(ctx: Context, source: Source) -> None:
    config, numbers = ctx.config, Numbers()
    frames, truths = ctx.bus.publisher("frame"), ctx.bus.publisher("truth")
    watch = SourceWatchdog(config.source, source, clock.now_ns())
    writer = FrameWriter(config.publish.bind, config.pipeline.frame_slots)
    with closing(writer) as ring, closing(Grabber(source).start()) as grabber:
        while not ctx.stop.is_set():
            ctx.beat()
            picture = grabber.take(TAKE_S)
            began_ns = clock.now_ns()
            reason = watch.look(picture, began_ns)
            if picture is not None and watch.seen == 1:
                ring.reserve(picture.image)  # before READY: too little memory is a refusal, not a crash
            if watch.seen:
                ctx.degraded(reason) if reason else ctx.ready()
            if picture is None or reason == "frozen" or not ctx.others_ready():
                ctx.idle()
                continue
            picture = numbers.of(picture)
            frames.send(ring.write(picture.image, picture.stamp))
            if picture.truth:
                truths.send(picture.truth)
            ctx.answered(picture.stamp, clock.now_ns() - began_ns)


class Numbers:
    """Counts from the first picture handed over: what came while the other stages were starting is no drop."""

    def __init__(self) -> None:
        self._first: Stamp | None = None

    def of(self, picture: Picture) -> Picture:
        if self._first is None or starts_anew(self._first, picture.stamp):
            self._first = picture.stamp if self._first is None else replace(picture.stamp, seq=0)
        stamp = replace(picture.stamp, seq=picture.stamp.seq - self._first.seq)
        truth = replace(picture.truth, stamp=stamp) if picture.truth else None
        return replace(picture, stamp=stamp, truth=truth)
