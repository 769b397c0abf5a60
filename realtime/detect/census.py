"""Count the people to ask the detector for: as many as are there, with a look for more now and then.

MediaPipe searches the whole picture anew in every frame in which it tracks fewer people than it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime.wire.arrays import F32
from realtime.wire.keypoints import box_size, distance

FEWER_MS = 500  # fewer people for so long: fewer are asked for


APART = 0.3  # of the body's box height that joints lie apart on average: somebody else


def strangers(detected: Sequence[F32], tracked: Sequence[F32]) -> int:
    """Count the people of a search, (J, 2) px each, who are none of those tracked."""
    return sum(all(distance(xy, other).mean() > APART * box_size(other) for other in tracked) for xy in detected)


class Census:
    """`wanted` people are asked for in the next frame.  Times are the frames', in ms; `look_ms` 0: always `most`."""

    def __init__(self, most: int, look_ms: int = 500) -> None:
        self.most, self.wanted = most, 1 if look_ms else most
        self._look_ms = look_ms
        self._look_at = 0
        self._enough_at: int | None = None  # when as many as wanted were tracked last

    def tracked(self, count: int, t_ms: int) -> None:
        """Record how many people the detector answered when asked for `wanted`."""
        if self._enough_at is None or count >= self.wanted or t_ms < self._enough_at:
            self._enough_at = t_ms
        elif self._look_ms and t_ms - self._enough_at >= FEWER_MS:
            self._ask_for(max(count, 1), t_ms)

    def is_look_due(self, count: int, t_ms: int) -> bool:
        """Tell whether to search for people beyond the `count` that are tracked; where fewer are it searches anyway."""
        if count < self.wanted or self.wanted >= self.most or 0 <= self._look_at - t_ms <= self._look_ms:
            return False
        self._look_at = t_ms + self._look_ms
        return True

    def looked(self, people: int, t_ms: int) -> None:
        """Tracked people and those that a search of the whole picture found besides: one seldom finds all.

        Where there are more than was known, everybody is searched for in every frame until it is clear how many.
        """
        if people > self.wanted:
            self._ask_for(self.most, t_ms)

    def _ask_for(self, count: int, t_ms: int) -> None:
        self.wanted, self._enough_at = count, t_ms
