"""Answer several films of one room, fused: every frame of the first with what the others saw at the same moment."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from realtime.calibration.errors import CalibrationError
from realtime.capture.open_source import open_source
from realtime.capture.prefetch import ahead
from realtime.capture.source import Picture, Source
from realtime.config.schema import RunConfig
from realtime.fusion.cameras import calibrated, camera_settings, check_room, room_sources
from realtime.fusion.fuser import FUSED, Fuser
from realtime.fusion.keypoints import fused_keypoints
from realtime.fusion.moments import Moments
from realtime.offline.chain import Answer, Chain, open_chain, pictures
from realtime.wire.messages import Keypoints2D, Pose3D, Stamp

SAME_LENGTH = 0.05  # relative difference in length of films of the same moments


@dataclass(frozen=True)
class RoomAnswer:
    """What one picture made possible: its own camera's answers, and fused poses."""

    number: int  # of the camera
    picture: Picture | None  # None: at the end
    answers: list[Answer]
    fused: list[Answer]


@dataclass
class RoomChain:
    """One chain a camera, and what fuses their poses."""

    chains: list[Chain]
    fuser: Fuser
    moments: Moments
    names: list[str]  # of the sources, as the user wrote them
    refer: Callable[[Answer], Answer] = lambda answer: answer  # adds where the picture lies
    _stream: int = field(default_factory=lambda: secrets.randbits(48))
    _seq: int = 0
    _keypoints: dict[Stamp, Keypoints2D] = field(default_factory=dict)  # of the lead

    def answer(self, number: int, picture: Picture) -> RoomAnswer:
        return self._fused(number, picture, self.chains[number].answer(picture))

    def end(self, number: int) -> RoomAnswer:
        """Nothing more comes of this film."""
        found = self._fused(number, None, self.chains[number].flush())
        self.moments.end(number)
        last = RoomAnswer(number, None, found.answers, found.fused + self._ready())
        if problem := self.fuser.disagreement(self.names):
            raise CalibrationError(problem)
        return last

    def _fused(self, number: int, picture: Picture | None, answers: list[Answer]) -> RoomAnswer:
        answers = [self.refer(answer) for answer in answers] if number == 0 else answers
        for answer in answers:
            if number == 0:
                self._keypoints[answer.pose.stamp] = answer.keypoints
            self.moments.add(number, answer.pose, 0)
        return RoomAnswer(number, picture, answers, self._ready())

    def _ready(self) -> list[Answer]:
        found = [self._answer(lead, moment) for lead, moment in self.moments.ready(0)]
        if found and (problem := self.fuser.disagreement(self.names)):
            raise CalibrationError(problem)
        return found

    def _answer(self, lead: Pose3D, moment: dict[int, Pose3D]) -> Answer:
        stamp = replace(lead.stamp, source=FUSED, stream=self._stream, seq=self._seq)
        self._seq += 1
        pose, became = self.fuser.fuse(moment, stamp)
        seen = self._keypoints.pop(lead.stamp, None)
        return Answer(fused_keypoints(pose, seen, became), replace(pose, stage_us=lead.stage_us, live=False), None)

    def info(self) -> dict[str, object]:
        told = self.chains[0].info()
        return told | {"engine": fused_engine(str(told["engine"]))}

    def close(self) -> None:
        for chain in self.chains:
            chain.close()


def fused_engine(engine: str) -> str:
    """Return how Hello names what fused poses are made with."""
    return f"{engine}, fused"


def open_room(
    config: RunConfig, opener: Callable[[RunConfig, int], Chain] = open_chain, first_id: int = 1
) -> RoomChain:
    """Return all chains, opened and warm."""
    cameras = calibrated(config)
    assert cameras is not None
    with TemporaryDirectory() as folder:  # lenses are read when a chain opens
        settings = [
            replace(config, camera=camera_settings(config.camera, camera, k, Path(folder)))
            for k, camera in enumerate(cameras)
        ]
        chains = [opener(one, first_id) for one in settings]
    fuser = Fuser(cameras, chains[0].lifter.joints, config.camera.tilt_deg, first_id)
    moments = Moments(len(cameras), round(config.room.tolerance_ms * 1e6), None)
    return RoomChain(chains, fuser, moments, list(config.room.sources))


def open_films(config: RunConfig, stream: int | None = None) -> list[Source]:
    """Return every film of the room; refused where they cannot show the same moments."""
    check_room(config)
    films = [open_source(replace(config, source=s), stream and stream + k) for k, s in enumerate(room_sources(config))]
    lengths = [getattr(film, "frames", 0) / film.fps if film.fps > 0 else 0.0 for film in films]
    if min(lengths) > 0 and max(lengths) - min(lengths) > SAME_LENGTH * max(lengths) + 2 / min(f.fps for f in films):
        for film in films:
            film.close()
        told = ", ".join(f"{spec} {length:.1f} s" for spec, length in zip(config.room.sources, lengths))
        raise CalibrationError(
            f"{told}: films of one room show the same moments; cut them alike, from the same moment on"
        )
    return films


def answers(
    films: Sequence[Source], chain: RoomChain, pace: Callable[[Picture], Picture | None] = lambda picture: picture
) -> Iterator[RoomAnswer]:
    """Yield one for every picture of every film, in the order of time; times count from each film's first picture.

    `pace` waits, moves a picture in time, or ends it all by answering None.
    """
    with ExitStack() as stack:
        coming = [stack.enter_context(closing(ahead(pictures(film)))) for film in films]
        waiting = [next(one, None) for one in coming]
        begin = [picture.stamp.t_capture_ns if picture else 0 for picture in waiting]
        while any(waiting):
            number = min((k for k, p in enumerate(waiting) if p), key=lambda k: _time(waiting[k], begin[k]))
            picture = waiting[number]
            assert picture is not None
            if (paced := pace(_shifted(picture, begin[0] - begin[number]))) is None:
                return
            yield chain.answer(number, paced)
            waiting[number] = next(coming[number], None)
            if waiting[number] is None:
                yield chain.end(number)


def _time(picture: Picture | None, begin_ns: int) -> int:
    return picture.stamp.t_capture_ns - begin_ns if picture else 0


def _shifted(picture: Picture, by_ns: int) -> Picture:
    stamp = replace(picture.stamp, t_capture_ns=picture.stamp.t_capture_ns + by_ns)
    return replace(picture, stamp=stamp)


def process_room(films: list[str], config: RunConfig) -> Iterator[Pose3D]:
    """Fused poses of the films, one for every frame of the first."""
    first = replace(config.source, spec=films[0] if films else "", every_frame=True)
    chosen = replace(config, source=first, room=replace(config.room, sources=tuple(films)))
    check_room(chosen)
    return _poses(chosen)


def _poses(config: RunConfig) -> Iterator[Pose3D]:
    with ExitStack() as stack:
        films = open_films(config)
        for film in films:
            stack.enter_context(closing(film))
        chain = stack.enter_context(closing(open_room(config)))
        names = chain.fuser.joints.joints
        for found in answers(films, chain):
            for answer in found.fused:
                yield answer.pose.with_joints(names)
