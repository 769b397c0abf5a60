"""Which frame comes after which: duplicates, late ones, new streams.

Knows: stamps.  Does not know: what is done with a frame.
"""

from __future__ import annotations

from realtime.messages import Stamp


def starts_anew(last: Stamp | None, now: Stamp) -> bool:
    """Another stream, or the first: forget all state."""
    return last is None or last.stream != now.stream


def goes_on(last: Stamp | None, now: Stamp) -> bool:
    """Never back in time: a duplicate or a late frame of the same stream does not."""
    return last is None or last.stream != now.stream or now.seq > last.seq
