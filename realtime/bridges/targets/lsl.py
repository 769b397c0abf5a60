"""`realtime bridge lsl`: one person as a stream of the Lab Streaming Layer, stamped with the time of capture."""

from __future__ import annotations

import argparse
from typing import Any

from realtime import clock
from realtime.bridges.loop import Bridge, Changes, MissingLibrary
from realtime.bridges.lsl_stream import captured_s, channels, clock_offset_s, sample
from realtime.bridges.person import BridgedPerson
from realtime.wire.messages import Hello, Pose3D

OFFSET_EVERY_S = 10.0
BUFFERED_S = 10  # for a consumer that was away


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="steadypose", help="of the stream, default steadypose")


def library() -> Any:
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:  # RuntimeError: without its liblsl
        raise MissingLibrary(f"bridge lsl needs pylsl; pip install 'steadypose[lsl]' ({error})") from None
    return pylsl


class Outlet:
    """A stream that is opened once the joints are known, and anew where they change."""

    def __init__(self, name: str) -> None:
        self._lsl, self._name = library(), name
        self._outlet: Any = None
        self._joints: tuple[str, ...] = ()
        self._pace, self.offset_s = clock.Pace(OFFSET_EVERY_S), 0.0

    def send(self, pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        if hello is None or pose.status == "STALE":
            return
        if hello.joints != self._joints:
            self._joints, self._outlet = hello.joints, self._open(hello)
        if self._pace.due():
            self.offset_s = clock_offset_s(self._lsl.local_clock)
        when = captured_s(pose, hello, self.offset_s, self._lsl.local_clock())
        self._outlet.push_sample(sample(self._joints, next(iter(people), None)), when)

    def _open(self, hello: Hello) -> Any:
        lsl, listed = self._lsl, channels(hello.joints)
        source_id = f"steadypose-{self._name}-{hello.source}"
        info = lsl.StreamInfo(self._name, "MoCap", len(listed), lsl.IRREGULAR_RATE, lsl.cf_float32, source_id)
        described = info.desc().append_child("channels")
        for label, kind, unit, marker in listed:
            one = described.append_child("channel").append_child_value("label", label)
            one.append_child_value("type", kind).append_child_value("unit", unit).append_child_value("marker", marker)
        setup = info.desc().append_child("setup").append_child_value("name", hello.source)
        setup.append_child_value("axes", "x right of the camera, y up, z towards the camera; right-handed")
        return lsl.StreamOutlet(info, 1, BUFFERED_S)

    def state(self) -> str:
        if self._outlet is None:
            return ""
        listened = "a consumer listens" if self._outlet.have_consumers() else "waiting for a consumer"
        return f"{listened}; LSL's clock is ours {self.offset_s:+.3f} s"

    def close(self) -> None:
        self._outlet = None


def open_bridge(args: argparse.Namespace) -> Bridge:
    outlet, changes = Outlet(args.name), Changes()
    return Bridge(f"the stream {args.name}", outlet.send, outlet.close, news=lambda: changes.changed(outlet.state()))
