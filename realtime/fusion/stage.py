"""Run the fuse stage: pass on what the cameras' own runs publish, and publish the room's people, fused."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import randbits
from typing import Any

import zmq

from engines.skeleton import JOINT_SETS, JointSet
from realtime import clock
from realtime.config.schema import RunConfig
from realtime.fusion.cameras import calibrated
from realtime.fusion.fuser import FUSED, Fuser
from realtime.fusion.keypoints import fused_keypoints
from realtime.fusion.moments import Moments
from realtime.publish.age_limit import AgeLimit
from realtime.publish.publisher import Publication, introduce, nothing_yet
from realtime.supervise.several import ADDRESSES
from realtime.supervise.stage_runner import Context
from realtime.transport.bus import TopicReader, wait_any
from realtime.transport.pose_ring import PoseRingWriter
from realtime.wire.messages import Health, Hello, Keypoints2D, Pose3D, Stamp, encode

PASSED_ON = ("pose3d", "keypoints2d", "truth", "hello", "health")
TURN_MS = 10
KEPT = 64  # keypoints of the lead that wait for their pose


def main(ctx: Context) -> None:
    addresses = json.loads((Path(ctx.directory) / ADDRESSES).read_text(encoding="utf-8"))
    public = ctx.config.publish
    with ExitStack() as stack:
        port = ctx.bus.public(public.bind, public.insecure, public.keys)
        ring = stack.enter_context(closing(PoseRingWriter(public.bind)))
        context: zmq.Context[Any] = zmq.Context()
        stack.callback(context.term)
        readers = [
            Reader(k, stack.enter_context(closing(TopicReader(context, address, topic, newest=False))))
            for k, address in enumerate(addresses)
            for topic in PASSED_ON
        ]
        name = FUSED if calibrated(ctx.config) else "cam0"
        voice = Publication(name, port, ring, AgeLimit(public), nothing_yet(name, *ctx.last_answered))
        run(ctx, Room(ctx, port, ring, voice), readers)


@dataclass(frozen=True)
class Reader:
    camera: int
    topic: TopicReader


@dataclass
class Room:
    """What the cameras said, and what comes of it."""

    ctx: Context
    port: Any
    ring: PoseRingWriter
    voice: Publication
    fusion: Fusion | None = None
    hello: Hello | None = None
    dropped: dict[int, int] = field(default_factory=dict)  # camera -> its frames never answered

    @property
    def sources(self) -> tuple[str, ...]:
        cameras = tuple(f"cam{k}" for k in range(len(self.ctx.config.room.sources)))
        return (FUSED, *cameras) if self.voice.source == FUSED else cameras

    def hear(self, camera: int, topic: str, message: Any, data: bytes) -> None:
        """One message of one camera's run."""
        if isinstance(message, Hello):
            self._introduced(camera, message)
            data = encode("hello", message.source, replace(message, sources=self.sources))
        self.port.send_bytes(data)
        if topic in ("pose3d", "keypoints2d", "hello"):
            self.ring.write(data)
        if isinstance(message, Health) and self.fusion is not None:
            self.port.send_on("health", FUSED, replace(message, stage=f"cam{camera} {message.stage}"))
        if isinstance(message, Pose3D) and message.status != "STALE":
            self.dropped[camera] = message.dropped
            if self.fusion is not None:
                self.fusion.moments.add(camera, message, clock.now_ns())
            elif self.voice.source != FUSED and camera == 0:
                self.ctx.answered(message.stamp, clock.now_ns() - message.stamp.t_capture_ns, len(message.people))
        if isinstance(message, Keypoints2D) and camera == 0 and self.fusion is not None:
            self.fusion.keep(message)

    def fuse(self) -> None:
        """Whatever is complete now."""
        if self.fusion is None:
            return
        for lead, moment in self.fusion.moments.ready(clock.now_ns()):
            pose, keypoints = self.fusion.pose(lead, moment)
            self.ctx.answered(pose.stamp, clock.now_ns() - pose.stamp.t_capture_ns, len(pose.people))
            self.measure(pose)
            self.voice.pose(replace(pose, dropped=sum(self.dropped.values())))
            self.voice.keypoints(keypoints)
        self.fusion.complain(self.ctx, self.fusion.fuser.disagreement(list(self.ctx.config.room.sources)))

    def measure(self, pose: Pose3D) -> None:
        """Feed the pose's age, with waiting and fusing, to an age limit that follows the machine."""
        now = clock.now_ns()
        if self.voice.limit is not None:
            self.voice.limit.measure((now - pose.stamp.t_capture_ns) / clock.NS_PER_MS - pose.look_ahead_ms, now)

    def introduce(self) -> None:
        if self.voice.limit is not None:
            self.voice.limit.refresh(clock.now_ns())
        if self.fusion is not None and self.hello is not None:
            introduce(self.ctx, self.voice, self.sources, info_of(self.hello))

    def _introduced(self, camera: int, hello: Hello) -> None:
        if self.hello is None and (camera == 0 or self.voice.source == FUSED):
            self.hello = hello
            if self.voice.source == FUSED:
                joints = next(s for s in JOINT_SETS.values() if s.joints == tuple(hello.joints))
                self.fusion = Fusion.of(self.ctx.config, joints, self.ctx.first_id)
            self.ctx.set_info(**info_of(hello))


