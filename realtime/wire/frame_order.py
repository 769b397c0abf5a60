"""Order frames: duplicates, late ones, new streams."""

from __future__ import annotations

import logging

from realtime.clock import Pace
from realtime.wire.messages import Stamp


def starts_anew(last: Stamp | None, now: Stamp) -> bool:
    """Tell whether a frame begins another stream, or the first: forget all state."""
    return last is None or last.stream != now.stream


def goes_on(last: Stamp | None, now: Stamp) -> bool:
    """Never back in time: a duplicate or a late frame of the same stream does not."""
    return last is None or last.stream != now.stream or now.seq > last.seq


class FrameOrder:
    """What one stage took last; frames that come twice or late are ignored and counted."""

    def __init__(self, log: logging.Logger) -> None:
        self.last: Stamp | None = None
        self.ignored = 0
        self._log, self._pace = log, Pace(1.0)

    def takes(self, now: Stamp) -> bool:
        if goes_on(self.last, now):
            self.last = now
            return True
        self.ignored += 1
        if self._pace.due():
            self._log.warning("frame %d came twice or late and was ignored, %d so far", now.seq, self.ignored)
        return False
