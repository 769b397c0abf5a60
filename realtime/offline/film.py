"""Run films without a pipeline: every picture with its answer, recorded where that is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from realtime.capture.open_source import open_source
from realtime.capture.source import Picture, Source
from realtime.config.schema import RunConfig, config_hash
from realtime.config.source_spec import SourceError
from realtime.detect.find_bundle import bundle_of
from realtime.offline.chain import Answer, Chain, answers, open_chain
from realtime.publish.publisher import hello_of
from realtime.recording.file_format import MAGIC, RecordingError, RecordingWriter, check_target
from realtime.recording.relift import finished
from realtime.wire.messages import Hello, encode


def is_recording(path: Path) -> bool:
    """Tell a recording by its first bytes; RecordingError where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from error


@dataclass
class OpenFilm:
    """A film and the chain that looks at it, open."""

    source: Source
    chain: Chain
    hello: Hello
    frames: int  # as the container says; 0: it does not

    size: tuple[int, int]  # of its pictures as they are looked at

    def answers(self) -> Iterator[tuple[Picture, Answer]]:
        """Yield every picture with its answer, in order; pictures wait while a lifter looks ahead."""
        waiting: deque[Picture] = deque()
        for answer in answers(Kept(self.source, waiting), self.chain):
            while waiting[0].stamp != answer.pose.stamp:
                waiting.popleft()
            yield waiting.popleft(), replace(answer, pose=finished(answer.pose))


class Kept:
    """The same source; what was read is kept until it is taken."""

    def __init__(self, source: Source, waiting: deque[Picture]) -> None:
        self.live, self.fps, self.size = source.live, source.fps, source.size
        self._source, self._waiting = source, waiting

    def read(self) -> Picture | None:
        picture = self._source.read()
        if picture is not None:
            self._waiting.append(picture)
        return picture

    def close(self) -> None:
        self._source.close()


def open_film(config: RunConfig, stack: ExitStack) -> OpenFilm:
    bundle_of(config.detector.model)
    source = stack.enter_context(closing(open_source(config)))
    chain = stack.enter_context(closing(open_chain(config)))
    hello = hello_of("film", config.source.name, config_hash(config), config.publish.least_age_ms(), chain.info())
    if hello is None:
        raise SourceError(f"source {config.source.spec}: detector or lifter did not say which joints they have")
    size = source.size[::-1] if config.source.rotate % 180 else source.size
    return OpenFilm(source, chain, hello, frame_count(config.source.spec), (size[0], size[1]))


def frame_count(film: str) -> int:
    """Return frames as the container declares them; 0 where it does not know."""
    capture = cv2.VideoCapture(str(Path(film).expanduser()), cv2.CAP_FFMPEG)
    try:
        return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        capture.release()


def record_film(film: Path, out: Path, config: RunConfig, tell: Callable[[int, int], None]) -> int:
    """Write the film's poses as a recording, which appears once it is whole; answers the number of frames.

    `tell` is called with the frames done and how many the container declares (0: it does not say).
    """
    part = check_target(out).with_name(out.name + ".part")
    part.unlink(missing_ok=True)
    frames = 0
    with ExitStack() as stack:
        opened = open_film(config, stack)
        writer = stack.enter_context(RecordingWriter(part))
        writer.write(encode("hello", opened.hello.source, opened.hello))
        for _, answer in opened.answers():
            writer.write(encode("keypoints2d", opened.hello.source, answer.keypoints))
            writer.write(encode("pose3d", opened.hello.source, answer.pose))
            frames += 1
            tell(frames, opened.frames)
    if not frames:
        part.unlink()
        raise SourceError(f"source {film}: not one picture could be read")
    part.rename(out)
    return frames
