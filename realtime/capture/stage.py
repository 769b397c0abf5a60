"""Run the capture stage: a live source -> pixels in the FrameRing and a reference to them on the bus.

When the source is lost this raises SourceError and the process ends: whatever the driver holds goes with it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace

from realtime import clock
from realtime.capture.grabber import Grabber
from realtime.capture.open_source import open_source
from realtime.capture.source import Picture, Source, TellingSource
from realtime.capture.source_watchdog import SourceWatchdog
from realtime.config.schema import SourceConfig
from realtime.config.source_spec import kind_of
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
    writer = FrameWriter(config.publish.bind, config.pipeline.frame_slots)
    with closing(writer) as ring, closing(Grabber(source).start()) as grabber:
        judge = Judge(ctx, ring, source, SourceWatchdog(config.source, source, clock.now_ns()))
        while not ctx.stop.is_set():
            ctx.beat()
            picture = grabber.take(TAKE_S)
            began_ns = clock.now_ns()
            if not judge.watch.pictures:
                judge.look(picture, began_ns)
            if picture and judge.reason != "frozen" and ctx.others_ready():
                sent = numbers.of(picture)
                frames.send(ring.write(sent.image, sent.stamp))
                if sent.truth:
                    truths.send(sent.truth)
                ctx.answered(sent.stamp, clock.now_ns() - began_ns)
            if judge.looked_ns != began_ns:  # behind the frame: nobody waits for it
                judge.look(picture, began_ns)


@dataclass
class Judge:
    """What the pictures tell about their source, told as the stage's state."""

    ctx: Context
    ring: FrameWriter
    source: Source
    watch: SourceWatchdog
    reason: str = ""
    looked_ns: int = 0
    second: clock.Pace = field(default_factory=lambda: clock.Pace(1.0))

    def look(self, picture: Picture | None, now_ns: int) -> None:
        self.looked_ns = now_ns
        self.reason = self.watch.look(picture, now_ns)
        if picture is not None and self.watch.pictures == 1:
            self.ctx.set_info(picture=askable(self.ctx.config.source, picture))
            self.ring.reserve(picture.image)  # before READY: too little memory is a refusal, not a crash
        if self.second.due():
            notes = (self.watch.note(), self.source.note() if isinstance(self.source, TellingSource) else "")
            hz = round(self.watch.steady_hz(), 1)
            self.ctx.set_info(source_note=", ".join(filter(None, notes)), camera_hz=hz)
            if isinstance(self.source, TellingSource):
                self.ctx.set_info(**self.source.info())
        if self.watch.pictures:
            self.ctx.degraded(self.reason) if self.reason else self.ctx.ready()


def askable(config: SourceConfig, picture: Picture) -> str:
    """Return the picture's size, "WxH" px, where another can be requested; empty for a source with its own."""
    height, width = picture.image.shape[:2]
    return f"{width}x{height}" if kind_of(config.spec) in ("camera", "demo") else ""


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
