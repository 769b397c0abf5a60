"""Receive live poses: `for pose in PoseClient(): ...`; an old pose never passes for a current one.

A pose that is too old, or that does not come, is answered by status STALE: the last frame's stamp and nobody in it.
Arrays are NumPy's, joints in the order of `client.joints`.  A client that stops, or dies, disturbs nobody.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq

from realtime import clock
from realtime.client.background_reader import Listener, ReceivedMessage
from realtime.clock import NS_PER_MS, Deadline
from realtime.publish.publisher import nothing_yet, stale
from realtime.transport.address import BadPlace, is_loopback, parse
from realtime.transport.keys import client_keys
from realtime.wire.messages import Health, Hello, Keypoints2D, Pose3D, Truth

ADDRESS = "tcp://127.0.0.1:5555"
MAX_AGE_MS = 150.0  # until the publisher has declared its own
FUTURE_NS = clock.NS_PER_S  # on one clock no frame is newer than now; this much is granted
SILENCE_MS = 450.0  # then iteration says STALE
HELLO_MS = 1500.0  # poses are held back so long for the names of their joints, which come once a second


class NoStream(TimeoutError):
    """Nobody publishes at this address."""

    exit_code = 2


class PoseClient:
    """Live poses of one publisher: `for pose in PoseClient(): ...`, or `client.latest()` at a pace of your own.

    Args:
        address: where `realtime run` publishes: tcp://HOST:PORT, or ipc://PATH.
        source: one camera's name, where several share an address; empty: whoever publishes there, of several cameras
            the fused poses.
        max_age_ms: an older pose is not current: it is answered by status STALE and nobody in it.  None: the age
            that the publisher declares, 150 ms or more where its machine is slow.
        keys: folder of this client's keys, where the publisher was started with `--keys`.

    Raises:
        BadPlace: the address is not understood; the text holds the form that works.
        BadKeys: the folder of keys is incomplete, or open to others.
    """

    def __init__(
        self, address: str = ADDRESS, source: str = "", max_age_ms: float | None = None, keys: str | Path | None = None
    ) -> None:
        check_connectable(address)
        self._keys = client_keys(keys) if keys else None
        self.address, self.source, self.max_age_ms = address, source, max_age_ms
        self._loopback = loopback(address)
        self._context: zmq.Context[Any] = zmq.Context()
        self._listeners: dict[str, Listener] = {}
        self._end = weakref.finalize(self, end, self._context, self._listeners)
        self._poses, self._hellos = self._listener("pose3d"), self._listener("hello")

    def __iter__(self) -> Iterator[Pose3D]:
        """Yield each pose as it comes, the newest when several came; STALE whenever nothing came for half a second.

        Yields:
            Poses whose joints have their names.  Those names come once a second: what comes before them is held back.
        """
        seen, silence, nameless = 0, Deadline(SILENCE_MS), Deadline(HELLO_MS)
        while not self._hellos.wait(0, silence.left_ms() / 1000) and self._end.alive and not nameless.passed():
            silence = Deadline(SILENCE_MS)
            yield stale(self.latest())
        while self._end.alive:
            count = self._poses.wait(seen, silence.left_ms() / 1000)
            seen, silence, news = count, Deadline(SILENCE_MS), count != seen
            if self._end.alive:
                yield self.latest() if news else stale(self.latest())

    def latest(self, max_age_ms: float | None = None) -> Pose3D:
        """Return the newest pose at once, without waiting.

        Args:
            max_age_ms: in place of the client's own limit; what the lifter looks ahead is granted on top.

        Returns:
            The pose; where it is too old, or none came yet, status STALE and nobody in it.
        """
        heard = self._poses.newest()
        if heard is None:
            return nothing_yet(self.source)
        pose: Pose3D = heard.message
        current = self._age_ms(heard) <= self.limit_ms(max_age_ms) + pose.look_ahead_ms
        hello = self._hellos.newest()  # it may have come after the pose
        fits = hello is None or not contradicts(hello.message, pose)
        return self._named(pose) if current and fits else stale(pose)

    def _named(self, pose: Pose3D) -> Pose3D:
        heard = self._hellos.newest()
        return pose.with_joints(heard.message.joints) if heard and heard.message.source == pose.stamp.source else pose

    def hello(self, timeout_s: float = 3.0) -> Hello:
        """Return the publisher's introduction: joint names, axes, engine, ...

        Args:
            timeout_s: how long to wait for it; it is said once a second.

        Raises:
            NoStream: nobody said hello in time.
        """
        if self._hellos.wait(0, timeout_s) == 0:
            raise NoStream(
                self.refusal or f"nobody publishes poses at {self.address}; start one with `realtime run --demo`"
            )
        hello: Hello = self._hellos.all()[""].message
        return hello

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints, in the order of every pose's arrays."""
        return self.hello().joints

    def keypoints2d(self, max_age_ms: float | None = None) -> Keypoints2D | None:
        """Return the newest keypoints and their reliability; None where they are too old."""
        return self._recent("keypoints2d", max_age_ms)  # type: ignore[no-any-return]

    def truth(self, max_age_ms: float | None = None) -> Truth | None:
        """Demo only: what is really there."""
        return self._recent("truth", max_age_ms)  # type: ignore[no-any-return]

    def health(self) -> dict[str, Health]:
        """Stage -> how it does, as of the last seconds."""
        limit_ns = clock.now_ns() - 3000 * NS_PER_MS
        heard = self._listener("health").all()
        return {stage: one.message for stage, one in heard.items() if one.received_ns > limit_ns}

    @property
    def refusal(self) -> str:
        """Why the publisher does not let this client in, and what to do about it; empty where nothing is known."""
        return next((one.refusal for one in self._listeners.values() if one.refusal), "")

    @property
    def refused(self) -> Counter[str]:
        """Messages that were none, by what was wrong with them."""
        return sum((one.refused for one in self._listeners.values()), Counter())

    @property
    def renewed(self) -> int:
        """Sockets given up for silence; an oversized message makes one deaf."""
        return sum(one.renewed for one in self._listeners.values())

    def _recent(self, topic: str, max_age_ms: float | None) -> Any:
        heard = self._listener(topic).newest()
        return heard.message if heard and self._age_ms(heard) <= self.limit_ms(max_age_ms) else None

    def limit_ms(self, asked: float | None = None) -> float:
        """Return the age limit of a current pose, ms: the requested one, else this client's, else the publisher's."""
        if asked is not None or self.max_age_ms is not None:
            return asked if asked is not None else self.max_age_ms or 0.0
        heard = self._hellos.newest()
        return heard.message.max_age_ms if heard else MAX_AGE_MS

    def _age_ms(self, heard: ReceivedMessage) -> float:
        """On the publisher's own machine by its clock; elsewhere what passed there and what passed since receipt.

        What comes from a file was captured long ago: its age is the time since it was published.
        """
        now, live, captured = clock.now_ns(), self._live(), int(heard.message.stamp.t_capture_ns)
        published = int(getattr(heard.message, "t_publish_ns", captured if live else heard.received_ns))
        spent = published - captured if live else 0
        since = now - (published if self._same_clock() and published <= now else heard.received_ns)
        return (spent + since) / NS_PER_MS

    def _live(self) -> bool:
        heard = self._poses.newest()
        return heard is None or heard.message.live

    def _same_clock(self) -> bool:
        hello = self._hellos.newest()
        return self._loopback if hello is None else hello.message.clock == clock.identity()

    def _listener(self, topic: str) -> Listener:
        if topic not in self._listeners:
            wrong = {"wrong": partial(contradiction, self._listeners)} if topic == "pose3d" else {}
            if topic == "hello" and not self.source:
                wrong = {"wrong": partial(follow_first, self._listeners)}
            hello = self._listeners["hello"].newest() if "hello" in self._listeners else None
            source = self.source or (first_of(hello.message) if hello else "")
            self._listeners[topic] = Listener(self._context, self.address, topic, source, keys=self._keys, **wrong)
        return self._listeners[topic]

    def close(self) -> None:
        """From any thread; iteration ends."""
        self._end()

    def __enter__(self) -> PoseClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        self.close()


