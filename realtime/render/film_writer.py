"""Draw moment after moment into a video file that appears once it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from realtime.render.layout import FrameLayout
from realtime.render.standing_feet import FeetOnGround
from realtime.render.timeline import Moment
from realtime.render.video_file import VideoError, open_video
from realtime.wire.messages import Hello


@dataclass(frozen=True)
class FilmStyle:
    """What the film is made for."""

    hello: Hello
    size: tuple[int, int]  # of the pictures, px
    fps: float
    side_by_side: bool = False
    feet: FeetOnGround = field(default_factory=dict)  # known of recordings: it takes what comes after a frame


@dataclass(frozen=True)
class Written:
    frames: int
    codec: str
    plays_everywhere: bool


def check_out(out: Path, force: bool) -> None:
    """Refuse what cannot be the film's name before anything is looked at."""
    if out.suffix.lower() != ".mp4":
        raise VideoError(f"{out}: the film is an MP4 file; name it {out.with_suffix('.mp4')}")
    if out.exists() and not force:
        raise VideoError(f"{out} exists; choose another name with -o, or --force to replace it")
    if not out.parent.is_dir():
        raise VideoError(f"folder {out.parent} does not exist; make it with `mkdir -p {out.parent}`")


def once(moments: Iterable[Moment]) -> Iterator[tuple[Moment, int]]:
    return ((moment, 1) for moment in moments)


def write_film(
    out: Path, look: FilmStyle, moments: Iterable[tuple[Moment, int]], tell: Callable[[int], None]
) -> Written:
    """Write the film from moments and how often each is shown; `tell` is called with the number of frames so far."""
    layout, part, frames = (
        FrameLayout(look.hello, look.size, look.side_by_side, look.feet),
        out.with_name(f".{out.stem}.part.mp4"),
        0,
    )
    part.unlink(missing_ok=True)
    part.touch(0o600)  # pictures of people: readable by this user only
    video = open_video(part, layout.size, look.fps)
    try:
        for (image, pose, time_s), times in moments:
            drawn = layout.draw(image, pose, time_s)
            for _ in range(times):
                video.write(drawn)
            frames += times
            tell(frames)
        video.close()
    except BaseException:
        video.drop()
        part.unlink(missing_ok=True)
        raise
    if not frames:
        part.unlink(missing_ok=True)
        raise VideoError(f"{out}: there was not one frame to draw")
    part.replace(out)
    return Written(frames, video.codec, video.plays_everywhere)
