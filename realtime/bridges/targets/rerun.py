"""`realtime bridge rerun`: people in the rerun viewer, live, or into a file .rrd."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from realtime.bridges.address import BadTarget
from realtime.bridges.loop import Bridge, Changes, MissingLibrary
from realtime.bridges.person import BridgedPerson
from realtime.bridges.rerun_scene import BONE_M, JOINT_M, figure
from realtime.clock import Pace
from realtime.wire.messages import Hello, Pose3D

URL = "rerun+http://127.0.0.1:9876/proxy"
LOOK_EVERY_S = 2.0
REACH_S = 0.2


class FileThere(Exception):
    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", default=URL, help=f"of a viewer that runs (the command rerun), default {URL}")
    where.add_argument("--save", type=Path, metavar="FILE.rrd", help="into a file; rerun FILE.rrd shows it")


def library() -> Any:
    try:
        import rerun
    except ImportError:
        raise MissingLibrary("bridge rerun needs rerun-sdk; pip install 'steadypose[rerun]'") from None
    return rerun


class RerunScene:
    """What is logged where: `room/SOURCE/person_ID/joints`, `/bones`, `/errors`, over `capture` and `frame`."""

    def __init__(self) -> None:
        self.rr = library()
        self.out = self.rr.RecordingStream("steadypose")
        self._shown: set[str] = set()

    def layout(self) -> Any:
        """Return the room large, the count of unseen joints below."""
        from rerun import blueprint

        room = blueprint.Spatial3DView(origin="room", name="room")
        unseen = blueprint.TimeSeriesView(origin="room", contents="$origin/**", name="joints not seen now")
        return blueprint.Blueprint(blueprint.Vertical(room, unseen, row_shares=[5, 1]), collapse_panels=True)

    def begin(self) -> None:
        self.out.send_blueprint(self.layout())
        self.out.log("room", self.rr.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)
        self._shown = set()

    def log(self, pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        if hello is None or pose.status == "STALE":
            return
        self.out.set_time("frame", sequence=pose.stamp.seq)
        self.out.set_time("capture", timestamp=pose.stamp.t_capture_unix_ns * 1e-9)
        places = {f"room/{pose.stamp.source}/person_{one.id}": one for one in people}
        for gone in self._shown - set(places):
            self.out.log(gone, self.rr.Clear(recursive=True))
        for place, one in places.items():
            self._figure(place, one, hello)
        self._shown = set(places)

    def _figure(self, place: str, person: BridgedPerson, hello: Hello) -> None:
        rr, drawn = self.rr, figure(person, hello)
        points = rr.Points3D(drawn.points, radii=JOINT_M, colors=drawn.colours, labels=drawn.names, show_labels=False)
        balls = rr.Ellipsoids3D(
            centers=drawn.balls, radii=drawn.ball_radii, colors=drawn.ball_colours, line_radii=0.0015,
            fill_mode=rr.components.FillMode.MajorWireframe,
        )  # fmt: skip
        self.out.log(f"{place}/joints", points)
        self.out.log(f"{place}/errors", balls)
        self.out.log(f"{place}/bones", rr.LineStrips3D(drawn.bones, radii=BONE_M, colors=drawn.bone_colours))
        self.out.log(f"{place}/unseen", rr.Scalars(sum(state != 0 for state in person.state.values())))

    def close(self) -> None:
        self.out.disconnect()


class RerunViewer:
    """A viewer that may come, go and come back; what happens meanwhile is not kept for it."""

    def __init__(self, scene: RerunScene, url: str) -> None:
        self._scene, self._url, self._place = scene, url, place_of(url)
        self._there, self._pace = False, Pace(LOOK_EVERY_S)

    def send(self, pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        if self._pace.due():
            self._look()
        if self._there:
            self._scene.log(pose, people, hello)

    def _look(self) -> None:
        there = answers(*self._place)
        if there and not self._there:
            self._scene.out.connect_grpc(self._url)
            self._scene.begin()
        if self._there and not there:
            self._scene.out.disconnect()
        self._there = there

    def state(self) -> str:
        return "a viewer is there" if self._there else f"waiting for a viewer on {self._url}; start it: rerun"


def place_of(url: str) -> tuple[str, int]:
    found = urlsplit(url)
    try:
        port = found.port
    except ValueError:
        port = None
    if not found.scheme.startswith("rerun") or not found.hostname or port is None:
        raise BadTarget(f"--url is such as {URL}, found {url!r}")
    return found.hostname, port


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), REACH_S).close()
    except OSError:
        return False
    return True


def new_file(path: Path) -> None:
    """Make the file, readable by its user only: it says where people are."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise FileThere(f"{path} exists and is not written over; name another file") from None
    except OSError as error:
        raise FileThere(f"{path} cannot be written: {error.strerror}") from None


def open_bridge(args: argparse.Namespace) -> Bridge:
    if args.save:
        scene = RerunScene()
        new_file(args.save)
        scene.out.save(str(args.save))
        scene.begin()
        return Bridge(str(args.save), scene.log, scene.close, everybody=True)
    place_of(args.url)
    scene = RerunScene()
    viewer, changes = RerunViewer(scene, args.url), Changes()
    return Bridge(args.url, viewer.send, scene.close, everybody=True, news=lambda: changes.changed(viewer.state()))