def contradiction(listeners: dict[str, Listener], pose: Pose3D) -> str:
    """In a word, how a pose contradicts the clock or the last Hello; empty where it does not."""
    heard = listeners["hello"].newest() if "hello" in listeners else None
    return contradicts(heard.message, pose) if heard else ""


def contradicts(hello: Hello, pose: Pose3D) -> str:
    """Tell in a word how a pose contradicts the clock or the Hello of its publisher; empty where it does not."""
    if any(len(person.xyz) != len(hello.joints) for person in pose.people):
        return "other joints than Hello names"
    ahead_ns = pose.stamp.t_capture_ns - clock.now_ns()
    here = hello.clock == clock.identity()
    return "captured in the future" if here and pose.live and ahead_ns > FUTURE_NS else ""


def first_of(hello: Hello) -> str:
    """Choose the source to follow where several publish at one address; empty: there is one alone."""
    return hello.sources[0] if hello.sources else ""


def follow_first(listeners: dict[str, Listener], hello: Hello) -> str:
    """Follow, on every topic, whom several cameras name first; nothing is wrong with such a Hello."""
    if source := first_of(hello):
        for listener in list(listeners.values()):
            listener.follow(source)
    return ""


def end(context: zmq.Context[Any], listeners: dict[str, Listener]) -> None:
    for listener in listeners.values():
        listener.stop()
    for listener in listeners.values():
        listener.join()
    context.term()


def check_connectable(address: str) -> None:
    """Refuse what no client can connect to, naming the form that works."""
    scheme, separator, rest = address.partition("://")
    if separator and scheme == "ipc" and rest:
        return
    place = rest if separator else address
    host, _, port = place.partition(":") if place.count(":") <= 1 else place.rpartition(":")
    works = f"tcp://{host if host not in ('', '*', '0.0.0.0') else '127.0.0.1'}:{port if port.isdecimal() else 5555}"
    if address != works:
        raise BadPlace(f"address {address!r} is not understood; expected tcp://HOST:PORT: PoseClient({works!r})")
    parse(address)


def loopback(address: str) -> bool:
    try:
        return is_loopback(address)
    except BadPlace:
        return not address.startswith("tcp://")
