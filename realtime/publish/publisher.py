"""Publish answers with their time, say who is speaking and how each stage does, and tell silence (STALE).

Used by the publish stage and, for files, by the offline chain.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from realtime.clock import NS_PER_MS, Pace, identity, now_ns
from realtime.config.schema import config_hash
from realtime.publish.age_limit import AgeLimit
from realtime.supervise.stage_runner import Context
from realtime.wire.codec import dumps, unpack
from realtime.wire.messages import Health, Hello, Keypoints2D, Medium, Pose3D, Stamp, Truth, replace, split

SILENCE_MS = 400.0  # then STALE is said, and again after as long: clients hear something within 500 ms
SECOND_S = 0.9  # between two introductions: a turn that comes late is still within the second

log = logging.getLogger("publish")


class Port(Protocol):
    def send_on(self, topic: str, source: str, message: Any) -> bytes: ...
    def send_plain(self, topic: str, source: str, body: bytes | memoryview) -> bytes: ...
    def tend(self) -> None: ...


class Store(Protocol):
    def write(self, data: bytes) -> bool: ...


def is_current(pose: Pose3D, now: int, max_age_ms: float) -> bool:
    """Young enough to be acted on; what a lifter looks ahead is granted."""
    return (now - pose.stamp.t_capture_ns) / NS_PER_MS <= max_age_ms + pose.look_ahead_ms


def _age_ms(plain: dict[str, Any], now: int) -> float:
    """Of an encoded pose; what a lifter looks ahead is granted."""
    return float((now - plain["t_capture_ns"]) / NS_PER_MS - plain["look_ahead_ms"])


def stale(pose: Pose3D) -> Pose3D:
    """Return a STALE pose of the same frame, without people."""
    return replace(pose, status="STALE", people=())


def nothing_yet(source: str, stream: int = 0, seq: int = -1) -> Pose3D:
    """Return the STALE pose that stands before the first one."""
    return Pose3D(Stamp(source, stream, seq, 0, 0), 0, 0, "STALE")


class Publication:
    """One source's public side.  `limit` None: a file, whose poses are current whenever they come."""

    def __init__(self, source: str, port: Port, store: Store, limit: AgeLimit | None, last: Pose3D) -> None:
        self.source, self.limit = source, limit
        self.too_old = 0  # poses that came too late and were said to be STALE
        self._port, self._store = port, store
        self._last: Pose3D | dict[str, Any] = last
        self._second = Pace(SECOND_S)
        self._heard_ns = now_ns()

    def pose(self, pose: Pose3D) -> None:
        now = now_ns()
        if self.limit is not None and not is_current(pose, now, self.limit.ms):
            pose, self.too_old = stale(pose), self.too_old + 1
        self._say(pose, now)

    def relay_pose(self, plain: dict[str, Any]) -> None:
        """Relay a live pose as its stage encoded it; only the publisher's own fields are changed."""
        self._heard_ns = now = now_ns()
        if self.limit is not None:
            self.limit.measure(age_ms := _age_ms(plain, now), now)
            if age_ms > self.limit.ms:
                plain, self.too_old = plain | {"status": "STALE", "people": []}, self.too_old + 1
        self._last = plain | {"t_publish_ns": now, "live": self.limit is not None}
        self._keep(self._port.send_plain("pose3d", self.source, dumps(self._last)))

    def relay_keypoints(self, data: bytes) -> None:
        """Keypoints as their stage encoded them."""
        self._keep(self._port.send_plain("keypoints2d", self.source, split(data)[2]))

    def keypoints(self, keypoints: Keypoints2D) -> None:
        self._keep(self._port.send_on("keypoints2d", self.source, keypoints))

    def truth(self, truth: Truth) -> None:
        self._port.send_on("truth", self.source, truth)

    def silence(self) -> None:
        """Call it often: says STALE, with the last frame's stamp, once nothing came for too long."""
        self._port.tend()
        now = now_ns()
        if (now - self._heard_ns) / NS_PER_MS >= SILENCE_MS:
            last = self._last if isinstance(self._last, Pose3D) else unpack(Pose3D, self._last)
            self._say(stale(last), now)

    def _say(self, pose: Pose3D, now: int) -> None:
        self._heard_ns, self._last = now, pose
        told = replace(pose, t_publish_ns=now, live=self.limit is not None)
        self._keep(self._port.send_on("pose3d", self.source, told))

    def each_second(self, hello: Hello | None, health: Iterable[Health]) -> None:
        """Who speaks, once that is known, and how each stage does."""
        if self.limit is not None:
            self.limit.refresh(now_ns())
        if hello:
            self._keep(self._port.send_on("hello", self.source, hello))
        for one in health:
            self._port.send_on("health", self.source, one)

    def second_has_passed(self) -> bool:
        return self._second.due()

    def _keep(self, data: bytes) -> None:
        if data and not self._store.write(data):
            log.warning("a message is larger than a slot of the PoseRing: published, not kept")


def introduce(
    ctx: Context, publication: Publication, sources: tuple[str, ...] = (), info: dict[str, Any] | None = None
) -> None:
    """Say hello and how each stage does, once a second; `sources`: all that publish here."""
    limit, told = publication.limit, ctx.info() if info is None else info
    age_ms = limit.ms if limit else ctx.config.publish.least_age_ms()
    medium: Medium = "film" if limit is None else "live"
    hello = hello_of(ctx.boot, publication.source, config_hash(ctx.config), age_ms, told, medium)
    publication.each_second(hello and replace(hello, sources=sources), ctx.health())


def hello_of(
    boot: str, source: str, config_hash: str, max_age_ms: float, info: dict[str, Any], medium: Medium = "live"
) -> Hello | None:
    """None until detector and lifter have told what they are."""
    try:
        return Hello(
            boot=boot,
            source=source,
            joints2d=tuple(info["joints2d"]),
            parents2d=tuple(info["parents2d"]),
            reliability_source=info["reliability_source"],
            detector=info["detector"],
            config_hash=config_hash,
            max_age_ms=max_age_ms,
            clock=identity(),
            model_choice=info.get("model_choice", ""),
            medium=medium,
            **lifter_fields(info),
        )
    except KeyError:
        return None


def lifter_fields(info: Mapping[str, Any]) -> dict[str, Any]:
    """Select what Hello says of the lifter: its joints, threshold, engine and look-ahead."""
    joints = {name: tuple(info[name]) for name in ("joints", "parents")}
    return joints | {name: info[name] for name in ("threshold", "engine", "engine_sha256", "look_ahead_ms")}
