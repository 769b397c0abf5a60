"""Compose one frame of the film: the picture with skeletons, the 3D view beside it, a caption and a legend."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from realtime.render.overlay import draw_people, empty_picture
from realtime.render.room_view import RoomView
from realtime.render.standing_feet import STANDS, FeetOnGround
from realtime.render.style import LEFT, MIDDLE, RIGHT, Image, mark, write_text
from realtime.wire.messages import ABSENT, HELD, INFERRED, OBSERVED, Hello, Pose3D

LARGEST = 1920, 1080  # px; larger pictures are made smaller
LEGEND = ((OBSERVED, "seen"), (INFERRED, "unseen, inferred"), (HELD, "unseen, held"))


@dataclass
class FrameLayout:
    """Draws frames of one size."""

    hello: Hello
    picture: tuple[int, int]  # width and height of the pictures, px
    side_by_side: bool = False
    feet: FeetOnGround = field(default_factory=dict)
    width: int = field(init=False)
    height: int = field(init=False)
    _view: RoomView = field(init=False)

    def __post_init__(self) -> None:
        scale = min(1.0, LARGEST[0] / self.picture[0], LARGEST[1] / self.picture[1])
        self.width, self.height = even(self.picture[0] * scale), even(self.picture[1] * scale)
        self._view = RoomView(even(self.height * 0.9) if self.side_by_side else 0, self.height)

    @property
    def size(self) -> tuple[int, int]:
        return self.width + self._view.width, self.height

    def draw(self, image: Image | None, pose: Pose3D | None, time_s: float) -> Image:
        """Return the frame; without a picture the skeletons stand on a plain ground."""
        frame = empty_picture(self.width, self.height) if image is None else self._fitted(image)
        draw_people(frame, self.hello, pose, self.feet)
        caption(frame, time_s, pose)
        legend(frame, bool(self.feet))
        if not self.side_by_side:
            return frame
        view = self._view.draw(self.hello, pose, self.feet)
        write_text(view, "3D, from aside", (12, round(self.height / 24)), self.height / 1100)
        return np.concatenate([frame, view], axis=1)

    def _fitted(self, image: Image) -> Image:
        if image.shape[1::-1] == (self.width, self.height):
            return np.array(image)
        fitted = cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(fitted, np.uint8)


def even(length: float) -> int:
    """As H.264 wants it."""
    return max(2, round(length / 2) * 2)


def caption(frame: Image, time_s: float, pose: Pose3D | None) -> None:
    if pose is None:
        write_text(frame, f"{time_s:7.2f} s   no current pose", (12, round(frame.shape[0] / 24)), frame.shape[0] / 1100)
        return
    people = len(pose.people)
    unseen = sum(int(((p.state != OBSERVED) & (p.state != ABSENT)).sum()) for p in pose.people)
    absent = sum(int((p.state == ABSENT).sum()) for p in pose.people)
    said = f"{time_s:7.2f} s   {people or 'no'} {'person' if people == 1 else 'people'}"
    said += f"   {unseen} joints unseen" * bool(unseen) + f"   {absent} not known" * bool(absent)
    write_text(frame, said, (12, round(frame.shape[0] / 24)), frame.shape[0] / 1100)


def legend(frame: Image, with_feet: bool) -> None:
    size, radius = frame.shape[0] / 1300, max(3, frame.shape[0] // 180)
    x, y = 16, frame.shape[0] - round(20 * size) - 4
    for state, text in LEGEND:
        width = write_text(frame, " " * 4 + text, (x, y), size)
        mark(frame, np.array([x + 6 * size, y - 7 * size]), state, MIDDLE, radius)
        x += round(width + 14 * size)
    feet = ((STANDS, "foot on the ground"),) if with_feet else ()
    for colour, text in ((LEFT, "left"), (RIGHT, "right"), *feet):
        x += round(write_text(frame, text, (x, y), size, colour) + 14 * size)
