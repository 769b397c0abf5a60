"""`realtime render`: a film of a film or a recording, with the skeletons on it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from rich.progress import Progress

from realtime.capture.open_source import open_source
from realtime.capture.source import Source
from realtime.cli.feet_on_ground import feet_on_ground
from realtime.cli.film import add_film_arguments, doubts, film_config, film_progress
from realtime.config.schema import RunConfig
from realtime.offline.film import OpenFilm, is_recording, open_film
from realtime.recording.file_format import RecordingError
from realtime.recording.reader import Recorded, hello_and_poses
from realtime.render.film_writer import FilmStyle, Written, check_out, once, write_film
from realtime.render.live import Following, at_a_constant_rate
from realtime.render.style import Image
from realtime.render.timeline import Moment, check_film, in_order, on_film, rate_of, without_film
from realtime.transport.keys import client_keys
from realtime.wire.messages import Hello, Pose3D

LIVE_FPS = 30.0  # of films of a stream; its own rate may change


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILM|RECORDING|ADDRESS", help="a video file, a recording, or a stream that runs: tcp://..."
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mp4", help="the film to write")
    parser.add_argument("--film", type=Path, metavar="FILM", help="the pictures that a recording was made of")
    parser.add_argument("--side-by-side", action="store_true", help="a 3D view beside the picture")
    parser.add_argument("--seconds", type=float, metavar="S", help="streams: stop after so many seconds")
    parser.add_argument(
        "--patience",
        type=float,
        default=10.0,
        metavar="S",
        help="streams: how long to wait for the first frame (default 10)",
    )
    parser.add_argument("--keys", metavar="DIR", help="streams: folder of keys, where the publisher has some")
    parser.add_argument("--force", action="store_true", help="replace OUT.mp4 where it exists")
    add_film_arguments(parser)


def main(args: argparse.Namespace) -> int:
    check_out(args.out, args.force)
    if "://" in args.file:
        written = render_live(args)
    else:
        args.file = Path(args.file)
        with film_progress() as bar:
            written = render_file(args, bar)
    print(f"{args.out}: {written.frames} frames, {written.codec}")
    if not written.plays_everywhere:
        print("note: browsers do not play this codec; with ffmpeg installed it is H.264", file=sys.stderr)
    return 0


def render_file(args: argparse.Namespace, bar: Progress) -> Written:
    """Draw a recording; or a film, by the recording beside it where that has the same settings."""
    if is_recording(args.file):
        return render_recording(args, bar)
    beside = args.file.with_suffix(".sp")
    if not beside.exists() or doubts(args.file, beside, args):
        return render_film(args, bar)
    args.file, args.film = beside, args.file
    return render_recording(args, bar)


def render_live(args: argparse.Namespace) -> Written:
    """Draw a running stream until Ctrl-C, SIGTERM or the given time."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with closing(Following(args.file, stop, client_keys(args.keys) if args.keys else None)) as stream:
        stream.start(args.file, args.patience)
        if args.seconds:
            timer = threading.Timer(args.seconds, stop.set)
            timer.daemon = True  # told to end earlier, it does
            timer.start()
        assert stream.hello is not None
        look = FilmStyle(stream.hello, stream.size, LIVE_FPS, args.side_by_side)
        return write_film(args.out, look, at_a_constant_rate(stream.frames(), LIVE_FPS), lambda _frames: None)


def render_film(args: argparse.Namespace, bar: Progress) -> Written:
    """Draw a film while it is processed; nothing is recorded."""
    with ExitStack() as stack:
        film = open_film(film_config(args.file, args), stack)
        task = bar.add_task(f"drawing {args.out.name}", total=film.frames or None)
        look = FilmStyle(film.hello, film.size, film.source.fps, args.side_by_side)
        return write_film(args.out, look, once(of_film(film)), lambda frames: bar.update(task, completed=frames))


def render_recording(args: argparse.Namespace, bar: Progress) -> Written:
    """Draw a recording, on its film's pictures where that is named."""
    hello, poses = hello_and_poses(Recorded(args.file))
    task = bar.add_task(f"drawing {args.out.name}", total=len(poses))

    def tell(frames: int) -> None:
        bar.update(task, completed=frames)

    if args.film is not None:
        return draw_on_film(args.out, args.film, film_config(args.film, args), hello, poses, args.side_by_side, tell)
    poses = in_order(poses)
    look = FilmStyle(
        hello, (poses[0].width, poses[0].height), rate_of(poses), args.side_by_side, feet_on_ground(hello, poses)
    )
    return write_film(args.out, look, once(without_film(poses, look.fps)), tell)


def draw_on_film(
    out: Path, film: Path, config: RunConfig, hello: Hello, poses: list[Pose3D], side_by_side: bool,
    tell: Callable[[int], None],
) -> Written:  # fmt: skip
    """Draw a recording's poses on the film that they were found in."""
    if is_recording(film):
        raise RecordingError(f"--film {film} is a recording too; name the film that was looked at")
    with closing(open_source(config)) as source:
        size = turned(source.size, config.source.rotate)
        check_film(poses, size, str(film))
        return write_film(
            out, FilmStyle(hello, size, source.fps, side_by_side, feet_on_ground(hello, poses)),
            once(on_film(pictures(source), poses)), tell,
        )  # fmt: skip


def turned(size: tuple[int, int], rotate: int) -> tuple[int, int]:
    return (size[1], size[0]) if rotate % 180 else size


def of_film(film: OpenFilm) -> Iterator[Moment]:
    start_ns = None
    for picture, answer in film.answers():
        start_ns = picture.stamp.t_capture_ns if start_ns is None else start_ns
        yield picture.image, answer.pose, (picture.stamp.t_capture_ns - start_ns) * 1e-9


def pictures(source: Source) -> Iterator[tuple[int, float, Image]]:
    """Yield a film's pictures with number and time."""
    start_ns = None
    while (picture := source.read()) is not None:
        start_ns = picture.stamp.t_capture_ns if start_ns is None else start_ns
        yield picture.stamp.seq, (picture.stamp.t_capture_ns - start_ns) * 1e-9, picture.image
