"""Run the send stage: pictures of this machine's camera -> another machine, as JPEG, the newest first to go.

A picture waits here, not in the network: it leaves when the receipt of an earlier one has come, and a newer one takes
its place meanwhile.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import zmq

from realtime import clock
from realtime.capture.remote.jpeg import write_jpeg
from realtime.capture.remote.send_window import SendWindow
from realtime.clock import Deadline, Pace
from realtime.supervise.stage_runner import Context
from realtime.transport.frame_ring import FrameReader
from realtime.transport.keys import client_keys
from realtime.transport.picture_link import CameraEnd
from realtime.wire.messages import Frame
from realtime.wire.remote import ClockAnswer, ClockQuestion, Here, Receipt, RemotePicture

TURN_MS = 20
HERE_S = 0.3
SILENT_MS = 1000.0  # the other end asks for the time more often than that
RENEW_MS = 2000.0  # then the connection is made anew
TOO_OLD_NS = 500_000_000  # a picture that waited so long for its turn is not sent


def main(ctx: Context) -> None:
    public, to = ctx.config.publish, ctx.config.remote.to
    assert to is not None
    context: zmq.Context[Any] = zmq.Context()
    with ExitStack() as stack:
        stack.callback(context.term)
        keys = client_keys(public.keys) if public.keys else None
        link = stack.enter_context(closing(CameraEnd(context, to, keys)))
        CameraSender(ctx, link, stack.enter_context(closing(FrameReader()))).run()


class CameraSender:
    def __init__(self, ctx: Context, link: CameraEnd, pixels: FrameReader) -> None:
        self.ctx, self.link, self.pixels = ctx, link, pixels
        self.window = SendWindow()
        self.pending: Frame | None = None
        self._silent, self._renew = Deadline(0), Deadline(RENEW_MS)
        self._here = Pace(HERE_S)

    def run(self) -> None:
        frames = self.ctx.bus.latest("frame")
        self.ctx.ready()
        while not self.ctx.stop.is_set():
            self.ctx.beat()
            self.ctx.bus.wait_any((frames, self.link), TURN_MS)
            self.hear()
            if frame := frames.get(0):
                self.pending = frame  # a newer one takes the place of one that waited
            if self.pending and self.window.is_open(clock.now_ns()):
                frame, self.pending = self.pending, None
                self.send(frame)
            self.tend()

    def hear(self) -> None:
        while note := self.link.receive():
            now = clock.now_ns()
            self._silent, self._renew = Deadline(SILENT_MS), Deadline(RENEW_MS)
            if isinstance(note, ClockQuestion):
                self.link.send(ClockAnswer(note.sent_ns, now, clock.now_ns()))
            elif isinstance(note, Receipt):
                self.window.receipt(note.stream, note.seq, now)

    def send(self, frame: Frame) -> None:
        began = clock.now_ns()
        if self._silent.passed() or began - frame.stamp.t_capture_ns > TOO_OLD_NS:
            return
        image = self.pixels.image(frame)
        if image is None:
            return
        jpeg = write_jpeg(image, self.ctx.config.remote.quality)
        if self.link.send(RemotePicture(frame.stamp, frame.width, frame.height), jpeg):
            self.window.left(frame.stamp.stream, frame.stamp.seq, clock.now_ns())
            self.ctx.answered(frame.stamp, clock.now_ns() - began)

    def tend(self) -> None:
        """Say that this camera is here; make the connection anew where nobody answers; tell how it stands."""
        if self._here.due():
            self.link.send(Here(clock.identity(), self.ctx.config.source.fps))
            self.ctx.set_info(source_note=self.note(), under_way=self.window.size)
            self.ctx.degraded("nobody receives") if self._silent.passed() else self.ctx.ready()
        if self._renew.passed():
            self.link.renew()
            self._renew = Deadline(RENEW_MS)

    def note(self) -> str:
        if not self._silent.passed():
            return ""
        return self.link.refusal or f"nobody receives at {self.link.address}"
