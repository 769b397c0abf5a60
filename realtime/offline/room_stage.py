"""Run the file stage for several films of one room: all cameras and what is fused, published as it goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

from realtime import clock
from realtime.capture.source import Picture
from realtime.fusion.fuser import FUSED
from realtime.offline.chain import Answer
from realtime.offline.room import RoomChain, answers, open_films, open_room
from realtime.offline.stage import BEAT_S, JOIN_S, LAST_SENDS_S, ShownPictures, later
from realtime.publish.publisher import Publication, introduce, nothing_yet
from realtime.supervise.stage_runner import Context
from realtime.transport.pose_ring import PoseRingWriter


def main(ctx: Context) -> None:
    run(ctx, lambda: open_room(ctx.config, first_id=ctx.first_id))


def run(ctx: Context, opener: Callable[[], RoomChain]) -> None:
    """After a crash it goes through the films again, and publishes from behind the last frame that was answered."""
    seq = ctx.last_answered[1] if ctx.starts else -1
    with ExitStack() as stack:
        voices, bound_ns = _open_voices(ctx, stack), clock.now_ns()
        stack.callback(ctx.stop.wait, LAST_SENDS_S)
        films = open_films(ctx.config)
        for film in films:
            stack.enter_context(closing(film))
        chain = stack.enter_context(closing(opener()))
        total = {"frames_total": getattr(films[0], "frames", 0)} if ctx.config.source.every_frame else {}
        ctx.set_info(**chain.info(), **total)
        ctx.ready()
        ctx.stop.wait(max(0.0, JOIN_S - (clock.now_ns() - bound_ns) * 1e-9))
        shown = stack.enter_context(closing(ShownPictures(ctx)))
        chain.refer = shown.referred
        for found in answers(films, chain, MediaPace(ctx, shown)):
            for answer in found.answers:
                voices.say(found.number, answer)
            for answer in found.fused:
                if answer.pose.stamp.seq > seq:
                    voices.fused(ctx, answer)
            voices.introduce_when_due(ctx, chain)
        voices.introduce(ctx, chain)


@dataclass
class MediaPace:
    """Media time that begins now; at the films' own pace, or as fast as pictures are asked for."""

    ctx: Context
    shown: ShownPictures
    later_ns: int | None = None

    def __call__(self, picture: Picture) -> Picture | None:
        if self.later_ns is None:
            self.later_ns = clock.now_ns() - picture.stamp.t_capture_ns
        moved = later(picture, self.later_ns)
        self.ctx.beat()
        while not self.ctx.config.source.every_frame and (left_ns := moved.stamp.t_capture_ns - clock.now_ns()) > 0:
            self.ctx.stop.wait(min(left_ns * 1e-9, BEAT_S))
            self.ctx.beat()
        if self.ctx.stop.is_set():
            return None
        if moved.stamp.source == "cam0":
            self.shown.write(moved)
        return moved


@dataclass
class Voices:
    """One publication a camera, and the fused one, on one port."""

    cameras: list[Publication]
    room: Publication

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.room.source, *(one.source for one in self.cameras))

    def say(self, number: int, answer: Answer) -> None:
        self.cameras[number].keypoints(answer.keypoints)
        if answer.truth:
            self.cameras[number].truth(answer.truth)
        self.cameras[number].pose(answer.pose)

    def fused(self, ctx: Context, answer: Answer) -> None:
        self.room.keypoints(answer.keypoints)
        ctx.answered(answer.pose.stamp, sum(answer.pose.stage_us.values()) * 1000, len(answer.pose.people))
        self.room.pose(answer.pose)

    def introduce_when_due(self, ctx: Context, chain: RoomChain) -> None:
        if self.room.second_has_passed():
            self.introduce(ctx, chain)

    def introduce(self, ctx: Context, chain: RoomChain) -> None:
        introduce(ctx, self.room, self.sources, chain.info())
        for one, of in zip(self.cameras, chain.chains):
            introduce(ctx, one, self.sources, of.info())


def _open_voices(ctx: Context, stack: ExitStack) -> Voices:
    public = ctx.config.publish
    port = ctx.bus.public(public.bind, public.insecure, public.keys)
    ring = stack.enter_context(closing(PoseRingWriter(public.bind)))
    names = [f"cam{k}" for k in range(len(ctx.config.room.sources))]
    return Voices(*_publications(port, ring, names))


def _publications(port: object, ring: PoseRingWriter, names: list[str]) -> tuple[list[Publication], Publication]:
    def publication(name: str) -> Publication:
        return Publication(name, port, ring, None, nothing_yet(name))  # type: ignore[arg-type]

    return [publication(name) for name in names], publication(FUSED)