@dataclass
class Fusion:
    fuser: Fuser
    moments: Moments
    stream: int = field(default_factory=lambda: randbits(48))
    seq: int = 0
    _keypoints: dict[Stamp, Keypoints2D] = field(default_factory=dict)
    _told: str = ""

    @staticmethod
    def of(config: RunConfig, joints: JointSet, first_id: int) -> Fusion:
        cameras = calibrated(config)
        assert cameras is not None
        room = config.room
        fuser = Fuser(cameras, joints, config.camera.tilt_deg, first_id)
        return Fusion(fuser, Moments(len(cameras), round(room.tolerance_ms * 1e6), round(room.wait_ms * 1e6)))

    def keep(self, keypoints: Keypoints2D) -> None:
        self._keypoints[keypoints.stamp] = keypoints
        while len(self._keypoints) > KEPT:
            self._keypoints.pop(next(iter(self._keypoints)))

    def pose(self, lead: Pose3D, moment: dict[int, Pose3D]) -> tuple[Pose3D, Keypoints2D]:
        stamp = replace(lead.stamp, source=FUSED, stream=self.stream, seq=self.seq)
        self.seq += 1
        began_ns = clock.now_ns()
        pose, became = self.fuser.fuse(moment, stamp)
        took = {"fuse": (clock.now_ns() - began_ns) // 1000}
        return replace(pose, stage_us=lead.stage_us | took), fused_keypoints(
            pose, self._keypoints.pop(lead.stamp, None), became
        )

    def complain(self, ctx: Context, problem: str) -> None:
        """DEGRADED for as long as the cameras do not see the same people; said once."""
        if problem == self._told:
            return
        if problem and not self._told:
            ctx.log.warning("%s", problem)
            ctx.degraded("cameras disagree")
        elif not problem:
            ctx.ready()
        self._told = problem


def run(ctx: Context, room: Room, readers: list[Reader]) -> None:
    ctx.ready()
    topics = [reader.topic for reader in readers]
    while not ctx.stop.is_set():
        ctx.beat()
        wait_any(topics, TURN_MS)
        for reader in readers:
            while (found := reader.topic.get_with_bytes(0))[0] is not None:
                room.hear(reader.camera, reader.topic.topic, *found)
        room.fuse()
        if room.fusion is not None:
            room.voice.silence()
        else:
            room.port.tend()
        if room.voice.second_has_passed():
            ctx.idle()
            room.introduce()


def info_of(hello: Hello) -> dict[str, Any]:
    """Return what the fused Hello says, and the terminal shows."""
    return {
        "joints": hello.joints, "parents": hello.parents, "joints2d": hello.joints2d, "parents2d": hello.parents2d,
        "reliability_source": hello.reliability_source, "threshold": hello.threshold,
        "engine": f"{hello.engine}, fused", "engine_sha256": hello.engine_sha256, "detector": hello.detector,
        "look_ahead_ms": hello.look_ahead_ms,
    }  # fmt: skip
